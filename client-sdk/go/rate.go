package setpoint

import (
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Rate is a rate limit, knob rate.NAME: a token bucket, for calls that come in or go out. Make one with Setpoint.Rate.
type Rate struct {
	meter
	// Up to what token time it is spent.
	spent atomic.Uint64
}

func newRate(sdk *Setpoint, spec *rateSpec) *Rate {
	r := new(Rate)
	r.meter.start(sdk, spec)
	return r
}

func rateSpecOf(name string, options []RateOption) rateSpec {
	spec := rateSpec{knobSpec: newSpec("rate", name, model.KindRateLimit, 1, 1_000_000, 1000)}
	spec.knob.Unit = "req"
	for _, option := range options {
		option.toRate(&spec)
	}
	return spec
}

// TryAcquire takes a token for one call; the error is a *Rejected: the bucket is empty. It never waits, and allocates only when
// the wait to be told has changed by more than a quarter.
func (r *Rate) TryAcquire() error { return r.TryAcquireMany(1) }

// TryAcquireMany takes so many tokens (0 counts as 1) for a call that is as heavy as several, all or none. One that is heavier than the
// burst takes a full bucket: it passes now and then, rather than never.
func (r *Rate) TryAcquireMany(tokens uint32) error {
	if r.unlimited.Load() {
		return nil
	}
	if wait, ok := r.terms.Load().Take(&r.spent, tokens); !ok {
		return r.reject(wait)
	}
	return nil
}

// rateTuning is the session's side.
type rateTuning struct {
	meterTuning
	it *Rate
}

func (r *Rate) tuning() *rateTuning { return &rateTuning{meterTuning{meter: &r.meter}, r} }
