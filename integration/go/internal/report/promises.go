package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

// promise about ours, as far as there are runs that tell.
type promise struct {
	what, target, measured string
	kept                   bool
}

// promises of the plan that these runs can judge. Ratios are of medians.
func (t *Table) promises() []promise {
	var all []promise
	for i := range t.sections {
		s := &t.sections[i]
		ours := s.row("setpoint")
		if ours == nil {
			continue
		}
		name := s.workload.Name
		if killed := ours.sum(kills); s.workload.Surge.Times < 3 || name == "w6" {
			all = append(all, promise{name + ": no kill", "0", fmt.Sprintf("%d in %d runs", killed, len(ours.runs)), killed == 0})
		}
		switch {
		case name == "w1", strings.HasPrefix(name, "w1-"):
			all = append(all, s.atMost(ours, "collections of plain Go", cycles, "static100", 0.55))
			all = append(all, s.atMost(ours, "collections of GOGC=off and a limit", cycles, "gogcoff", 1.1))
		case name == "w4":
			bads := ours.of(bad)
			all = append(all, promise{name + ": bad seconds", "at most 2", fmt.Sprint(bads.Median), bads.Median <= 2})
			drained := ours.sum(drains)
			all = append(all, promise{name + ": clean drain", "each run", fmt.Sprintf("%d in %d runs", drained, len(ours.runs)), drained >= len(ours.runs)})
		case strings.HasPrefix(name, "w6"):
			all = append(all, s.overload(ours)...)
		case name == "w7":
			within := ours.of(func(r *rig.Result) float64 {
				if r.ResizeSeconds < 0 {
					return math.Inf(1)
				}
				return r.ResizeSeconds
			})
			all = append(all, promise{name + ": both limits in force", "within 5 s", fmt.Sprintf("%.1f s at most", within.Most), within.Most <= 5})
		case name == "w8-stall":
			all = append(all, s.atLeast(ours, "goodput of the best static number of threads", s.best("setpoint"), 0.97))
			all = append(all, s.atMost(ours, "no collapse: p99 of plain Go", p99, "static100", 2))
		case name == "w9":
			// Each collection marks the same live heap, and their number hardly depends on what else the machine does.
			all = append(all, s.atMost(ours, "collections of half the memory for each", cycles, "gogcoff-half", 0.85))
			all = append(all, s.atMost(ours, "CPU time of collections of half the memory for each", gcRatio, "gogcoff-half", 0.85))
		case name == "w11":
			all = append(all, s.faults()...)
		case name == "sense":
			all = append(all, sensed(ours))
		case strings.HasPrefix(name, "w8"):
			all = append(all, s.atMost(ours, "throttled time of GOMAXPROCS = cores", throttled, "cores", 0.2))
			all = append(all, s.atLeast(ours, "goodput of the best static number of threads", s.best("setpoint"), 0.97))
		}
		if name != "w4" {
			if drained := ours.sum(drains); drained > 0 {
				all = append(all, promise{name + ": no false drain", "0", fmt.Sprint(drained), false})
			}
		}
	}
	return append(all, t.sidecar()...)
}

// sidecar is what ours costs beside the service; not where its limit moves each second, which no limit does.
func (t *Table) sidecar() []promise {
	var cores []float64
	for i := range t.sections {
		if ours := t.sections[i].row("setpoint"); ours != nil && t.sections[i].workload.Dips.MiB == 0 {
			cores = append(cores, ours.of(func(r *rig.Result) float64 { return r.SidecarCores }).Median)
		}
	}
	if len(cores) == 0 {
		return nil
	}
	most := rig.SpreadOf(cores).Most
	return []promise{{"CPU time of the sidecar, starting included, in all but `sense`", "below 0.5 % of a core", fmt.Sprintf("%.2f %% at most", 100*most), most < 0.005}}
}

func (s *section) overload(ours *row) []promise {
	// What still fits into memory is to cost nothing; where it does not, the others fall.
	tuner, limiter := 1.5, 1.0
	if s.workload.Surge.Times < 3 {
		tuner, limiter = 0.97, 0.97
	}
	all := []promise{
		s.atLeast(ours, "goodput of the best tuner", s.best("setpoint", "setpoint-killed", "automemlimit-limiter", "automemlimit-failsafe"), tuner),
		s.atLeast(ours, "goodput of a limit and our limiter that does not see the heap", s.row("automemlimit-limiter"), limiter),
	}
	unloaded := float64(s.workload.Service.Hold.Milliseconds())
	p99 := ours.of(p99).Median
	return append(all, promise{s.workload.Name + ": p99", fmt.Sprintf("below 2 x %.0f ms", unloaded), fmt.Sprintf("%.0f ms", p99), p99 < 2*unloaded})
}

func (s *section) row(name string) *row {
	for i := range s.rows {
		if s.rows[i].policy.Name == name {
			return &s.rows[i]
		}
	}
	return nil
}

// best goodput of all policies but these; nil: there is none.
func (s *section) best(but ...string) *row {
	var best *row
	for i := range s.rows {
		r := &s.rows[i]
		if !slices.Contains(but, r.policy.Name) && (best == nil || r.of(goodput).Median > best.of(goodput).Median) {
			best = r
		}
	}
	return best
}

func (s *section) atMost(ours *row, what string, figure func(*rig.Result) float64, peer string, most float64) promise {
	title := fmt.Sprintf("%s: %s", s.workload.Name, what)
	target := fmt.Sprintf("at most %.2f x", most)
	theirs := s.row(peer)
	if theirs != nil && theirs.sum(kills) > 0 {
		return promise{title, target, "no comparison: it was killed", ours.sum(kills) == 0}
	}
	if theirs == nil || theirs.of(figure).Median == 0 {
		return promise{title, target, "nothing to compare with", ours.of(figure).Median == 0}
	}
	ratio := ours.of(figure).Median / theirs.of(figure).Median
	return promise{title, target, fmt.Sprintf("%.2f x", ratio), ratio <= most}
}

func (s *section) atLeast(ours *row, what string, theirs *row, least float64) promise {
	title := fmt.Sprintf("%s: %s", s.workload.Name, what)
	target := fmt.Sprintf("at least %.2f x", least)
	if theirs == nil || theirs.of(goodput).Median == 0 {
		return promise{title, target, "nothing to compare with", false}
	}
	ratio := ours.of(goodput).Median / theirs.of(goodput).Median
	return promise{title, target, fmt.Sprintf("%.2f x (%s)", ratio, theirs.policy.Name), ratio >= least}
}

// writePromises as a table, those that were not kept too.
func (t *Table) writePromises(text *strings.Builder) {
	text.WriteString("## What was to be shown\n\nKills are of all runs; ratios are of medians.\n\n| ours | target | measured | |\n|---|---|---|---|\n")
	for _, p := range t.promises() {
		verdict := "kept"
		if !p.kept {
			verdict = "**missed**"
		}
		fmt.Fprintf(text, "| %s | %s | %s | %s |\n", p.what, p.target, p.measured, verdict)
	}
	text.WriteString("\n## Runs\n\n")
}
