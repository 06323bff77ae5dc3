package rig

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"syscall"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
)

// fault befalls the sidecar, or the line to it, if the policy has one.
func (s *stage) fault(ctx context.Context) {
	fault := s.policy.Fault
	if fault.At == 0 || !sleepUntil(ctx, s.began.Add(fault.At)) {
		return
	}
	var err error
	switch fault.Kind {
	case plan.Killed:
		s.sidecar.kill()
	case plan.Stopped:
		err = s.sidecar.Process.Signal(syscall.SIGSTOP)
	case plan.Cut:
		err = s.post(ctx, "/cut")
	case plan.Jumped:
		err = jump(ctx, s.home)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: no fault: %v\n", s.workload.Name, s.policy.Name, err)
	}
}

// What plain Go has, and the largest share of the limit that a process without a word of the sidecar may promise itself.
const (
	plainPercent = 100
	safeShare    = 0.9
)

// safeAfter is how long after that second the setting was safe for good: GOGC as at the start and GOMEMLIMIT within 0.9 of the limit.
// Negative: it was not, or GOMEMLIMIT went up before. (The percentage may: it follows the live heap within an envelope that stands.)
func safeAfter(trace []Point, at float64) float64 {
	after := trace[min(len(trace), slices.IndexFunc(append(slices.Clone(trace), Point{Seconds: at}), func(p Point) bool { return p.Seconds >= at })):]
	if len(after) == 0 {
		return -1
	}
	first := 0
	for i, p := range after {
		if p.MemoryLimit > after[0].MemoryLimit {
			return -1
		}
		if p.Percent != plainPercent || p.MemoryLimit <= 0 || p.MemoryLimit > safeShare*p.Limit {
			first = i + 1
		}
	}
	if first == len(after) {
		return -1
	}
	return after[first].Seconds - at
}

// unmoved: the setting was another than that of plain Go before that second, and the same until the end.
func unmoved(trace []Point, at float64) bool {
	first := slices.IndexFunc(trace, func(p Point) bool { return p.Seconds >= at })
	if first < 1 || untouched(trace[first-1:first]) {
		return false
	}
	before := trace[first-1]
	return !slices.ContainsFunc(trace[first:], func(p Point) bool {
		return math.Abs(p.MemoryLimit/before.MemoryLimit-1) > 0.05 || (p.Percent == plainPercent) != (before.Percent == plainPercent)
	})
}

// untouched: the setting was that of plain Go all the time.
func untouched(trace []Point) bool {
	return len(trace) > 0 && !slices.ContainsFunc(trace, func(p Point) bool { return p.Percent != plainPercent || p.MemoryLimit != 0 })
}

// afterFault is how long it took until the setting was safe: 0 where nothing was to be touched and nothing was, negative where it never was.
func (s *stage) afterFault(trace []Point) float64 {
	at, held := s.policy.Fault.At.Seconds(), true
	switch {
	case s.policy.NoFiles:
		held = untouched(trace)
	case s.policy.Fault.Kind == plan.Jumped:
		held = unmoved(trace, at)
	case at > 0:
		return safeAfter(trace, at)
	}
	if held {
		return 0
	}
	return -1
}
