package setpoint

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	// A retry in the unit of the savings, and most that calls can save up.
	oneRetry = 1000
	savings  = 100 * oneRetry
	// The reserve: so many retries at once, and the same number again each second.
	reserve      = 3
	reserveEvery = int64(time.Second) / reserve
)

// RetryBudget bounds how many calls are made again, knob retry.NAME: the share of the calls that may be, 0.2 unless told otherwise, and
// 3 a second in any case; a share of 0 forbids all of them. Make one with Setpoint.RetryBudget.
//
// A retry helps when one call went wrong. When many do, retries multiply the load of a callee that is already failing: three attempts
// each make the overload three times as large and keep it there. Call RecordCall once for each call, however often it is made again, and
// ask TryRetry before each further attempt.
type RetryBudget struct {
	ratioBits atomic.Uint64
	saved     atomic.Int64
	// When the reserve is full again, nanoseconds.
	fullAt atomic.Int64
	clock  *clock.Clock
	slot   *actuator.Slot
}

func newRetryBudget(sdk *Setpoint, spec *knobSpec) *RetryBudget {
	b := &RetryBudget{clock: sdk.clock, slot: actuator.NewSlot(spec.declare(sdk.log))}
	b.ratioBits.Store(math.Float64bits(b.slot.Knob().Baseline))
	return b
}

func retrySpec(name string) knobSpec {
	spec := newSpec("retry", name, model.KindNumeric, 0, 1, 0.2)
	spec.knob.Restrictive = model.RestrictiveLower
	return spec
}

// RecordCall says that a call is made, not counting its retries. One load while there are savings enough, else one atomic addition.
func (b *RetryBudget) RecordCall() {
	if b.saved.Load() < savings {
		// A few calls at once can overshoot the bound by what each of them saves, once.
		b.saved.Add(int64(b.inForce() * oneRetry))
	}
}

// TryRetry says whether a call may be made again now; if so, that retry is taken from the budget.
func (b *RetryBudget) TryRetry() bool {
	if b.inForce() <= 0 {
		return false
	}
	for saved := b.saved.Load(); saved >= oneRetry; saved = b.saved.Load() {
		if b.saved.CompareAndSwap(saved, saved-oneRetry) {
			return true
		}
	}
	now := int64(b.clock.Now())
	for {
		held := b.fullAt.Load()
		next := max(held, now) + reserveEvery
		if next-now > reserve*reserveEvery {
			return false
		}
		if b.fullAt.CompareAndSwap(held, next) {
			return true
		}
	}
}

// Ratio is the share of the calls that may be made again.
func (b *RetryBudget) Ratio() float64 { return b.slot.Value().Number }

func (b *RetryBudget) inForce() float64 { return math.Float64frombits(b.ratioBits.Load()) }

func (b *RetryBudget) put(value model.Value, on bool) {
	if !on {
		value = b.slot.Knob().BaselineValue()
	}
	b.ratioBits.Store(math.Float64bits(value.Number))
}

// retryTuning is the session's side.
type retryTuning struct {
	slotTuning
	it *RetryBudget
}

func (b *RetryBudget) tuning() *retryTuning {
	return &retryTuning{slotTuning{slot: b.slot, put: b.put}, b}
}
