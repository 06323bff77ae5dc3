// Package model holds the values that the SDK talks about: knobs, setpoints, leases, counters. It has no clock, no I/O and no
// locks; time is an argument.
package model

import (
	"errors"
	"math"
	"time"
)

// MaxNameBytes is the longest allowed name of a knob.
const MaxNameBytes = 128

// Kind says what a knob does. The numbers are those of the wire.
type Kind int32

// The kinds of knobs.
const (
	KindConcurrencyLimit Kind = iota + 1
	KindRateLimit
	KindQueueLimit
	KindBreaker
	KindGcTarget
	KindMemoryLimit
	KindParallelism
	KindPoolSize
	KindTimeoutMs
	KindSampling
	KindNumeric
	KindSwitch
)

// Restrictive is the direction that sheds load or costs throughput: such a move may jump, the opposite one is paced. The
// numbers are those of the wire.
type Restrictive int32

// The directions.
const (
	RestrictiveNeither Restrictive = iota
	RestrictiveLower
	RestrictiveHigher
)

// Tightens says whether moving from one value to another sheds load.
func (r Restrictive) Tightens(from, to float64) bool {
	switch r {
	case RestrictiveLower:
		return to < from
	case RestrictiveHigher:
		return to > from
	default:
		return false
	}
}

// Knob is one tunable of a service. One that passes Check is sound.
type Knob struct {
	// Name is unique in its process.
	Name string
	Kind Kind
	// Unit of Min, Max and Baseline: 1, req, bytes, percent, ms.
	Unit string
	// Min and Max are hard bounds.
	Min, Max float64
	// Step is the quantum of the value; 0 is continuous.
	Step float64
	// Baseline is in force when no lease is held.
	Baseline    float64
	Restrictive Restrictive
	// MaxChangeRatio is the largest relative permissive move per applied change; 0 is unlimited.
	MaxChangeRatio float64
	// MinDwell is the shortest time between two applied permissive changes.
	MinDwell time.Duration
	// Deadline of a limiter's calls; 0 is not known.
	Deadline time.Duration
	// Cold knobs take effect only after a restart, so they are shown and never sent.
	Cold bool
	// ApplyCost is 0 free, 1 cheap, 2 costly.
	ApplyCost uint32
}

// ValidName says whether a name is 1 to 128 bytes of a-z A-Z 0-9 . _ - /.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxNameBytes {
		return false
	}
	for i := range len(name) {
		if !allowedInName(name[i]) {
			return false
		}
	}
	return true
}

func allowedInName(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	default:
		return b == '.' || b == '_' || b == '-' || b == '/'
	}
}

// Check returns the first broken rule.
func (k *Knob) Check() error {
	switch {
	case !ValidName(k.Name):
		return errors.New("name must be 1 to 128 bytes of a-z A-Z 0-9 . _ - /")
	case !(finite(k.Min) && finite(k.Max) && k.Min <= k.Max):
		return errors.New("bounds must be finite with min <= max")
	case k.IsLimit() && k.Min < 0:
		return errors.New("a limit cannot be negative")
	case !(k.Min <= k.Baseline && k.Baseline <= k.Max):
		return errors.New("baseline must lie within the bounds")
	case !(finite(k.Step) && k.Step >= 0):
		return errors.New("step must be finite and at least 0")
	case !(finite(k.MaxChangeRatio) && k.MaxChangeRatio >= 0):
		return errors.New("max_change_ratio must be finite and at least 0")
	case k.Deadline < 0:
		return errors.New("deadline must be above 0")
	default:
		return nil
	}
}

// IsLimit says whether the knob cannot be below zero.
func (k *Knob) IsLimit() bool {
	switch k.Kind {
	case KindConcurrencyLimit, KindRateLimit, KindQueueLimit, KindPoolSize:
		return true
	default:
		return false
	}
}

// DefaultRestrictive is the direction of a kind that has a natural one.
func DefaultRestrictive(kind Kind) Restrictive {
	switch kind {
	case KindConcurrencyLimit, KindRateLimit, KindQueueLimit, KindPoolSize, KindParallelism:
		return RestrictiveLower
	default:
		return RestrictiveNeither
	}
}

// Fit brings a number into the bounds and onto the quantum; false when it is not a number.
func (k *Knob) Fit(wanted float64) (float64, bool) {
	if math.IsNaN(wanted) {
		return 0, false
	}
	clamped := min(max(wanted, k.Min), k.Max)
	if k.Step == 0 {
		return clamped, true
	}
	return min(max(math.Round(clamped/k.Step)*k.Step, k.Min), k.Max), true
}

// BaselineValue is the baseline as a value of this knob's kind.
func (k *Knob) BaselineValue() Value {
	switch k.Kind {
	case KindConcurrencyLimit:
		return Concurrency(k.Baseline)
	case KindRateLimit:
		return Value{Form: FormRate, Number: k.Baseline}
	case KindBreaker:
		return Value{Form: FormBreaker}
	case KindGcTarget:
		return Value{Form: FormGC, Number: k.Baseline, GC: FixedGC(int32(min(max(math.Round(k.Baseline), 1), GcPercentLimit)))}
	case KindParallelism:
		return Value{Form: FormThreads, Number: k.Baseline}
	case KindSwitch:
		return Switch(k.Baseline != 0)
	default:
		return Number(k.Baseline)
	}
}

func finite(number float64) bool {
	return !math.IsNaN(number) && !math.IsInf(number, 0)
}
