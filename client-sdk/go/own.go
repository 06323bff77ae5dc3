package setpoint

import (
	"runtime"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/goruntime"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/signals"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

// own is what this process sees of its container and its runtime. The sidecar looks as well; these readings count where it cannot,
// and for what is in no file of the kernel. For the session's goroutine.
type own struct {
	sampler   *signals.Sampler
	reader    *goruntime.Reader
	rates     goruntime.Rates
	newest    signals.Sample
	sampledAt time.Duration
	sampled   bool
	cores     float64
}

// Where goroutines wait longer than this for a thread, seconds, a policy wants to know whether threads are stuck in the kernel.
const longWait = 0.001

func newOwn() *own {
	return &own{sampler: signals.NewSampler(signals.Roots{}), reader: goruntime.NewReader(), cores: float64(runtime.NumCPU())}
}

// Close gives all descriptors back.
func (o *own) Close() { o.sampler.Close() }

// container as it was at most half a tick ago.
func (o *own) container(now time.Duration) *signals.Sample {
	if !o.sampled || now-o.sampledAt >= 25*time.Millisecond {
		o.newest, o.sampledAt, o.sampled = o.sampler.Sample(now), now, true
	}
	return &o.newest
}

// memory of the container: its limit, and what others than the runtime use of it. The runtime counts pages that were mapped and never
// touched, the kernel also those of C code; the smaller of both is certainly the runtime's.
func (o *own) memory(now time.Duration, governed uint64) goruntime.Memory {
	sample := o.container(now)
	memory := goruntime.Memory{}
	if !sample.LimitBytes.Known || !sample.WorkingSetBytes.Known {
		return memory
	}
	ours := float64(governed)
	if anon := o.sampler.RSSAnon(now); anon.Known {
		ours = min(ours, anon.Value)
	}
	memory.Limit, memory.External = sample.LimitBytes.Value, max(sample.WorkingSetBytes.Value-ours, 0)
	return memory
}

func (o *own) quota() float64 { return o.newest.QuotaCores.Value }

// Sample makes a report of everything that is known. About 15 us, of which six tenths are the kernel's.
func (o *own) Sample(now time.Duration) (*v1.ContainerStats, *v1.RuntimeStats) {
	sample := o.container(now)
	runtime := o.reader.Read(now)
	cpus := float64(runtime.Procs)
	if sample.QuotaCores.Known {
		cpus = min(cpus, sample.QuotaCores.Value)
	}
	o.rates.Add(&runtime, cpus)
	wait, known := o.rates.WaitP99()
	o.sampler.LookAtStates(known && wait > longWait)
	return o.containerStats(sample), o.runtimeStats(now, sample, &runtime)
}

func (o *own) containerStats(s *signals.Sample) *v1.ContainerStats {
	stats := &v1.ContainerStats{
		LimitBytes: whole(s.LimitBytes), HighBytes: whole(s.HighBytes), InactiveFileBytes: whole(s.InactiveFileBytes),
		OomKills: whole(s.OOMKills), CpuQuotaCores: real(s.QuotaCores), CpuUsedCores: real(s.UsedCores),
		ThrottledRatio: real(s.ThrottledRatio), ThrottledTimeRatio: real(s.ThrottledTimeRatio),
		PsiMemSome: real(s.MemorySome), PsiMemFull: real(s.MemoryFull), PsiCpuSome: real(s.CPUSome), PsiIoSome: real(s.IOSome),
		LimitHitsPerSecond: real(s.LimitHitsPerSecond), RefaultsPerSecond: real(s.RefaultsPerSecond),
		LimitGroup: whole(s.LimitGroup), CpuAffinityCores: &o.cores,
	}
	if s.LimitBytes.Known {
		stats.WorkingSetBytes = whole(s.WorkingSetBytes)
	}
	return stats
}

func (o *own) runtimeStats(now time.Duration, s *signals.Sample, r *goruntime.Reading) *v1.RuntimeStats {
	stats := &v1.RuntimeStats{
		Tasks: r.Goroutines, Threads: r.Threads,
		RunDelayPerSliceSeconds: real(s.RunDelayPerSlice), RunDelayShare: real(s.RunDelayShare), BlockedThreads: whole(s.BlockedThreads),
		HeapGoal: positive(r.Goal), HeapLive: positive(r.Live), HeapRoots: positive(r.Roots()), HeapObjects: positive(r.Objects),
		HeapAllocated: positive(r.Allocated), GcCycles: &r.Cycles, GcLimiterCycle: &r.LimiterCycle, GcCpuSeconds: &r.GCCPUSeconds,
		RuntimeMemory: positive(r.Governed()), RuntimeOverhead: positive(r.Overhead()), ProcessAnon: whole(o.sampler.RSSAnon(now)),
	}
	if r.Procs > 0 {
		procs := int32(r.Procs)
		stats.Parallelism = &procs
	}
	if s.Threads.Known && stats.Threads == 0 {
		stats.Threads = uint64(s.Threads.Value)
	}
	if share, ok := o.rates.GCShare(); ok {
		stats.GcCpuShare = &share
	}
	if wait, ok := o.rates.WaitP99(); ok {
		// A goroutine whose timer has fired waits for a thread like any other.
		stats.SchedLatencyP99Seconds, stats.DelayP99Seconds = &wait, &wait
	}
	return stats
}

func whole(reading signals.Maybe) *uint64 {
	if !reading.Known {
		return nil
	}
	value := uint64(reading.Value)
	return &value
}

func real(reading signals.Maybe) *float64 {
	if !reading.Known {
		return nil
	}
	return &reading.Value
}

// positive: the runtime that lacks a metric leaves it at zero, which these never are.
func positive(value uint64) *uint64 {
	if value == 0 {
		return nil
	}
	return &value
}
