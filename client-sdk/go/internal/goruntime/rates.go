package goruntime

import (
	"math"
	"time"
)

const (
	// How fast the allocation rate is followed.
	allocationTau = 700 * time.Millisecond
	// The cost of marking is believed fast where it is lower, and slowly where it is higher: on a machine whose CPUs are contended
	// it reads four to eight times too high.
	costDown, costUp = 0.5, 0.05
	// What shares and percentiles are over, at least.
	rateSpan = time.Second
)

// Rates are what follows from readings over time.
type Rates struct {
	last, lastCycle, lastSpan Reading
	begun                     bool
	// Bytes per second, and CPU seconds per byte that is marked.
	allocation, markSeconds float64
	gcShare, waitP99        float64
	hasShare, hasWait       bool
	waits                   []uint64
}

// Add takes a reading; meant to be called every 50 ms or so. CPUs are what the process may use.
func (r *Rates) Add(now *Reading, cpus float64) {
	if !r.begun {
		r.begun, r.last, r.lastCycle, r.lastSpan = true, *now, *now, *now
		r.keepWaits(now)
		return
	}
	r.allocate(now)
	if cycles := now.Cycles - r.lastCycle.Cycles; cycles > 0 {
		r.mark(now, float64(cycles))
		r.lastCycle = *now
	}
	if span := now.At - r.lastSpan.At; span >= rateSpan {
		if cpus > 0 {
			r.gcShare, r.hasShare = clamp01((now.GCCPUSeconds-r.lastSpan.GCCPUSeconds)/span.Seconds()/cpus), true
		}
		r.waitP99, r.hasWait = r.percentile(now)
		r.keepWaits(now)
		r.lastSpan = *now
	}
	r.last = *now
	r.last.waits, r.lastCycle.waits, r.lastSpan.waits = nil, nil, nil
}

func (r *Rates) allocate(now *Reading) {
	span := (now.At - r.last.At).Seconds()
	if span <= 0 {
		return
	}
	rate := float64(now.Allocated-r.last.Allocated) / span
	r.allocation += (rate - r.allocation) * (1 - math.Exp(-span/allocationTau.Seconds()))
}

func (r *Rates) mark(now *Reading, cycles float64) {
	marked := float64(now.Live + now.Roots())
	seconds := now.GCCPUSeconds - r.lastCycle.GCCPUSeconds
	if marked <= 0 || seconds <= 0 {
		return
	}
	cost := seconds / (cycles * marked)
	switch {
	case r.markSeconds == 0:
		r.markSeconds = cost
	case cost < r.markSeconds:
		r.markSeconds += costDown * (cost - r.markSeconds)
	default:
		r.markSeconds += costUp * (cost - r.markSeconds)
	}
}

// Cost is the CPU time per second that collections take at 100 percent; below 0 is not known. It does not depend on the size of the
// heap.
func (r *Rates) Cost() float64 {
	if r.markSeconds == 0 {
		return -1
	}
	return r.markSeconds * r.allocation
}

// GCShare of the usable CPUs over the newest second.
func (r *Rates) GCShare() (float64, bool) { return r.gcShare, r.hasShare }

// WaitP99 is how long runnable goroutines waited for a thread over the newest second, in seconds.
func (r *Rates) WaitP99() (float64, bool) { return r.waitP99, r.hasWait }

func (r *Rates) keepWaits(now *Reading) {
	if now.waits != nil {
		r.waits = append(r.waits[:0], now.waits.Counts...)
	}
}

// percentile of the waits since they were kept; the upper end of its bucket. False while nobody waited at all.
func (r *Rates) percentile(now *Reading) (float64, bool) {
	if now.waits == nil || len(now.waits.Counts) != len(r.waits) {
		return 0, false
	}
	var total uint64
	for i, count := range now.waits.Counts {
		total += count - r.waits[i]
	}
	if total == 0 {
		return 0, false
	}
	rank, seen := (total*99+99)/100, uint64(0)
	for i, count := range now.waits.Counts {
		if seen += count - r.waits[i]; seen >= rank {
			upper := now.waits.Buckets[i+1]
			if math.IsInf(upper, 1) {
				upper = now.waits.Buckets[i]
			}
			return upper, true
		}
	}
	return 0, false
}

func clamp01(share float64) float64 { return min(max(share, 0), 1) }
