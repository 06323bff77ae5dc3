package report

import (
	"fmt"

	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

// column of a table.
type column struct {
	title string
	cell  func(*row) string
}

// columns that say something about this workload.
func (s *section) columns() []column {
	columns := []column{
		{"policy", func(r *row) string { return r.policy.Name }},
		{"OOM kills", func(r *row) string { return killsOf(r) }},
		{"in time /s", spreads(goodput, 1, 0)},
		{"p50 ms", spreads(p50, 1, 0)},
		{"p99 ms", spreads(p99, 1, 0)},
		{"collections", spreads(cycles, 1, 0)},
		{"GC CPU %", spreads(gcRatio, 100, 1)},
		{"bad s", spreads(bad, 1, 0)},
		{"peak MiB", spreads(peak, 1.0/(1<<20), 0)},
	}
	if s.workload.Service.LeakMiBPerSecond > 0 {
		columns = append(columns, column{"drained", func(r *row) string { return fmt.Sprint(r.sum(drains)) }},
			column{"first end s", spreads(func(r *rig.Result) float64 { return r.FirstEnd }, 1, 0)})
	}
	if s.workload.Cores > 0 {
		columns = append(columns, column{"throttled s/s", spreads(throttled, 1, 2)})
	}
	if s.workload.Name == "w11" {
		columns = append(columns, column{"safe after s", safe})
	}
	if s.workload.Dips.MiB > 0 {
		columns = append(columns, column{"dips", func(r *row) string { return fmt.Sprint(len(senses(r))) }},
			column{"p50 ms to GOMEMLIMIT", func(r *row) string { return fmt.Sprintf("%.0f", share(senses(r), 0.5)) }},
			column{"p99 ms to GOMEMLIMIT", func(r *row) string { return fmt.Sprintf("%.0f", share(senses(r), 0.99)) }})
	}
	if len(s.workload.Resize) > 0 {
		columns = append(columns, column{"limits in force after s", resized})
	}
	return columns
}

// killsOf says how many of the runs had a kill, and how many kills there were.
func killsOf(r *row) string {
	hit := r.sum(func(r *rig.Result) int { return min(r.OOMKills, 1) })
	if hit == 0 {
		return fmt.Sprintf("0 in %d", len(r.runs))
	}
	return fmt.Sprintf("**%d** in %d of %d", r.sum(kills), hit, len(r.runs))
}

// spreads shows the median and, where they differ, the range.
func spreads(figure func(*rig.Result) float64, times float64, digits int) func(*row) string {
	return func(r *row) string {
		spread := r.of(figure)
		show := func(value float64) string { return fmt.Sprintf("%.*f", digits, times*value) }
		least, most := show(spread.Least), show(spread.Most)
		if least == most {
			return show(spread.Median)
		}
		return fmt.Sprintf("%s (%s to %s)", show(spread.Median), least, most)
	}
}

// resized says how long it took until the limits were in force, unless they never were.
func resized(r *row) string {
	never := r.sum(func(r *rig.Result) int {
		if r.ResizeSeconds < 0 {
			return 1
		}
		return 0
	})
	if never > 0 {
		return fmt.Sprintf("never in %d of %d", never, len(r.runs))
	}
	return spreads(func(r *rig.Result) float64 { return r.ResizeSeconds }, 1, 1)(r)
}
