package setpoint

import (
	"log/slog"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// knobSpec is what a service asks for.
type knobSpec struct {
	knob     model.Knob
	defaults model.Knob
}

func newSpec(prefix, name string, kind model.Kind, lowest, highest, baseline float64) knobSpec {
	if prefix != "" {
		name = prefix + "." + name
	}
	knob := model.Knob{
		Name: name, Kind: kind, Unit: "1", Min: lowest, Max: highest, Baseline: baseline,
		Restrictive: model.DefaultRestrictive(kind), ApplyCost: 1,
	}
	return knobSpec{knob, knob}
}

func (s *knobSpec) declare(log *slog.Logger) *model.Knob {
	return actuator.Declare(s.knob, s.defaults, log)
}

// limiterSpec is what a service asks for in a limiter.
type limiterSpec struct {
	knobSpec
	shares  model.Shares
	watched []time.Duration
	// One call in so many looks at the clock.
	clockEvery uint32
}

// numberSpec is what a service asks for in a knob.
type numberSpec struct {
	knobSpec
	onChange func(Change)
}

// LimiterOption is an option of Setpoint.Limiter.
type LimiterOption interface{ toLimiter(*limiterSpec) }

// RateOption is an option of Setpoint.Rate.
type RateOption interface{ toRate(*knobSpec) }

// KnobOption is an option of Setpoint.Knob.
type KnobOption interface{ toNumber(*numberSpec) }

// AnyOption is an option of limiters, rates and knobs alike.
type AnyOption func(*knobSpec)

func (o AnyOption) toLimiter(s *limiterSpec) { o(&s.knobSpec) }
func (o AnyOption) toRate(s *knobSpec)       { o(s) }
func (o AnyOption) toNumber(s *numberSpec)   { o(&s.knobSpec) }

type limiterOption func(*limiterSpec)

func (o limiterOption) toLimiter(s *limiterSpec) { o(s) }

type numberOption func(*numberSpec)

func (o numberOption) toNumber(s *numberSpec) { o(s) }

// Bounds are hard: no push can leave them. Default: 4 to 2000 calls for a limiter, 1 to 1,000,000 calls per second for a rate, 0 to
// the largest number for a knob. A lowest limit below 1, or a lowest rate of 0, allows all calls to be rejected.
func Bounds(lowest, highest float64) AnyOption {
	return func(s *knobSpec) { s.knob.Min, s.knob.Max = lowest, highest }
}

// Baseline is in force without a sidecar. Default: 50 calls, 1000 calls per second, 0.
func Baseline(value float64) AnyOption {
	return func(s *knobSpec) { s.knob.Baseline = value }
}

// Pace bounds permissive moves: the largest relative one by one push (0.5 is half as much again; 0, the default, any), and the
// shortest time between two. A move that sheds load is never held back.
func Pace(maxChangeRatio float64, minDwell time.Duration) AnyOption {
	return func(s *knobSpec) { s.knob.MaxChangeRatio, s.knob.MinDwell = maxChangeRatio, minDwell }
}

// Step is the quantum of the value; 0, the default, is continuous.
func Step(step float64) AnyOption {
	return func(s *knobSpec) { s.knob.Step = step }
}

// Share of the limit, 0 to 1, that calls of a priority may fill. Default: 1 for critical, high and normal ones, 0.85 for low and
// 0.5 for background ones.
func Share(priority Priority, share float64) LimiterOption {
	return limiterOption(func(s *limiterSpec) {
		if class := priority.class(); class >= 0 && share == share {
			s.shares[class] = min(max(share, 0), 1)
		}
	})
}

// Deadline is how long callers wait: a success that takes longer counts as late, and the sidecar's policies are told. Default:
// none is known.
func Deadline(deadline time.Duration) LimiterOption {
	return limiterOption(func(s *limiterSpec) { s.knob.Deadline = deadline })
}

// WatchLatency counts calls that take longer than each of these latencies, four at most, for policies that judge by them.
func WatchLatency(latencies ...time.Duration) LimiterOption {
	return limiterOption(func(s *limiterSpec) { s.watched = latencies })
}

// SampleClocks looks at the clock for one call in so many only, drawn by lot, on processors with more than about 2500 calls and ends of
// calls per second; 8 makes a permit cost about a third. Default 1 (0 is the same): every call is timed.
//
// Calls are still counted one by one. Latencies (mean, spread, percentiles, late and slow ones) come from the calls that are timed,
// each standing for those up to the next; the calls in flight, from times estimated between readings. All are right in the mean, and
// as certain as so many times fewer calls make them.
func SampleClocks(oneIn uint32) LimiterOption {
	return limiterOption(func(s *limiterSpec) { s.clockEvery = oneIn })
}

// Unit of the value, for people: 1 (the default), bytes, ms, percent.
func Unit(unit string) KnobOption {
	return numberOption(func(s *numberSpec) { s.knob.Unit = unit })
}

// Direction is which way a knob sheds load.
type Direction = model.Restrictive

// The directions of Restrictive.
const (
	Neither = model.RestrictiveNeither
	Lower   = model.RestrictiveLower
	Higher  = model.RestrictiveHigher
)

// Restrictive says which direction sheds load: such a move may jump. Default: neither.
func Restrictive(direction Direction) KnobOption {
	return numberOption(func(s *numberSpec) { s.knob.Restrictive = direction })
}

// Change of a knob: the value before, the value now in force, and why.
type Change struct {
	Knob     string
	From, To float64
	// Policy and Rule that asked for it; Reason is one sentence for people.
	Policy, Rule, Reason string
}

// OnChange is called after every change of a knob, on the session's goroutine (or the one that pins). It should be quick. If it
// panics the change is taken back and reported as refused.
func OnChange(call func(Change)) KnobOption {
	return numberOption(func(s *numberSpec) { s.onChange = call })
}

// PoolSize says that a knob is the size of a pool: it cannot be negative, and a lower one sheds load.
func PoolSize() KnobOption {
	return numberOption(func(s *numberSpec) {
		s.knob.Kind, s.knob.Restrictive, s.knob.Step = model.KindPoolSize, Lower, 1
	})
}

// Timeout says that a knob is a time-out in milliseconds.
func Timeout() KnobOption {
	return numberOption(func(s *numberSpec) { s.knob.Kind, s.knob.Unit = model.KindTimeoutMs, "ms" })
}

// Switch says that a knob is on (1) or off (0).
func Switch() KnobOption {
	return numberOption(func(s *numberSpec) {
		s.knob.Kind, s.knob.Min, s.knob.Max, s.knob.Step = model.KindSwitch, 0, 1, 1
	})
}
