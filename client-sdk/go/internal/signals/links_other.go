//go:build !unix

package signals

import "io/fs"

// linksOf is for a system without /proc.
func linksOf(fs.FileInfo) uint64 { return 0 }

func inodeOf(string) Maybe { return Maybe{} }
