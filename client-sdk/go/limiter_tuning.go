package setpoint

import (
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/reflex"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// limiterTuning is what the session does with a limiter: puts in force what was pushed, reads the counters and lets the reflex
// look. No call passes through here.
type limiterTuning struct {
	actuator.Defaults
	limiter *Limiter
	slot    *actuator.Slot
	log     *slog.Logger
	// Of everything below.
	mu       sync.Mutex
	steering steering
	turnover turnover
}

func (t *limiterTuning) Knob() *model.Knob    { return t.slot.Knob() }
func (t *limiterTuning) InForce() model.Value { return t.slot.Value() }
func (t *limiterTuning) Pinned() bool         { return t.slot.Pinned() }
func (t *limiterTuning) Enforce(on bool)      { t.slot.Enforce(on, t.put) }

func (t *limiterTuning) Apply(value model.Value, _ *wire.Why) (model.Value, error) {
	if _, err := t.slot.Push(value, t.put); err != nil {
		return model.Value{}, err
	}
	return t.InForce(), nil
}

func (t *limiterTuning) put(value model.Value, on bool) {
	t.steer(func(s *steering) { s.asked, s.open = value.Number, !on })
}

func (t *limiterTuning) Admit(admission *model.Admission) {
	t.steer(func(s *steering) { s.admit(admission, t.limiter.clock.Now()) })
}

func (t *limiterTuning) Shares() (model.Shares, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.steering.pushed.Shares, t.steering.pushed.HasShares
}

// steer changes what the limit is made of, and puts in force what comes out.
func (t *limiterTuning) steer(edit func(*steering)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	edit(&t.steering)
	t.steering.putInForce(t.limiter, t.slot.Knob().Baseline)
}

func (t *limiterTuning) Totals(atNanos, stallNanos uint64) (model.Totals, bool) {
	totals := model.Totals{AtNanos: atNanos, StallNanos: stallNanos}
	places := t.limiter.places
	places.Count(&totals)
	totals.InFlightPeak = places.TakePeak()
	totals.Limited = places.TakeLimited()
	totals.LimitInForce = places.Limit()
	totals.ConsecutiveFailures = t.limiter.breaker.machine.FailuresInARow()
	t.mu.Lock()
	defer t.mu.Unlock()
	totals.Reflexes = t.steering.reflex.Cuts()
	if cut, holds := t.steering.cut(); holds {
		totals.Reflex = cut.Cause
	}
	return totals, true
}

// Tick learns from the last 50 ms.
func (t *limiterTuning) Tick() bool {
	t.limiter.places.CloseSlice()
	counted := t.counted()
	t.mu.Lock()
	every, freed := t.turnover.look(&counted)
	t.steering.local.Learn(&counted)
	t.mu.Unlock()
	if freed && t.limiter.advice.Load().isFar(every) {
		t.limiter.advice.Store(adviseEvery(t.Knob().Name, ConcurrencyLimit, every))
	}
	return t.lookOut(&counted)
}

func (t *limiterTuning) Watch() bool {
	if t.limiter.places.Taken() == 0 && !t.cutting() {
		return false
	}
	counted := t.counted()
	return t.lookOut(&counted)
}

func (t *limiterTuning) cutting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, holds := t.steering.cut()
	return holds
}

// counted are the counters alone: nothing is taken back to zero by reading them.
func (t *limiterTuning) counted() model.Totals {
	totals := model.Totals{AtNanos: t.limiter.clock.Nanos()}
	t.limiter.places.Count(&totals)
	return totals
}

// lookOut lets the reflex look. True while it should look again soon.
func (t *limiterTuning) lookOut(totals *model.Totals) bool {
	if t.slot.Pinned() {
		return false
	}
	knob := t.slot.Knob()
	var before, after reflex.Cut
	var held, holds bool
	t.steer(func(s *steering) {
		before, held = s.cut()
		s.watch(totals, knob)
		after, holds = s.cut()
	})
	if before.Cap != after.Cap {
		cause := after.Cause
		if !holds {
			cause = before.Cause
		}
		t.log.Info("the reflex moved its bound", "knob", knob.Name, "from", before.Cap, "to", after.Cap, "held", held, "holds", holds, "reason", cause.String())
	}
	return holds || totals.InFlight() > 0
}

// steering is what the limit of a limiter is made of. Three parties write the words that the request path reads: the session
// (pushes), the owner (pins) and the reflex. They meet here, so that limit and caps never come from two different minds.
type steering struct {
	asked float64
	// Everything is admitted.
	open      bool
	ownShares model.Shares
	// What the sidecar said that goes with the limit, while its lease lasts.
	pushed    model.Admission
	hasPushed bool
	reflex    reflex.Reflex
	local     reflex.LocalBaseline
	// What the request path was given last.
	given given
}

type given struct {
	limit  float64
	open   bool
	shares model.Shares
}

func newSteering(limit float64, shares model.Shares) steering {
	return steering{asked: limit, ownShares: shares, given: given{limit: limit, shares: shares}}
}

// admit: the sidecar has just said what it wants, or (nil) its word is worth nothing any more.
func (s *steering) admit(admission *model.Admission, now time.Duration) {
	s.pushed, s.hasPushed = model.Admission{}, admission != nil
	if admission != nil {
		s.pushed = *admission
		s.reflex.Pushed(now)
	}
}

func (s *steering) watch(totals *model.Totals, knob *model.Knob) {
	if !s.open {
		s.reflex.Step(totals, &reflex.Allowed{Limit: s.asked, Floor: knob.Min, BaselineLatency: s.baselineLatency()})
	}
}

// baselineLatency without a queue: the sidecar's word while it lasts, else what the limiter saw itself.
func (s *steering) baselineLatency() time.Duration {
	if s.hasPushed {
		return s.pushed.BaselineLatency
	}
	return s.local.Latency()
}

func (s *steering) cut() (reflex.Cut, bool) {
	cut, holds := s.reflex.Cut()
	return cut, holds && !s.open
}

// putInForce brings the request path up to date; its words are written only when they change, since each write takes the cache
// line away from every core that admits calls.
func (s *steering) putInForce(l *Limiter, baseline float64) {
	next := given{s.asked, s.open, s.ownShares}
	if s.pushed.HasShares {
		next.shares = s.pushed.Shares
	}
	if cut, holds := s.cut(); holds {
		next.limit = math.Min(next.limit, cut.Cap)
	}
	if next == s.given {
		return
	}
	s.given = next
	if next.open {
		l.places.Open(baseline)
	} else {
		l.places.Set(next.limit, next.shares)
	}
}

// turnover is how often a place becomes free: what a caller is told to wait.
type turnover struct{ released, lastNanos uint64 }

// look gives the mean time between two places that became free since the last look; false while none did.
func (t *turnover) look(now *model.Totals) (time.Duration, bool) {
	freed := now.Released() - t.released
	t.released = now.Released()
	if freed == 0 {
		return 0, false
	}
	since := now.AtNanos - min(t.lastNanos, now.AtNanos)
	t.lastNanos = now.AtNanos
	return time.Duration(since / freed), true
}
