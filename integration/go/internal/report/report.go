// Package report makes tables, plots and JSON of runs.
package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

// Table of runs: for each workload its policies, in the order of the plan, as far as there are runs of them.
type Table struct{ sections []section }

type section struct {
	workload plan.Workload
	rows     []row
}

// row is what repetitions of a workload under a policy came to.
type row struct {
	policy plan.Policy
	runs   []rig.Result
}

// Of runs, in any order. Runs of workloads or policies that the plan does not know are left out.
func Of(runs []rig.Result) *Table {
	table := &Table{}
	for _, w := range plan.Workloads {
		s := section{workload: w}
		for _, name := range w.Of() {
			p, _ := plan.FindPolicy(name) // a test of the plan sees to it
			r := row{policy: p}
			for _, run := range runs {
				if run.Workload == w.Name && run.Policy == name {
					r.runs = append(r.runs, run)
				}
			}
			if len(r.runs) > 0 {
				s.rows = append(s.rows, r)
			}
		}
		if len(s.rows) > 0 {
			table.sections = append(table.sections, s)
		}
	}
	return table
}

// of one figure over the repetitions.
func (r *row) of(figure func(*rig.Result) float64) rig.Spread {
	values := make([]float64, len(r.runs))
	for i := range r.runs {
		values[i] = figure(&r.runs[i])
	}
	return rig.SpreadOf(values)
}

// sum of a count over the repetitions.
func (r *row) sum(count func(*rig.Result) int) int {
	total := 0
	for i := range r.runs {
		total += count(&r.runs[i])
	}
	return total
}

func kills(r *rig.Result) int         { return r.OOMKills }
func drains(r *rig.Result) int        { return r.Drains }
func goodput(r *rig.Result) float64   { return r.Goodput }
func p50(r *rig.Result) float64       { return r.P50ms }
func p99(r *rig.Result) float64       { return r.P99ms }
func cycles(r *rig.Result) float64    { return r.GCCycles }
func gcRatio(r *rig.Result) float64   { return r.GCCPURatio }
func peak(r *rig.Result) float64      { return r.PeakBytes }
func bad(r *rig.Result) float64       { return r.BadSeconds }
func throttled(r *rig.Result) float64 { return r.ThrottledSeconds }

// Figures of a policy in a workload: kills are the sum over all repetitions, the others medians.
type Figures struct {
	OOMKills   int     `json:"oom_kills"`
	Goodput    float64 `json:"goodput"`
	P50ms      float64 `json:"p50_ms"`
	P99ms      float64 `json:"p99_ms"`
	GCCycles   float64 `json:"gc_cycles"`
	GCCPURatio float64 `json:"gc_cpu_ratio"`
	PeakBytes  float64 `json:"peak_bytes"`
}

// File is the JSON that is written.
type File struct {
	Workloads map[string]Policies `json:"workloads"`
}

// Policies of a workload.
type Policies struct {
	Policies map[string]Figures `json:"policies"`
}

// JSON of the table.
func (t *Table) JSON() File {
	file := File{make(map[string]Policies)}
	for _, s := range t.sections {
		policies := make(map[string]Figures)
		for _, r := range s.rows {
			policies[r.policy.Name] = Figures{
				r.sum(kills), r.of(goodput).Median, r.of(p50).Median, r.of(p99).Median, r.of(cycles).Median, r.of(gcRatio).Median, r.of(peak).Median,
			}
		}
		file.Workloads[s.workload.Name] = Policies{policies}
	}
	return file
}

// Line about one run, for people who wait.
func Line(r *rig.Result) string {
	end := "ok"
	switch {
	case r.OOMKills > 0:
		end = fmt.Sprintf("%d OOM kills, the first at %.1f s", r.OOMKills, r.FirstEnd)
	case r.Drains > 0:
		end = fmt.Sprintf("drained at %.1f s", r.FirstEnd)
	}
	return fmt.Sprintf("%5.0f/s in time of %.0f, p50 %.0f ms, p99 %.0f ms, %.0f collections (%.1f %% CPU), peak %.0f MiB, %s",
		r.Goodput, r.OfferedPerSecond, r.P50ms, r.P99ms, r.GCCycles, 100*r.GCCPURatio, r.PeakBytes/(1<<20), end)
}

// Text of all tables.
func (t *Table) Text() string {
	var text strings.Builder
	for i := range t.sections {
		t.sections[i].write(&text)
	}
	return text.String()
}

func (s *section) repetitions() (least, most int) {
	least, most = len(s.rows[0].runs), 0
	for _, r := range s.rows {
		least, most = min(least, len(r.runs)), max(most, len(r.runs))
	}
	return least, most
}

func (s *section) write(text *strings.Builder) {
	least, most := s.repetitions()
	times := fmt.Sprint(most)
	if least != most {
		times = fmt.Sprintf("%d to %d", least, most)
	}
	fmt.Fprintf(text, "### %s: %s\n\n%s\n\n", s.workload.Name, s.workload.Title, s.about(times))
	columns := s.columns()
	for _, c := range columns {
		fmt.Fprintf(text, "| %s ", c.title)
	}
	fmt.Fprintf(text, "|\n|%s\n", strings.Repeat("---|", len(columns)))
	for i := range s.rows {
		for _, c := range columns {
			fmt.Fprintf(text, "| %s ", c.cell(&s.rows[i]))
		}
		text.WriteString("|\n")
	}
	text.WriteString("\n")
}

func (s *section) about(times string) string {
	w := &s.workload
	offered := s.rows[0].of(func(r *rig.Result) float64 { return r.OfferedPerSecond })
	about := fmt.Sprintf("%.0f requests a second offered, %s measured, repetitions: %s.", offered.Median, w.Lasts, times)
	if w.Cores > 0 {
		about += fmt.Sprintf(" Quota: %.1f CPUs.", w.Cores)
	}
	others := make([]float64, 0, len(s.rows))
	for i := range s.rows {
		others = append(others, s.rows[i].of(func(r *rig.Result) float64 { return r.OthersRatio }).Median)
	}
	return about + fmt.Sprintf(" Others used %.0f %% to %.0f %% of the machine meanwhile.", 100*slices.Min(others), 100*slices.Max(others))
}
