package signals

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var hosts = map[string]func(*testing.T) *tree{"v1": v1, "v2": v2, "hybrid": hybrid}

func TestS1_WorkingSetLimitAndQuotaOnEveryHost(t *testing.T) {
	for name, host := range hosts {
		it := host(t)
		sample := it.sampler().Sample(0)
		it.expect(name+" limit", sample.LimitBytes, 512*mib)
		it.expect(name+" working set", sample.WorkingSetBytes, 192*mib)
		it.expect(name+" inactive", sample.InactiveFileBytes, 64*mib)
		it.expect(name+" kills", sample.OOMKills, 0)
		it.expect(name+" quota", sample.QuotaCores, 1.5)
	}
}

func TestS1_TheSmallestLimitOfAllAncestorsAndTheNodeCounts(t *testing.T) {
	it := v2(t)
	limit := func() Maybe { return it.sampler().Sample(0).LimitBytes }
	it.write("sys/fs/cgroup/pods/memory.max", "104857600\n")
	it.expect("an ancestor's", limit(), 100*mib)
	it.write("sys/fs/cgroup/pods/memory.max", "max\n")
	it.write("sys/fs/cgroup/pods/app/memory.max", "max\n")
	it.expect("no group has one", limit(), 16384*mib)
	it.write("sys/fs/cgroup/pods/app/memory.max", "1099511627776\n")
	it.expect("more than the node has", limit(), 16384*mib)
	it.remove("proc/meminfo")
	it.expect("the node's is unknown", limit(), 1<<40)
	it.write("sys/fs/cgroup/pods/memory.max", "lots\n")
	it.expectUnknown("a level that cannot be understood could be the smallest", limit())
	it = v1(t)
	it.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
	it.write("sys/fs/cgroup/memory/memory.stat", statV1(0, 300*mib))
	it.expect("v1 ancestors beyond the mount", limit(), 300*mib)
}

func TestS1_TheSmallestQuotaOfAllAncestorsCounts(t *testing.T) {
	it := v2(t)
	it.write("sys/fs/cgroup/pods/cpu.max", "50000 100000\n")
	it.expect("an ancestor's", it.sampler().Sample(0).QuotaCores, 0.5)
	it.write("sys/fs/cgroup/pods/cpu.max", "max 100000\n")
	it.write("sys/fs/cgroup/pods/app/cpu.max", "max 100000\n")
	it.expectUnknown("none", it.sampler().Sample(0).QuotaCores)
}

func TestS1_ALimitChangedInPlaceIsSeenAtTheNextCall(t *testing.T) {
	it := v2(t)
	s := it.sampler()
	s.Sample(0)
	it.write("sys/fs/cgroup/pods/app/memory.max", "432013312\n")
	it.expect("limit", s.Sample(seconds(0.1)).LimitBytes, 412*mib)
	it.write("sys/fs/cgroup/pods/app/memory.high", "419430400\n")
	it.expect("high", s.Sample(seconds(2)).HighBytes, 400*mib)
}

func TestS1_RatesAreOverTheTimeThatReallyPassed(t *testing.T) {
	for name, host := range hosts {
		it := host(t)
		s := it.sampler()
		first := s.Sample(0)
		it.expectUnknown("one reading is no rate", first.RefaultsPerSecond)
		it.write("sys/fs/cgroup/pods/app/memory.stat", statV2(300))
		it.write("sys/fs/cgroup/pods/app/memory.events", "low 9\nhigh 20\nmax 55\noom 9\noom_kill 2\n")
		it.write("sys/fs/cgroup/pods/app/cpu.stat", "usage_usec 3000000\nnr_periods 20\nnr_throttled 5\nthrottled_usec 1\n")
		for _, group := range []string{"sys/fs/cgroup/memory/", "sys/fs/cgroup/memory/app/"} {
			it.write(group+"memory.stat", statV1(300, 1<<40))
			it.write(group+"memory.failcnt", "75\n")
			it.write(group+"memory.oom_control", "under_oom 0\noom_kill 2\n")
		}
		for _, group := range []string{"cpu,cpuacct/", "cpu/app/", "cpuacct/app/"} {
			it.write("sys/fs/cgroup/"+group+"cpu.stat", "nr_periods 20\nnr_throttled 5\nthrottled_time 1000\n")
			it.write("sys/fs/cgroup/"+group+"cpuacct.usage", "3000000000\n")
		}
		for _, group := range []string{"pods/app/", "unified/app/"} {
			it.write("sys/fs/cgroup/"+group+"memory.pressure", stalls(750_000, 300_000))
			it.write("sys/fs/cgroup/"+group+"cpu.pressure", stalls(150_000, 0))
			it.write("sys/fs/cgroup/"+group+"io.pressure", stalls(9_000_000, 0))
		}
		sample := s.Sample(seconds(1.5))
		it.expect(name+" refaults", sample.RefaultsPerSecond, 300)
		it.expect(name+" hits", sample.LimitHitsPerSecond, 50)
		it.expect(name+" kills", sample.OOMKills, 2)
		it.expect(name+" used", sample.UsedCores, 2)
		it.expect(name+" throttled", sample.ThrottledRatio, 0.25)
		if name == "v1" {
			it.expectUnknown("pure v1 has no pressure", sample.MemorySome)
			continue
		}
		it.expect(name+" memory some", sample.MemorySome, 0.5)
		it.expect(name+" memory full", sample.MemoryFull, 0.2)
		it.expect(name+" cpu some", sample.CPUSome, 0.1)
		it.expect(name+" io some", sample.IOSome, 1)
	}
}

