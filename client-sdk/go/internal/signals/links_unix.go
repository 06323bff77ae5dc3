//go:build unix

package signals

import (
	"io/fs"
	"os"
	"syscall"
)

// inodeOf a directory.
func inodeOf(path string) Maybe {
	if info, err := os.Stat(path); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			return known(float64(stat.Ino))
		}
	}
	return Maybe{}
}

func linksOf(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 0
}
