package rig

import (
	"runtime"
	"syscall"
)

// hideGroups mounts something empty over the files of control groups, for this process and what it becomes. The thread stays locked, since a
// mount namespace is one thread's until it becomes another program.
func hideGroups() error {
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return err
	}
	// Else the machine would see it as well.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	return syscall.Mount("tmpfs", cgroupRoot, "tmpfs", syscall.MS_RDONLY, "")
}
