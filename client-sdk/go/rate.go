package setpoint

import (
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/bucket"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// Rate is a rate limit, knob rate.NAME: a token bucket, for calls that leave the service. Make one with Setpoint.Rate.
type Rate struct {
	// Nil: a rate of zero.
	bucket    atomic.Pointer[bucket.Bucket]
	unlimited atomic.Bool
	refusals  atomic.Uint64
	advice    atomic.Pointer[advice]
	clock     *clock.Clock
	slot      *actuator.Slot
	log       *slog.Logger
}

func newRate(sdk *Setpoint, spec *knobSpec) *Rate {
	r := &Rate{clock: sdk.clock, slot: actuator.NewSlot(spec.declare(sdk.log)), log: sdk.log}
	r.fill(r.slot.Value(), math.Inf(1))
	return r
}

func rateSpec(name string) knobSpec {
	spec := newSpec("rate", name, model.KindRateLimit, 1, 1_000_000, 1000)
	spec.knob.Unit = "req"
	return spec
}

// What a caller is told at a rate of zero.
const notSoon = 5 * time.Second

// TryAcquire takes a token for one call; the error is a *Rejected: the bucket is empty. It never waits, and allocates only when
// the wait to be told has changed by more than a quarter.
func (r *Rate) TryAcquire() error {
	if r.unlimited.Load() {
		return nil
	}
	wait, ok := notSoon, false
	if bucket := r.bucket.Load(); bucket != nil {
		wait, ok = bucket.Take(r.clock.Now())
	}
	if ok {
		return nil
	}
	told := r.advice.Load()
	if told == nil || told.isFar(wait) {
		told = adviseEvery(r.slot.Knob().Name, RateLimit, wait)
		r.advice.Store(told)
	}
	return told.draw(r.refusals.Add(1))
}

// PerSecond is the rate in force, calls per second.
func (r *Rate) PerSecond() float64 { return r.slot.Value().Number }

// Pin holds the rate at a value (within the bounds) with a burst of one second, whatever is pushed, until Unpin. Returns the rate
// now in force; what is not a number changes nothing.
func (r *Rate) Pin(perSecond float64) float64 {
	if _, err := r.slot.Pin(model.Value{Form: model.FormRate, Number: perSecond}, r.put); err != nil {
		r.log.Error("pin refused", "knob", r.slot.Knob().Name, "why", err)
	}
	return r.PerSecond()
}

// Unpin gives the rate back to what is pushed.
func (r *Rate) Unpin() { r.slot.Unpin(r.put) }

func (r *Rate) put(value model.Value, on bool) {
	if on {
		tokens := 0.0
		if bucket := r.bucket.Load(); bucket != nil {
			tokens = bucket.Tokens(r.clock.Now())
		}
		r.fill(value, tokens)
	}
	r.unlimited.Store(!on)
}

func (r *Rate) fill(value model.Value, tokens float64) {
	r.bucket.Store(bucket.Holding(tokens, value.Number, value.Burst, r.clock.Now()))
}

// rateTuning is the session's side.
type rateTuning struct {
	actuator.Defaults
	it *Rate
}

func (r *rateTuning) Knob() *model.Knob    { return r.it.slot.Knob() }
func (r *rateTuning) InForce() model.Value { return r.it.slot.Value() }
func (r *rateTuning) Pinned() bool         { return r.it.slot.Pinned() }
func (r *rateTuning) Enforce(on bool)      { r.it.slot.Enforce(on, r.it.put) }

func (r *rateTuning) Apply(value model.Value, _ *wire.Why) (model.Value, error) {
	if _, err := r.it.slot.Push(value, r.it.put); err != nil {
		return model.Value{}, err
	}
	return r.InForce(), nil
}
