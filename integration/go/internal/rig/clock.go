package rig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A clock that can be set, for one process: libfaketime answers for the C library's wall clock. The monotonic one goes on, as it does when
// somebody sets the time of a machine.

// Where the package faketime of the usual distributions has it.
var fakeTime = []string{
	"/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
	"/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
	"/usr/lib64/faketime/libfaketime.so.1",
	"/usr/lib/faketime/libfaketime.so.1",
}

// clockOf a process whose files are there: the environment that makes it read that clock.
func clockOf(home string) ([]string, error) {
	library := slices.IndexFunc(fakeTime, func(path string) bool { _, err := os.Stat(path); return err == nil })
	if library < 0 {
		return nil, errors.New("NOT RUN: no clock can be set without libfaketime (package faketime)")
	}
	return []string{"LD_PRELOAD=" + fakeTime[library], "FAKETIME_TIMESTAMP_FILE=" + clockFile(home), "FAKETIME_NO_CACHE=1",
		"FAKETIME_DONT_FAKE_MONOTONIC=1"}, setClock(home, "+0")
}

// jump an hour ahead, and two back a while later.
func jump(ctx context.Context, home string) error {
	if err := setClock(home, "+3600"); err != nil {
		return err
	}
	if !sleepUntil(ctx, time.Now().Add(3*time.Second)) {
		return ctx.Err()
	}
	return setClock(home, "-3600")
}

func setClock(home, seconds string) error {
	return os.WriteFile(clockFile(home), []byte(seconds+"\n"), 0o644)
}

func clockFile(home string) string { return filepath.Join(home, "clock") }
