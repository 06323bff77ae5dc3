package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// controllers that a run makes a group in: version 1, and version 2 beside it for pressure, as far as they are there.
var controllers = []string{"memory", "cpu", "cpuacct", "unified"}

const (
	cgroupRoot  = "/sys/fs/cgroup"
	groupPrefix = "setpoint-gc-rig-"
	mib         = 1 << 20
	// As GoFirst is for a process: what a group gets of a busy machine is its own, whatever its processes ask for.
	shares = 32 << 10
)

// group is one control group in each hierarchy.
type group struct{ name string }

// Usable says why no run is possible on this machine; nil: it is.
func Usable() error {
	if os.Geteuid() != 0 {
		return errors.New("control groups can only be made by root")
	}
	for _, controller := range controllers[:3] {
		if _, err := os.Stat(filepath.Join(cgroupRoot, controller, "cgroup.procs")); err != nil {
			return fmt.Errorf("there is no version 1 hierarchy of %s here: %w", controller, err)
		}
	}
	g, err := newGroup("probe", 64, 0)
	if err != nil {
		return err
	}
	return g.remove()
}

// newGroup makes a group with a memory limit, and a quota if there are cores. Groups that a rig left behind that was killed are
// removed first.
func newGroup(name string, limitMiB int, cores float64) (*group, error) {
	g := &group{fmt.Sprintf("%s%d-%s", groupPrefix, os.Getpid(), name)}
	for _, controller := range controllers {
		if _, err := os.Stat(filepath.Join(cgroupRoot, controller)); err != nil {
			continue
		}
		if err := os.Mkdir(g.dir(controller), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, errors.Join(err, g.remove())
		}
	}
	err := errors.Join(g.setLimit(limitMiB), g.write("cpu", "cpu.shares", shares))
	if cores > 0 {
		const period = 100_000
		err = errors.Join(err, g.write("cpu", "cpu.cfs_period_us", period), g.write("cpu", "cpu.cfs_quota_us", int(cores*period)))
	}
	if err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

func (g *group) dir(controller string) string { return filepath.Join(cgroupRoot, controller, g.name) }

// dirs of all hierarchies that there are.
func (g *group) dirs() []string {
	var dirs []string
	for _, controller := range controllers {
		if _, err := os.Stat(g.dir(controller)); err == nil {
			dirs = append(dirs, g.dir(controller))
		}
	}
	return dirs
}

func (g *group) write(controller, file string, value int) error {
	return os.WriteFile(filepath.Join(g.dir(controller), file), []byte(strconv.Itoa(value)), 0o644)
}

func (g *group) setLimit(limitMiB int) error {
	return g.write("memory", "memory.limit_in_bytes", limitMiB*mib)
}

// number in a file that holds one.
func (g *group) number(controller, file string) (float64, error) {
	text, err := os.ReadFile(filepath.Join(g.dir(controller), file))
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
}

// line of a file of names and numbers.
func (g *group) line(controller, file, name string) (float64, error) {
	text, err := os.ReadFile(filepath.Join(g.dir(controller), file))
	if err != nil {
		return 0, err
	}
	return lineOf(string(text), name)
}

func lineOf(text, name string) (float64, error) {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			return strconv.ParseFloat(fields[1], 64)
		}
	}
	return 0, fmt.Errorf("there is no %q", name)
}

// resetPeak begins to look for the peak anew.
func (g *group) resetPeak() error { return g.write("memory", "memory.max_usage_in_bytes", 0) }

// remove the group, with everything that still runs in it.
func (g *group) remove() error {
	var failed error
	for _, dir := range g.dirs() {
		failed = errors.Join(failed, removeDir(dir))
	}
	return failed
}

// removeDir kills what is in a group of ours, waits until it is gone, and removes it.
func removeDir(dir string) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		for _, pid := range strings.Fields(string(text)) {
			if number, err := strconv.Atoi(pid); err == nil && number > 1 {
				_ = syscall.Kill(number, syscall.SIGKILL) // it may have ended
			}
		}
		err = os.Remove(dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if time.Now().After(end) {
			return err
		}
	}
}

// RemoveLeftovers removes groups of rigs that do not run any more.
func RemoveLeftovers() {
	for _, controller := range controllers {
		found, _ := filepath.Glob(filepath.Join(cgroupRoot, controller, groupPrefix+"*")) // the pattern is sound
		for _, dir := range found {
			owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
			if _, err := os.Stat("/proc/" + owner); errors.Is(err, os.ErrNotExist) {
				_ = removeDir(dir) // the next rig tries again
			}
		}
	}
}

// withoutFiles, among the groups to be entered, hides all files of control groups from the program.
const withoutFiles = "--without-files"

// Enter puts this process into groups and becomes the program.
func Enter(dirs []string, program []string) error {
	hide := false
	for _, dir := range dirs {
		if dir == withoutFiles {
			hide = true
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
	}
	if hide {
		if err := hideGroups(); err != nil {
			return err
		}
	}
	return syscall.Exec(program[0], program, os.Environ())
}
