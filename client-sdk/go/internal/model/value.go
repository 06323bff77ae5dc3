package model

import (
	"math"
	"time"
)

// Form is the family of a value; a knob takes values of one form only.
type Form uint8

// The forms of values.
const (
	FormNumber Form = iota
	FormConcurrency
	FormRate
	FormBreaker
	FormGC
	FormThreads
	FormSwitch
)

// Value is what a knob should be set to. Values of one form can be compared with ==.
type Value struct {
	Form Form
	// Number is the limit, the rate, the threads, the number, 0 or 1; of a GC target that is read back, the percent in force.
	Number float64
	// Burst of a rate, in calls, if HasBurst; else one second of the rate.
	Burst    float64
	HasBurst bool
	Breaker  Breaker
	GC       GcTarget
}

// Number is any other number, in the knob's unit.
func Number(n float64) Value { return Value{Form: FormNumber, Number: n} }

// Concurrency is a limit of simultaneous calls.
func Concurrency(limit float64) Value { return Value{Form: FormConcurrency, Number: limit} }

// Switch is on or off.
func Switch(on bool) Value {
	if on {
		return Value{Form: FormSwitch, Number: 1}
	}
	return Value{Form: FormSwitch}
}

// Scalar is the one number that stands for the value in acks and logs.
func (v Value) Scalar() float64 {
	if v.Form == FormBreaker {
		return float64(v.Breaker.State)
	}
	return v.Number
}

// Said is the value as a log has it: a number, or the name of a breaker's state.
func (v Value) Said() any {
	if v.Form == FormBreaker {
		return v.Breaker.State.String()
	}
	return v.Number
}

// IsFarFrom says whether who knows of told would want to be told of this one: more than a quarter away from it, or another state.
func (v Value) IsFarFrom(told Value) bool {
	if v.Form == FormBreaker {
		return v.Breaker.State != told.Breaker.State
	}
	return isFar(v.Number, told.Number) || isFar(float64(v.GC.BudgetBytes), float64(told.GC.BudgetBytes))
}

func isFar(to, told float64) bool { return math.Abs(to-told) > 0.25*math.Abs(told) }

// WithScalar is the same form of value with another number; what is no quantity stays as it is.
func (v Value) WithScalar(scalar float64) Value {
	if v.IsQuantity() {
		v.Number = scalar
	}
	return v
}

// IsQuantity says whether the scalar can be compared, stepped and clamped.
func (v Value) IsQuantity() bool {
	switch v.Form {
	case FormNumber, FormConcurrency, FormRate, FormThreads:
		return true
	default:
		return false
	}
}

// BreakerState is what a breaker is told. The numbers are those of the wire.
type BreakerState int32

// The states that can be pushed.
const (
	BreakerLocal BreakerState = iota
	BreakerClosed
	BreakerHalfOpen
	BreakerOpen
	BreakerForcedOpen
	BreakerRecovering
	BreakerDisabled
	BreakerShadow
)

// String is the name in logs, as the sidecar has it.
func (s BreakerState) String() string {
	names := [...]string{"local", "closed", "half_open", "open", "forced_open", "recovering", "disabled", "shadow"}
	if s >= 0 && int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Breaker is what a breaker should do.
type Breaker struct {
	State BreakerState
	// Round tells one stay in half open from another: a new one has probes of its own.
	Round uint32
	// ProbeMax is the most probes at once while half open, ProbeTotal in the round; one that is out for longer than ProbeDeadline has
	// failed.
	ProbeMax, ProbeTotal uint32
	ProbeDeadline        time.Duration
	// RetryAfter is handed to callers while open.
	RetryAfter time.Duration
	// Ramp of a recovery: until all calls pass.
	Ramp time.Duration
	// WouldReject: an enforced breaker would reject calls now; in shadow only.
	WouldReject bool
}

// GcMode says how a GC target is meant. The numbers are those of the wire.
type GcMode int32

// The modes of a GC target.
const (
	GcThroughput GcMode = iota + 1
	GcFrugal
	GcFixed
)

// GcTarget is an envelope within which the SDK chooses after each GC cycle. Zero bytes and percents are unset.
type GcTarget struct {
	Mode GcMode
	// BudgetBytes is what the runtime may use in all.
	BudgetBytes int64
	// MemoryLimitBytes in fixed mode is the limit; else how far the limit may go above the budget where the live heap needs it.
	MemoryLimitBytes int64
	// Percent in fixed mode is the percentage; else what the sender expects to come out, for people.
	Percent                int32
	PercentMin, PercentMax int32
	// CPUTarget is the share of usable CPUs for collections in frugal mode.
	CPUTarget float64
	// CPUCap is the share above which fewer calls should be admitted.
	CPUCap float64
	// Collect once, and give freed pages back once, when it turns true.
	Collect, ReturnMemory bool
}

// The defaults of a target, and the largest percentage and number of bytes.
const (
	GcPercentMin   = 15
	GcPercentMax   = 800
	GcCPUTarget    = 0.05
	GcCPUCap       = 0.20
	GcPercentLimit = 100_000
	GcBytesLimit   = 1 << 53
)

// FixedGC is this percentage and no limit: the baseline of a knob.
func FixedGC(percent int32) GcTarget {
	return GcTarget{
		Mode: GcFixed, Percent: percent, PercentMin: GcPercentMin, PercentMax: GcPercentMax, CPUTarget: GcCPUTarget, CPUCap: GcCPUCap,
	}
}
