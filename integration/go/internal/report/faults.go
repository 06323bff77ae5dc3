package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

// safely is how long after the fault the setting was safe; for ever where it never was.
func safely(r *rig.Result) float64 {
	if r.SafeSeconds < 0 {
		return math.Inf(1)
	}
	return r.SafeSeconds
}

// faults: what became of the setting after each of them.
func (s *section) faults() []promise {
	var all []promise
	for i := range s.rows {
		r := &s.rows[i]
		most := r.of(safely).Most
		switch {
		case r.policy.Harmless():
			what, measured := "the sidecar's clock jumps", "nothing"
			if r.policy.NoFiles {
				what = "without control group files"
			}
			if most > 0 {
				measured = "something"
			}
			all = append(all, promise{s.workload.Name + ": " + what + ", touched", "nothing", measured, most == 0})
		case r.policy.Fault.At > 0:
			what := fmt.Sprintf("%s: %s, the safe setting after", s.workload.Name, r.policy.Fault.Kind)
			measured := fmt.Sprintf("%.1f s at most", most)
			if math.IsInf(most, 1) {
				measured = "never, in one run at least"
			}
			all = append(all, promise{what, "at most 6 s", measured, most <= 6})
		}
	}
	return all
}

// safe is the cell of the table.
func safe(r *row) string {
	most := r.of(safely).Most
	switch {
	case r.policy.Harmless() && most == 0:
		return "nothing touched"
	case r.policy.Harmless():
		return "**touched**"
	case r.policy.Fault.At > 0 && math.IsInf(most, 1):
		return "**never**"
	case r.policy.Fault.At > 0:
		return spreads(safely, 1, 1)(r)
	default:
		return "no fault"
	}
}

// senses of all runs together, in order.
func senses(r *row) []float64 {
	var all []float64
	for i := range r.runs {
		all = append(all, r.runs[i].SenseMs...)
	}
	slices.Sort(all)
	return all
}

// share of them takes at most so long.
func share(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return math.Inf(1)
	}
	return sorted[max(int(math.Ceil(share*float64(len(sorted)))), 1)-1]
}

func sensed(ours *row) promise {
	all := senses(ours)
	p99 := share(all, 0.99)
	measured := fmt.Sprintf("p50 %.0f ms, p99 %.0f ms of %d", share(all, 0.5), p99, len(all))
	return promise{"sense: from a new limit in the kernel to GOMEMLIMIT", "p99 below 300 ms", measured, p99 < 300}
}
