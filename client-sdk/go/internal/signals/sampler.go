package signals

import (
	"os"
	"path/filepath"
	"time"
)

// The dearer files are read this often.
const medium = time.Second

// Sample is everything that is known now. Ratios are 0 to 1 over the newest second.
type Sample struct {
	LimitBytes, HighBytes, WorkingSetBytes, InactiveFileBytes, OOMKills Maybe
	LimitHitsPerSecond, RefaultsPerSecond                               Maybe
	// LimitGroup is the inode of the cgroup that has the limit.
	LimitGroup                                                Maybe
	QuotaCores, UsedCores, ThrottledRatio, ThrottledTimeRatio Maybe
	MemorySome, MemoryFull, CPUSome, IOSome                   Maybe
	// RunDelayPerSlice and RunDelayShare are of all threads, in seconds and seconds per second.
	RunDelayPerSlice, RunDelayShare Maybe
	// BlockedThreads are stuck in the kernel (state D).
	Threads, BlockedThreads Maybe
}

// Sampler reads the kernel's signals about this process. It is for one goroutine.
//
//	every call     pressure, usage, limit, limit hits, CPU use and throttling; v2: kills
//	every second   memory.stat, memory.high, limits of ancestors, quota, threads; v1: kills
//	every 10 s     discovery: has the process moved, has something absent appeared?
type Sampler struct {
	roots      Roots
	layout     layout
	memory     *memoryReader
	cpu        *cpuReader
	pressure   [3]*pressureReader // memory, CPU, IO
	meminfo    *source
	statm      *source
	threads    *threadSet
	discoverAt time.Duration
	mediumAt   time.Duration
	sample     Sample
}

// NewSampler opens nothing yet: the first Sample does that.
func NewSampler(roots Roots) *Sampler {
	if roots == (Roots{}) {
		roots = Roots{"/proc", "/sys"}
	}
	return &Sampler{
		roots: roots, meminfo: table(filepath.Join(roots.Proc, "meminfo")), statm: small(filepath.Join(roots.Proc, "self"), "statm"),
		threads: newThreadSet(filepath.Join(roots.Proc, "self/task")),
	}
}

// Sample reads what is due and returns everything known. It never fails and never waits; 5 to 15 us when called every 100 ms.
func (s *Sampler) Sample(now time.Duration) Sample {
	if now >= s.discoverAt {
		s.discoverAt = now + Retry
		s.discover()
	}
	due := now >= s.mediumAt
	if due {
		s.mediumAt = now + medium
		s.threads.pass(now)
		s.threads.fill(&s.sample)
	}
	if s.memory != nil {
		if due {
			s.memory.readStat(now)
			s.memory.nodeTotal = s.nodeTotal(now)
		}
		s.memory.read(now)
		s.memory.fill(&s.sample)
	}
	if s.cpu != nil {
		if due {
			s.cpu.readQuota(now)
		}
		s.cpu.read(now)
		s.cpu.fill(&s.sample)
	}
	for i, into := range [...][2]*Maybe{
		{&s.sample.MemorySome, &s.sample.MemoryFull}, {&s.sample.CPUSome, new(Maybe)}, {&s.sample.IOSome, new(Maybe)},
	} {
		if s.pressure[i] != nil {
			*into[0], *into[1] = s.pressure[i].read(now)
		}
	}
	return s.sample
}

// LookAtStates says whether to count the threads that are stuck in the kernel, as is done unless it is told otherwise. That costs 3 to
// 6 us a thread each second, of at most 64: worth it only where something waits.
func (s *Sampler) LookAtStates(wanted bool) { s.threads.noStates = !wanted }

// RSSAnon is the anonymous memory of this process that is in RAM, bytes. About 1 us.
func (s *Sampler) RSSAnon(now time.Duration) Maybe {
	pages, err := reading(s.statm, now, anonPages)
	if err != nil {
		return Maybe{}
	}
	return known(float64(pages) * pageBytes)
}

var pageBytes = float64(os.Getpagesize())

// Close gives all descriptors back.
func (s *Sampler) Close() {
	s.follow(layout{})
	s.meminfo.close()
	s.statm.close()
	s.threads.close()
}

func (s *Sampler) nodeTotal(now time.Duration) uint64 {
	total, err := reading(s.meminfo, now, memTotal)
	if err != nil {
		return noBound
	}
	return total
}

// discover looks where the files are; those found earlier stay in use when that fails.
func (s *Sampler) discover() {
	if found, err := discover(s.roots); err == nil {
		s.follow(found)
	}
}

// follow replaces the readers of what has moved and leaves the others with their history.
func (s *Sampler) follow(found layout) {
	if s.memory != nil && !s.layout.memory.equal(&found.memory) {
		s.memory.close()
		s.memory = nil
		s.sample = Sample{}
	}
	if s.memory == nil && found.memory.found() {
		s.memory = newMemoryReader(&found.memory)
	}
	if s.cpu != nil && !(s.layout.cpu.equal(&found.cpu) && s.layout.cpuacct.equal(&found.cpuacct)) {
		s.cpu.close()
		s.cpu = nil
		s.sample = Sample{}
	}
	if s.cpu == nil && (found.cpu.found() || found.cpuacct.found()) {
		s.cpu = newCPUReader(&found.cpu, &found.cpuacct)
	}
	if s.layout.pressure != found.pressure {
		s.sample = Sample{}
		for i, name := range [...]string{"memory.pressure", "cpu.pressure", "io.pressure"} {
			if s.pressure[i] != nil {
				s.pressure[i].source.close()
				s.pressure[i] = nil
			}
			if found.pressure != "" {
				s.pressure[i] = &pressureReader{source: small(found.pressure, name)}
			}
		}
	}
	s.layout = found
	s.mediumAt = 0
}