func TestS1_FilesThatComeGoAndBreakGiveNoReading(t *testing.T) {
	it := v2(t)
	s := it.sampler()
	s.Sample(0)
	it.write("sys/fs/cgroup/pods/app/memory.current", "12")
	it.expectUnknown("cut", s.Sample(seconds(0.1)).WorkingSetBytes)
	it.write("sys/fs/cgroup/pods/app/memory.current", "268435456\n")
	it.expect("whole again", s.Sample(seconds(0.2)).WorkingSetBytes, 192*mib)
	it.remove("sys/fs/cgroup/pods/app/memory.stat")
	it.remove("proc/self/task")
	s.Close()
	sample := s.Sample(seconds(20))
	it.expectUnknown("without memory.stat", sample.WorkingSetBytes)
	it.expectUnknown("without threads", sample.Threads)
	it.expect("the limit is still known", sample.LimitBytes, 512*mib)
	it.write("sys/fs/cgroup/pods/app/memory.stat", statV2(0))
	it.expectUnknown("left alone for a while", s.Sample(seconds(22)).WorkingSetBytes)
	it.expect("found again", s.Sample(seconds(31)).WorkingSetBytes, 192*mib)
}

func TestS1_NothingAtAllIsNothing(t *testing.T) {
	s := NewSampler(Roots{filepath.Join(t.TempDir(), "proc"), filepath.Join(t.TempDir(), "sys")})
	defer s.Close()
	if sample := s.Sample(0); sample != (Sample{}) {
		t.Errorf("%+v", sample)
	}
	if rss := s.RSSAnon(0); rss.Known {
		t.Errorf("%+v", rss)
	}
}

func TestS1_AProcessThatIsMovedIsFollowed(t *testing.T) {
	it := v2(t)
	s := it.sampler()
	s.Sample(0)
	it.write("proc/self/cgroup", "0::/pods\n")
	it.expect("not yet", s.Sample(seconds(9)).LimitBytes, 512*mib)
	it.expect("in its new group", s.Sample(seconds(10)).LimitBytes, 1024*mib)
}

