package setpoint

import (
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/places"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/proc"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/queue"
)

// Limiter is a concurrency limiter, knob limit.NAME: how many calls may be in flight at once, and what became of them. Make one
// with Setpoint.Limiter.
//
// On the request path there are three things: the limit (read), the places that are taken, and the counters (a shard for each processor,
// which has some places in spare while there is room). Everything else is worked out by the session from the counters.
type Limiter struct {
	holder
	clock   *clock.Clock
	breaker *Breaker
	// What rejected callers are told, by reason.
	advice atomic.Pointer[limiterAdvice]
	tuning *limiterTuning
	// Where callers wait; nil: nowhere.
	queue    *queue.Queue[Permit]
	hopeless *atomic.Uint64
}

// limiterAdvice for the reasons for which a place was not to be had.
type limiterAdvice struct{ full, queueFull, queueWait *advice }

func (l *Limiter) adviseEvery(every time.Duration) {
	name := l.tuning.slot.Knob().Name
	told := &limiterAdvice{full: adviseEvery(name, ConcurrencyLimit, every)}
	if l.queue != nil {
		told.queueFull, told.queueWait = adviseEvery(name, QueueFull, every), adviseEvery(name, QueueWait, every)
	}
	l.advice.Store(told)
}

// Before any call has ended.
const firstAdvice = 100 * time.Millisecond

func newLimiter(sdk *Setpoint, spec *limiterSpec, breaker *Breaker) *Limiter {
	knob := spec.declare(sdk.log)
	l := &Limiter{clock: sdk.clock, breaker: breaker}
	l.holder = holder{places.New(sdk.clock, knob.Deadline, spec.clockEvery), breaker.machine, l}
	l.tuning = &limiterTuning{limiter: l, slot: actuator.NewSlot(knob), log: sdk.log, steering: newSteering(knob.Baseline, spec.shares)}
	if spec.queue > 0 {
		l.queue = queue.New[Permit](door{l}, spec.queue)
	}
	if spec.refuseHopeless {
		l.hopeless = new(atomic.Uint64)
	}
	l.places.Set(knob.Baseline, spec.shares)
	l.adviseEvery(firstAdvice)
	breaker.machine.Limited()
	return l
}

// TryAcquire admits a call or rejects it at once: the error is a *Rejected. It never waits or allocates. Costs one atomic addition for
// most calls (see SampleClocks); a rejection costs less than a reading of the clock.
func (l *Limiter) TryAcquire(priority Priority) (Permit, error) {
	if l.places.HasRoom(priority.class()) {
		if pass, ok := l.machine.AdmitAll(); ok {
			processor := proc.Pin()
			proc.Unpin() // it is a hint
			if ticket, ok := l.places.TryQuick(processor); ok {
				return Permit{&l.holder, pass, ticket}, nil
			}
		}
	}
	return l.TryAcquireMany(priority, 1)
}

// TryAcquireMany is the same for a call that is as heavy as several: it takes so many places (0 counts as 1) until it ends, and is
// counted as one call. One that is heavier than the limit takes all of it: it runs alone, rather than never.
func (l *Limiter) TryAcquireMany(priority Priority, count uint32) (Permit, error) {
	class := priority.class()
	if class < 0 {
		return Permit{}, nil
	}
	permit, ok, err := l.take(class, count)
	if err == nil && !ok {
		err = l.advice.Load().full.draw(l.places.Reject(class))
	}
	return permit, err
}

// take admits a call if there is room; false without an error, and nothing counted, when there is none.
func (l *Limiter) take(class int, count uint32) (Permit, bool, error) {
	pass, retryAfter, ok := l.machine.Admit()
	if !ok {
		l.places.Reject(class)
		return Permit{}, false, l.breaker.rejected(retryAfter)
	}
	ticket, ok := l.places.TryEnter(class, max(uint64(count), 1))
	if !ok {
		l.machine.GiveBack(pass)
		return Permit{}, false, nil
	}
	return Permit{&l.holder, pass, ticket}, true, nil
}

// Do runs a call under the limit. Its error says what became of it (OutcomeOf); a panic counts as a failure and goes on. The error
// is a *Rejected when the call was not let in.
func (l *Limiter) Do(priority Priority, call func() error) error {
	permit, err := l.TryAcquire(priority)
	if err != nil {
		return err
	}
	outcome := Failure
	defer func() { permit.Finish(outcome) }()
	err = call()
	outcome = OutcomeOf(err)
	return err
}

func (l *Limiter) release(ticket places.Ticket, outcome Outcome) {
	if l.places.Leave(ticket, outcome) {
		l.wake()
	}
}

// wake whoever is next in line: a place may be free.
func (l *Limiter) wake() {
	if l.queue != nil {
		l.queue.Poke()
	}
}

// Limit in force. What is admitted is this rounded down, but at least 1 call unless the limit is below 1.
func (l *Limiter) Limit() float64 { return l.places.Limit() }

// InFlight is how many places the calls in flight take now.
func (l *Limiter) InFlight() uint64 { return l.places.InFlight() }

// Breaker is the one that this limiter asks.
func (l *Limiter) Breaker() *Breaker { return l.breaker }

// Pin holds the limit at a value (within the bounds), whatever is pushed, until Unpin. Returns the limit now in force; what is not
// a number changes nothing.
func (l *Limiter) Pin(limit float64) float64 {
	l.tuning.steer(func(s *steering) { s.reflex.Pushed(l.clock.Now()) })
	if _, err := l.tuning.slot.Pin(model.Concurrency(limit), l.tuning.put); err != nil {
		l.tuning.log.Error("pin refused", "knob", l.tuning.slot.Knob().Name, "why", err)
	}
	return l.Limit()
}

// Unpin gives the limit back to what is pushed.
func (l *Limiter) Unpin() { l.tuning.slot.Unpin(l.tuning.put) }

// ReflexCuts is how often the limiter's own reflex has cut the limit since the start: for a short while when calls in flight get
// far too old or end in overload, between two pushes and without a sidecar.
func (l *Limiter) ReflexCuts() uint64 {
	l.tuning.mu.Lock()
	defer l.tuning.mu.Unlock()
	return l.tuning.steering.reflex.Cuts()
}

// LatencyCount is how many successes took at least so long, and less than the next one.
type LatencyCount struct {
	AtLeast time.Duration
	Count   uint64
}

// LatencyCounts says how many successes took how long since the start.
func (l *Limiter) LatencyCounts() []LatencyCount {
	counts := make([]LatencyCount, places.Buckets)
	for i, count := range l.places.Histogram() {
		counts[i] = LatencyCount{places.Floor(i), count}
	}
	return counts
}
