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
	shares model.Shares
	// One call in so many looks at the clock.
	clockEvery uint32
	// Callers that may wait.
	queue int
	// Refuse calls that could only end too late.
	refuseHopeless bool
}

// numberSpec is what a service asks for in a knob.
type numberSpec struct {
	knobSpec
	onChange func(Change)
}

// LimiterOption is an option of Setpoint.Limiter.
type LimiterOption interface{ toLimiter(*limiterSpec) }

// rateSpec is what a service asks for in a rate.
type rateSpec struct {
	knobSpec
	// Calls; 0: one second of the rate.
	burst float64
}

// RateOption is an option of Setpoint.Rate and Setpoint.KeyedRate.
type RateOption interface{ toRate(*rateSpec) }

// KnobOption is an option of Setpoint.Knob.
type KnobOption interface{ toNumber(*numberSpec) }

// AnyOption is an option of limiters, rates, gates and knobs alike.
type AnyOption func(*knobSpec)

func (o AnyOption) toLimiter(s *limiterSpec) { o(&s.knobSpec) }
func (o AnyOption) toRate(s *rateSpec)       { o(&s.knobSpec) }
func (o AnyOption) toNumber(s *numberSpec)   { o(&s.knobSpec) }
func (o AnyOption) toGate(s *gateSpec)       { o(&s.knobSpec) }

type rateOption func(*rateSpec)

func (o rateOption) toRate(s *rateSpec) { o(s) }

type limiterOption func(*limiterSpec)

func (o limiterOption) toLimiter(s *limiterSpec) { o(s) }

type numberOption func(*numberSpec)

func (o numberOption) toNumber(s *numberSpec) { o(s) }

// Bounds are hard: no push can leave them. Default: 4 to 2000 calls for a limiter, 1 to 1,000,000 calls per second for a rate, 1 to
// 100,000 connections for a gate, 0 to the largest number for a knob. A lowest limit below 1, or a lowest rate of 0, allows all calls
// to be rejected.
func Bounds(lowest, highest float64) AnyOption {
	return func(s *knobSpec) { s.knob.Min, s.knob.Max = lowest, highest }
}

// Baseline is in force without a sidecar. Default: 50 calls, 1000 calls per second, 10,000 connections, 0.
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

// Queue lets so many callers of Acquire wait for a place (100,000 at most), for bursts that are shorter than a service time or two; a
// queue that stands is cut short by itself. Default 0: nobody waits.
func Queue(waiting int) LimiterOption {
	return limiterOption(func(s *limiterSpec) { s.queue = min(max(waiting, 0), longestQueue) })
}

const longestQueue = 100_000

// RefuseHopeless refuses calls of Acquire whose context has less time left than a call takes here without a queue: they could only end
// too late. One in 16 of them is let through all the same, so that an estimate that is too high corrects itself. Default: off; only
// calls whose deadline is over are refused.
func RefuseHopeless() LimiterOption {
	return limiterOption(func(s *limiterSpec) { s.refuseHopeless = true })
}

// SampleClocks lets at most one call in so many look at the clock; 1: every call does, and a permit costs two readings more. Default (0 is
// the same): as few as it takes to time 64 calls in 50 ms on each processor, so that calls that come seldom are all timed.
//
// Calls are still counted one by one. Latencies (mean, spread, percentiles, late and slow ones) come from the calls that are timed,
// each standing for those up to the next; the calls in flight, from times estimated between readings. All are right in the mean, and
// as certain as the calls that are timed make them. A call that is slow by itself, among many that are not, has a chance of one in so
// many to be seen in the histogram.
func SampleClocks(oneIn uint32) LimiterOption {
	return limiterOption(func(s *limiterSpec) { s.clockEvery = oneIn })
}

// Burst is how many calls may pass at once after a pause, whenever a push does not say. Default: as many as come in one second of the
// rate. At least the weight of the heaviest call, or heavy calls count for less than they weigh.
func Burst(calls uint32) RateOption {
	return rateOption(func(s *rateSpec) { s.burst = float64(max(calls, 1)) })
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

// OnChange is called after every change of a knob, on a goroutine of the SDK's (or the one that pins), never twice at once. If it
// panics the change is taken back and reported as refused. If it takes long, the sidecar is told that the value waits, and nothing
// else is held up: the number is in force all the same, and what changes meanwhile is told when it is back, the newest value only.
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
