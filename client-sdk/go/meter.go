package setpoint

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/bucket"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// meter is what every rate consists of: who decides about it, the terms in force, and what became of its calls. What callers have
// spent lies with the rate.
type meter struct {
	terms     atomic.Pointer[bucket.Terms]
	unlimited atomic.Bool
	advice    atomic.Pointer[advice]
	// Calls; 0: one second of the rate.
	burst float64
	tally rateTally
	clock *clock.Clock
	slot  *actuator.Slot
	log   *slog.Logger
}

func (m *meter) start(sdk *Setpoint, spec *rateSpec) {
	m.clock, m.slot, m.log, m.burst = sdk.clock, actuator.NewSlot(spec.declare(sdk.log)), sdk.log, spec.burst
	m.terms.Store(bucket.Start(m.slot.Value().Number, m.burst, m.clock))
}

// reject a call that has to wait so long. Allocates only when the wait to be told has changed by more than a quarter.
func (m *meter) reject(wait time.Duration) *Rejected {
	told := m.advice.Load()
	if told == nil || told.isFar(wait) {
		told = adviseEvery(m.slot.Knob().Name, RateLimit, wait)
		m.advice.Store(told)
	}
	return told.draw(m.tally.rejected.Add(1))
}

// put a value in force. The slot calls it, one at a time.
func (m *meter) put(value model.Value, on bool) {
	if on {
		burst := m.burst
		if value.HasBurst {
			burst = value.Burst
		}
		m.terms.Store(m.terms.Load().Followed(value.Number, burst))
	}
	m.unlimited.Store(!on)
}

// Record tells how a call ended, and how long its callee wants to be left alone (0: it did not say; an hour at most). This is what the
// sidecar's adaptive rates learn from. A service that tells nothing is judged by the limiter of the same name, if there is one.
func (m *meter) Record(outcome Outcome, retryAfter time.Duration) {
	m.tally.record(m.clock.Now(), outcome, retryAfter)
}

// PerSecond is the rate in force, calls per second.
func (m *meter) PerSecond() float64 { return m.slot.Value().Number }

// Pin holds the rate at a value (within the bounds) with the declared burst, whatever is pushed, until Unpin. Returns the rate now in
// force; what is not a number changes nothing.
func (m *meter) Pin(perSecond float64) float64 {
	if _, err := m.slot.Pin(model.Value{Form: model.FormRate, Number: perSecond}, m.put); err != nil {
		m.log.Error("pin refused", "knob", m.slot.Knob().Name, "why", err)
	}
	return m.PerSecond()
}

// Unpin gives the rate back to what is pushed.
func (m *meter) Unpin() { m.slot.Unpin(m.put) }

// rateTally counts what became of the calls of a rate. A call that is let through is not counted: its end says all that this would say.
// Until the service has told of an end, nothing is reported.
type rateTally struct {
	rejected  atomic.Uint64
	told      atomic.Bool
	byOutcome [4]atomic.Uint64
	notBefore atomic.Int64
	// Rejections when they were reported last. For the session's goroutine.
	rejectedBefore uint64
}

// A callee is believed that it wants to be left alone for so long at most.
const longestRetryAfter = time.Hour

func (t *rateTally) record(now time.Duration, outcome Outcome, retryAfter time.Duration) {
	if int(outcome) < len(t.byOutcome) {
		t.byOutcome[outcome].Add(1)
	}
	if retryAfter > 0 {
		until := int64(now + min(retryAfter, longestRetryAfter))
		for held := t.notBefore.Load(); held < until && !t.notBefore.CompareAndSwap(held, until); held = t.notBefore.Load() {
		}
	}
	t.told.Store(true)
}

func (t *rateTally) totals(atNanos, stallNanos uint64, inForce float64) (model.Totals, bool) {
	if !t.told.Load() {
		return model.Totals{}, false
	}
	refused := t.rejected.Load()
	totals := model.Totals{
		AtNanos: atNanos, StallNanos: stallNanos, Completed: t.byOutcome[Success].Load(), Dropped: t.byOutcome[Dropped].Load(),
		Failed: t.byOutcome[Failure].Load(), Cancelled: t.byOutcome[Ignore].Load(), LimitInForce: inForce, Limited: refused != t.rejectedBefore,
		RetryAfter: max(time.Duration(t.notBefore.Load())-time.Duration(atNanos), 0),
	}
	t.rejectedBefore = refused
	totals.Rejected[Normal.class()] = refused
	totals.Admitted = totals.Released()
	totals.Arrived = totals.Admitted + refused
	return totals, true
}

// meterTuning is the session's side.
type meterTuning struct {
	actuator.Defaults
	*meter
}

func (t meterTuning) Knob() *model.Knob    { return t.slot.Knob() }
func (t meterTuning) InForce() model.Value { return t.slot.Value() }
func (t meterTuning) Pinned() bool         { return t.slot.Pinned() }
func (t meterTuning) Enforce(on bool)      { t.slot.Enforce(on, t.put) }

func (t meterTuning) Apply(value model.Value, _ *wire.Why) (model.Value, error) {
	if _, err := t.slot.Push(value, t.put); err != nil {
		return model.Value{}, err
	}
	return t.InForce(), nil
}

func (t meterTuning) Totals(atNanos, stallNanos uint64) (model.Totals, bool) {
	return t.tally.totals(atNanos, stallNanos, t.PerSecond())
}
