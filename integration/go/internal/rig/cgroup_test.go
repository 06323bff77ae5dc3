package rig

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAGroupIsMadeAndLeavesNothingBehind(t *testing.T) {
	if err := Usable(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	g, err := newGroup("test", 64, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	limit, err := g.number("memory", "memory.limit_in_bytes")
	quota, err2 := g.number("cpu", "cpu.cfs_quota_us")
	if err != nil || err2 != nil || limit != 64*mib || quota != 50_000 {
		t.Errorf("%v %v %v %v", limit, quota, err, err2)
	}
	sleeper, err := spawn(os.Stderr, os.Stderr, nil, "/bin/sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.write("memory", "cgroup.procs", sleeper.Process.Pid); err != nil {
		t.Error(err)
	}
	if err := g.remove(); err != nil {
		t.Error(err)
	}
	<-sleeper.ended
	if left, _ := filepath.Glob(filepath.Join(cgroupRoot, "*", g.name)); !sleeper.killed() || len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
