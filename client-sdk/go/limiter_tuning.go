package setpoint

import (
	"log/slog"
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
	edit(&t.steering)
	changed := t.steering.putInForce(t.limiter, t.slot.Knob().Baseline)
	t.mu.Unlock()
	if changed && t.limiter.places.Awaited() {
		t.limiter.wake()
	}
}

// baselineLatency of a call without a queue; 0: not known.
func (t *limiterTuning) baselineLatency() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.steering.baselineLatency()
}

func (t *limiterTuning) CountSlowerThan(latencies []time.Duration) { t.limiter.places.Watch(latencies) }

// Close: nobody will look after the reflex, a recovery or a queue any more.
func (t *limiterTuning) Close() {
	t.steer(func(s *steering) {
		s.reflex.Pushed(t.limiter.clock.Now())
		s.follow(0, false)
	})
	if t.limiter.queue != nil {
		t.limiter.queue.Close()
	}
}

func (t *limiterTuning) Totals(atNanos, stallNanos uint64) (model.Totals, bool) {
	totals := model.Totals{AtNanos: atNanos, StallNanos: stallNanos}
	places := t.limiter.places
	places.Count(&totals)
	totals.InFlightPeak = places.TakePeak()
	totals.Limited = places.TakeLimited()
	totals.LimitInForce = places.Limit()
	machine := t.limiter.breaker.machine
	totals.ConsecutiveFailures = machine.FailuresInARow()
	totals.Probed, totals.HasProbed = machine.Probed()
	totals.RetryAfter = machine.RetryAfter()
	if t.limiter.queue != nil {
		seen := t.limiter.queue.Seen()
		totals.QueueWaits, totals.QueueWaitSum, totals.Waiting = seen.Waits, seen.WaitSum, seen.Waiting
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	totals.Reflexes = t.steering.reflex.Cuts()
	totals.Reflex = t.steering.heldBy()
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
	if freed && t.limiter.advice.Load().full.isFar(every) {
		t.limiter.adviseEvery(every)
	}
	t.followBreaker()
	attended := t.attend()
	return t.lookOut(&counted) || attended
}

// followBreaker holds the limit at the share that a recovering breaker lets through.
func (t *limiterTuning) followBreaker() {
	machine := t.limiter.breaker.machine
	generation, share, recovers := machine.Recovery()
	t.steer(func(s *steering) { s.follow(share, recovers) })
	if recovers {
		machine.Led(generation)
	}
}

// attend ends waits whose time is over. True while anybody waits.
func (t *limiterTuning) attend() bool { return t.limiter.queue != nil && t.limiter.queue.Attend() }

func (t *limiterTuning) Watch() bool {
	attended := t.attend()
	if t.limiter.places.InFlight() == 0 && !t.cutting() {
		return attended
	}
	counted := t.counted()
	return t.lookOut(&counted) || attended
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