func TestDiscovery(t *testing.T) {
	expect := func(name string, it *tree, memory, pressure string) {
		t.Helper()
		found, err := discover(it.roots())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var levels []string
		for _, level := range found.memory.levels {
			below, _ := filepath.Rel(filepath.Join(it.root, "sys/fs/cgroup"), level)
			levels = append(levels, below)
		}
		if got := strings.Join(levels, " "); got != memory {
			t.Errorf("%s: memory %q, expected %q", name, got, memory)
		}
		if (found.pressure == "") != (pressure == "") || !strings.HasSuffix(found.pressure, pressure) {
			t.Errorf("%s: pressure %q, expected %q", name, found.pressure, pressure)
		}
	}
	expect("v2 on a host", v2(t), "pods/app pods .", "pods/app")
	expect("v1", v1(t), "memory", "")
	expect("hybrid", hybrid(t), "memory/app memory", "unified/app")
	inRoot := v2(t)
	inRoot.write("proc/self/cgroup", "0::/\n")
	expect("the root's pressure is the node's", inRoot, ".", "")
	for _, path := range []string{"/gone", "/../..", "/pods/app (deleted)"} {
		it := v2(t)
		it.write("proc/self/cgroup", "0::"+path+"\n")
		expect("never the whole node for "+path, it, "", "")
	}
	for _, path := range []string{"/kubepods/x", "/", "/../..", "/docker/c/missing"} {
		it := newTree(t)
		it.v2Group("sys/fs/cgroup/")
		it.write("proc/self/mountinfo", "41 31 0:38 /docker/c /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
		it.write("proc/self/cgroup", "0::"+path+"\n")
		expect("outside of what is mounted: the mount point for "+path, it, ".", "cgroup")
	}
	nonsense := v2(t)
	nonsense.write("proc/self/mountinfo", "\x00\x01\n:::::\n- - - -\n41 31 0:38 / /sys - cgroup2\n")
	expect("nonsense", nonsense, "", "")
	if got := unescape(`/a\040b\134c\011\04\777`); got != "/a b\\c\t\\04\\777" {
		t.Errorf("%q", got)
	}
}

func TestS2_RunDelayIsOfAllThreads(t *testing.T) {
	it := v2(t)
	s := it.sampler()
	stat := func(thread int, delayMs, slices int) {
		it.write(fmt.Sprintf("proc/self/task/%d/schedstat", thread), fmt.Sprintf("%d %d %d\n", 5, delayMs*1_000_000, slices))
	}
	stat(1, 100, 10)
	stat(2, 0, 0)
	it.expectUnknown("the first pass says where counters stand", s.Sample(0).RunDelayShare)
	stat(1, 150, 20)
	stat(2, 250, 40)
	stat(3, 9000, 1)
	sample := s.Sample(seconds(1))
	it.expect("share", sample.RunDelayShare, 0.3)
	it.expect("per slice", sample.RunDelayPerSlice, 0.3/50)
	it.expect("threads", sample.Threads, 3)
	it.remove("proc/self/task/2")
	stat(1, 150, 20)
	stat(3, 9010, 2)
	sample = s.Sample(seconds(2))
	it.expect("one has ended, one is new", sample.RunDelayShare, 0.01)
	for id := 4; id < 400; id++ {
		stat(id, 0, 0)
	}
	s.Sample(seconds(3))
	for id := 4; id < 400; id++ {
		stat(id, 1000, 1)
	}
	sample = s.Sample(seconds(4))
	if share := sample.RunDelayShare; !share.Known || share.Value < 380 || share.Value > 410 {
		t.Errorf("scaled up to all threads: %+v", share)
	}
}

func TestS2_ThreadsThatAreStuckInTheKernelAreCounted(t *testing.T) {
	it := v2(t)
	s := it.sampler()
	thread := func(id int, state string) {
		it.write(fmt.Sprintf("proc/self/task/%d/schedstat", id), "0 0 0\n")
		it.write(fmt.Sprintf("proc/self/task/%d/stat", id), fmt.Sprintf("%d (wor) ker) %s 1 42 42 0 -1\n", id, state))
	}
	it.remove("proc/self/task/1")
	thread(2, "S")
	thread(3, "D")
	thread(4, "D")
	it.expectUnknown("from the second pass on, as all is", s.Sample(0).BlockedThreads)
	it.expect("two", s.Sample(seconds(1)).BlockedThreads, 2)
	thread(3, "R")
	it.expect("as it is now", s.Sample(seconds(2)).BlockedThreads, 1)
	it.write("proc/self/task/4/stat", "4 (worker\n")
	it.expect("what cannot be read is not counted", s.Sample(seconds(3)).BlockedThreads, 0)
	s.LookAtStates(false)
	it.expectUnknown("not looked at", s.Sample(seconds(4)).BlockedThreads)
	s.LookAtStates(true)
	for id := 5; id < 205; id++ {
		thread(id, map[bool]string{true: "D", false: "S"}[id%2 == 0])
	}
	s.Sample(seconds(5))
	if of := s.Sample(seconds(6)).BlockedThreads; !of.Known || of.Value < 85 || of.Value > 115 {
		t.Errorf("scaled up to all threads: %+v", of)
	}
	for id := 2; id < 205; id++ {
		it.write(fmt.Sprintf("proc/self/task/%d/schedstat", id), "")
		it.remove(fmt.Sprintf("proc/self/task/%d", id))
	}
	it.write("proc/self/task/300/schedstat", "0 0 0\n")
	s.Sample(seconds(10))
	it.expectUnknown("no state to be seen is not none stuck", s.Sample(seconds(11)).BlockedThreads)
}

func TestSamplingAllocatesNothing(t *testing.T) {
	it := v2(t)
	s := it.sampler()
	now := time.Duration(0)
	for range 40 {
		now += seconds(0.1)
		s.Sample(now)
	}
	if allocations := testing.AllocsPerRun(50, func() { now += seconds(0.001); s.Sample(now) }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func TestS1_ThisProcessSeesItself(t *testing.T) {
	s := NewSampler(Roots{})
	defer s.Close()
	sample := s.Sample(0)
	if !sample.LimitBytes.Known {
		t.Logf("NOT TESTED: no memory controller is visible here: %+v", s.layout)
		return
	}
	if sample.LimitBytes.Value < mib || sample.WorkingSetBytes.Value <= 0 || !s.RSSAnon(0).Known {
		t.Errorf("%+v", sample)
	}
}
