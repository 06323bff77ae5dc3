package rig

import (
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/service"
)

// percentile of durations: the smallest that at least this share of them does not exceed. 0 without any.
func percentile(of []time.Duration, share float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	rank := int(share*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Spread of one figure over repetitions.
type Spread struct{ Median, Least, Most float64 }

// SpreadOf repetitions; all zero without any.
func SpreadOf(of []float64) Spread {
	if len(of) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(of))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return Spread{median, sorted[0], sorted[len(sorted)-1]}
}

// A second in which collections take more than this share of the CPUs is a bad one.
const badShare = 0.30

// gcSums are what the collections of one instance came to, after a point of its life.
type gcSums struct {
	cycles  float64
	seconds float64
	// bad seconds; and how long it was observed, in seconds of CPUs that it could have used.
	bad      int
	capacity float64
}

// sums of the figures from a point of the instance's life on; cores is the quota, 0 for none.
func sums(lines []service.Figures, from float64, cores float64) gcSums {
	start := slices.IndexFunc(lines, func(f service.Figures) bool { return f.Seconds >= from })
	if start < 0 {
		return gcSums{}
	}
	first, last := lines[max(start-1, 0)], lines[len(lines)-1]
	total := gcSums{cycles: float64(last.Cycles - first.Cycles), seconds: last.GCSeconds - first.GCSeconds}
	mark := first
	for i := start; i < len(lines); i++ {
		line := lines[i]
		cpus := usable(line, cores)
		if i > 0 {
			total.capacity += (line.Seconds - lines[i-1].Seconds) * cpus
		}
		if passed := line.Seconds - mark.Seconds; passed >= 1 {
			if line.GCSeconds-mark.GCSeconds > badShare*cpus*passed {
				total.bad += int(passed)
			}
			mark = line
		}
	}
	return total
}

func usable(line service.Figures, cores float64) float64 {
	if cores > 0 {
		return min(cores, float64(line.Threads))
	}
	return float64(line.Threads)
}
