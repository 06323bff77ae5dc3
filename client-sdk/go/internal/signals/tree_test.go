package signals

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const mib = 1 << 20

// tree is a /proc and a /sys in a temporary directory, written file by file.
type tree struct {
	*testing.T
	root string
}

func newTree(t *testing.T) *tree {
	it := &tree{t, t.TempDir()}
	it.write("proc/meminfo", "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n")
	it.write("proc/self/statm", "1000 300 100 5 0 250 0\n")
	it.write("proc/self/task/1/schedstat", "0 0 0\n")
	return it
}

func (t *tree) write(path, text string) {
	t.Helper()
	path = filepath.Join(t.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (t *tree) remove(path string) {
	if err := os.RemoveAll(filepath.Join(t.root, path)); err != nil {
		t.Fatal(err)
	}
}

func (t *tree) roots() Roots {
	return Roots{filepath.Join(t.root, "proc"), filepath.Join(t.root, "sys")}
}

func (t *tree) sampler() *Sampler {
	s := NewSampler(t.roots())
	t.Cleanup(s.Close)
	return s
}

// v2 as on a host: the process is in /pods/app, and /pods has limits of its own.
func v2(t *testing.T) *tree {
	it := newTree(t)
	it.write("proc/self/cgroup", "0::/pods/app\n")
	it.write("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/vda rw\n41 31 0:38 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n")
	it.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
	it.v2Group("sys/fs/cgroup/pods/")
	it.v2Group("sys/fs/cgroup/pods/app/")
	it.write("sys/fs/cgroup/pods/memory.max", "1073741824\n")
	it.write("sys/fs/cgroup/pods/app/memory.max", "536870912\n")
	it.write("sys/fs/cgroup/pods/app/cpu.max", "150000 100000\n")
	return it
}

func (t *tree) v2Group(group string) {
	t.write(group+"cgroup.events", "populated 1\nfrozen 0\n")
	t.write(group+"memory.current", "268435456\n")
	t.write(group+"memory.max", "max\n")
	t.write(group+"memory.high", "max\n")
	t.write(group+"memory.stat", statV2(0))
	t.write(group+"memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n")
	t.write(group+"cpu.max", "max 100000\n")
	t.write(group+"cpu.stat", "usage_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n")
	for _, file := range []string{"memory", "cpu", "io"} {
		t.write(group+file+".pressure", stalls(0, 0))
	}
}

// v1 controllers alone, as in a container without its own cgroup namespace: only the own group is mounted.
func v1(t *testing.T) *tree {
	it := newTree(t)
	it.write("proc/self/cgroup", "4:memory:/docker/c\n2:cpu,cpuacct:/docker/c\n1:name=systemd:/docker/c\n")
	mount := "30 20 0:30 /docker/c /sys/fs/cgroup/%s ro - cgroup cgroup rw,%[1]s\n"
	it.write("proc/self/mountinfo", fmt.Sprintf(mount, "memory")+fmt.Sprintf(mount, "cpu,cpuacct"))
	it.v1Group("sys/fs/cgroup/memory/", "sys/fs/cgroup/cpu,cpuacct/", "sys/fs/cgroup/cpu,cpuacct/")
	return it
}

func (t *tree) v1Group(memory, cpu, cpuacct string) {
	t.write(memory+"memory.usage_in_bytes", "268435456\n")
	t.write(memory+"memory.limit_in_bytes", "536870912\n")
	t.write(memory+"memory.stat", statV1(0, 512*mib))
	t.write(memory+"memory.failcnt", "0\n")
	t.write(memory+"memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
	t.write(cpuacct+"cpuacct.usage", "0\n")
	t.write(cpu+"cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n")
	t.write(cpu+"cpu.cfs_quota_us", "150000\n")
	t.write(cpu+"cpu.cfs_period_us", "100000\n")
}

// hybrid has v1 controllers in a group, and pressure in the v2 hierarchy beside them.
func hybrid(t *testing.T) *tree {
	it := newTree(t)
	it.write("proc/self/cgroup", "4:memory:/app\n2:cpuacct:/app\n1:cpu:/app\n0::/app\n")
	mount := "30 20 0:30 / /sys/fs/cgroup/%s rw - cgroup cgroup rw,%[1]s\n"
	it.write("proc/self/mountinfo", fmt.Sprintf(mount, "memory")+fmt.Sprintf(mount, "cpuacct")+fmt.Sprintf(mount, "cpu")+
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")
	it.v1Group("sys/fs/cgroup/memory/app/", "sys/fs/cgroup/cpu/app/", "sys/fs/cgroup/cpuacct/app/")
	it.v1Group("sys/fs/cgroup/memory/", "sys/fs/cgroup/cpu/", "sys/fs/cgroup/cpuacct/")
	for _, controller := range []string{"memory", "cpu", "cpuacct"} {
		it.write("sys/fs/cgroup/"+controller+"/release_agent", "\n")
	}
	it.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
	it.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
	it.write("sys/fs/cgroup/unified/app/cgroup.events", "populated 1\n")
	for _, file := range []string{"memory", "cpu", "io"} {
		it.write("sys/fs/cgroup/unified/"+file+".pressure", stalls(0, 0))
		it.write("sys/fs/cgroup/unified/app/"+file+".pressure", stalls(0, 0))
	}
	return it
}

func stalls(some, full int) string {
	line := "%s avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n"
	return fmt.Sprintf(line, "some", some) + fmt.Sprintf(line, "full", full)
}

// statV2 has 64 MiB of inactive file cache and refaults of files at count, anonymous ones at half of it.
func statV2(count int) string {
	return fmt.Sprintf("anon 1\ninactive_file 67108864\nworkingset_refault_anon %d\nworkingset_refault_file %d\n", count/2, count)
}

func statV1(count int, limit uint64) string {
	total := "total_" + strings.TrimSuffix(strings.ReplaceAll(statV2(count), "\n", "\ntotal_"), "total_")
	return fmt.Sprintf("inactive_file 1\nworkingset_refault_file 1\nhierarchical_memory_limit %d\n", limit) + total
}

func (t *tree) expect(what string, got Maybe, expected float64) {
	t.Helper()
	if !got.Known || got.Value < expected-1e-9 || got.Value > expected+1e-9 {
		t.Errorf("%s: %+v, expected %v", what, got, expected)
	}
}

func (t *tree) expectUnknown(what string, got Maybe) {
	t.Helper()
	if got.Known {
		t.Errorf("%s: %v, expected nothing", what, got.Value)
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * 1e9) }
