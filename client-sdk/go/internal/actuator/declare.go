package actuator

import (
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Declare makes a sound knob out of what a service asks for. A mistake in a bound must not take a service down, so it is corrected
// and said once in the log. Where bounds make no sense, those of defaults are taken.
func Declare(asked, defaults model.Knob, log *slog.Logger) *model.Knob {
	d := declaration{Knob: asked}
	if d.Name = Spell(asked.Name); d.Name != asked.Name {
		d.problem("name: 1 to 128 bytes of a-z A-Z 0-9 . _ - /")
	}
	d.bound(defaults)
	d.correct(&d.Step, "step: must be finite and at least 0, taken as 0")
	d.correct(&d.MaxChangeRatio, "max_change_ratio: must be finite and at least 0, taken as 0")
	if d.Deadline < 0 {
		d.problem("deadline: must be above 0, taken as none")
		d.Deadline = 0
	}
	d.MinDwell = max(d.MinDwell, 0)
	d.MinDwell = min(d.MinDwell, 24*time.Hour)
	if len(d.problems) > 0 {
		log.Error("knob corrected", "knob", d.Name, "min", d.Min, "max", d.Max, "baseline", d.Baseline, "problems", strings.Join(d.problems, "; "))
	}
	return &d.Knob
}

type declaration struct {
	model.Knob
	problems []string
}

func (d *declaration) problem(text string) { d.problems = append(d.problems, text) }

// Spell gives the nearest allowed name.
func Spell(name string) string {
	if model.ValidName(name) {
		return name
	}
	spelled := strings.Map(func(r rune) rune {
		if r < 128 && model.ValidName(string(r)) {
			return r
		}
		return '_'
	}, name)
	if spelled == "" {
		spelled = "unnamed"
	}
	return spelled[:min(len(spelled), model.MaxNameBytes)]
}

func (d *declaration) bound(defaults model.Knob) {
	if !finite(d.Min) || !finite(d.Max) {
		d.problem("bounds: not finite, default taken")
		d.Min, d.Max = defaults.Min, defaults.Max
	}
	if d.Min > d.Max {
		d.problem("bounds: swapped")
		d.Min, d.Max = d.Max, d.Min
	}
	if d.IsLimit() && d.Min < 0 {
		d.problem("bounds: a limit cannot be negative")
		d.Min, d.Max = 0, max(d.Max, 0)
	}
	if d.Baseline >= d.Min && d.Baseline <= d.Max {
		return
	}
	// The default moves into the bounds without complaint.
	if d.Baseline != defaults.Baseline {
		d.problem("baseline: moved into the bounds")
	}
	if math.IsNaN(d.Baseline) {
		d.Baseline = defaults.Baseline
	}
	d.Baseline = min(max(d.Baseline, d.Min), d.Max)
}

func (d *declaration) correct(number *float64, problem string) {
	if !finite(*number) || *number < 0 {
		d.problem(problem)
		*number = 0
	}
}

func finite(number float64) bool { return !math.IsNaN(number) && !math.IsInf(number, 0) }
