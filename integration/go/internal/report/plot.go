package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

// plotted workloads: those in which memory tells the story.
var plotted = []string{"w2", "w4", "w5", "w6", "w7"}

var colours = []string{"#0b6e4f", "#c1121f", "#1d4e89", "#e09f3e", "#7b2d8b", "#6c757d", "#52b788", "#9c6644", "#3a86ff"}

const (
	plotWidth, plotHeight   = 760.0, 300.0
	left, right, top, below = 46.0, 170.0, 12.0, 30.0
)

// plot of memory in use over time, one line for the first repetition of each policy; empty: not for this workload.
func (s *section) plot() string {
	if !slices.Contains(plotted, s.workload.Name) {
		return ""
	}
	most := 0.0
	for _, r := range s.rows {
		for _, point := range r.runs[0].Trace {
			most = max(most, point.Limit)
		}
	}
	x := func(t float64) float64 { return left + (plotWidth-left-right)*t/s.workload.Lasts.Seconds() }
	y := func(mib float64) float64 { return plotHeight - below - (plotHeight-top-below)*mib/(1.05*most) }
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="11">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&svg, `<rect width="%.0f" height="%.0f" fill="white"/>`+"\n", plotWidth, plotHeight)
	for mib := 0.0; mib <= most; mib += 128 {
		fmt.Fprintf(&svg, `<path d="M%.1f %.1fH%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="end">%.0f</text>`+"\n", left, y(mib), plotWidth-right, left-4, y(mib)+4, mib)
	}
	for t := 0.0; t <= s.workload.Lasts.Seconds(); t += 5 {
		fmt.Fprintf(&svg, `<text x="%.1f" y="%.1f" text-anchor="middle">%.0f s</text>`+"\n", x(t), plotHeight-12, t)
	}
	limit := func(p rig.Point) float64 { return p.Limit }
	used := func(p rig.Point) float64 { return p.Used }
	fmt.Fprintf(&svg, `<polyline fill="none" stroke="black" stroke-dasharray="5 3" points="%s"/>`+"\n", line(s.rows[0].runs[0].Trace, x, y, limit))
	for i, r := range s.rows {
		colour := colours[i%len(colours)]
		fmt.Fprintf(&svg, `<polyline fill="none" stroke="%s" stroke-width="1.6" points="%s"/>`+"\n", colour, line(r.runs[0].Trace, x, y, used))
		fmt.Fprintf(&svg, `<text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", plotWidth-right+8, top+14+16*float64(i), colour, r.policy.Name)
	}
	fmt.Fprintf(&svg, `<text x="%.1f" y="%.1f">MiB in use; dashed: the limit</text>`+"\n</svg>\n", left+6, top+10)
	return svg.String()
}

func line(trace []rig.Point, x, y func(float64) float64, of func(rig.Point) float64) string {
	points := make([]string, len(trace))
	for i, point := range trace {
		points[i] = fmt.Sprintf("%.1f,%.1f", x(point.Seconds), y(of(point)))
	}
	return strings.Join(points, " ")
}
