package setpoint

import (
	"log/slog"
	"math"
	"sync"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/session"
)

// Setpoint is a started SDK. Make one with Start.
//
// Registering never fails: a bound that makes no sense is corrected and logged, a name that was registered before gives the same
// object again (as it was declared first). A sidecar hears of the first 256 knobs, others stay at their baselines; and beyond
// 1024 what is handed out refuses no call. Register once, at the start, and keep the handle: a registration takes a lock.
type Setpoint struct {
	service  string
	log      *slog.Logger
	clock    *clock.Clock
	seed     uint64
	registry *actuator.Registry
	own      *own
	dumps    dumps
	// Nil: disabled for the whole life of the process.
	session *session.Session

	unregistered sync.Once
	open         open
}

// open is what is handed out in place of something that cannot be registered.
type open struct {
	limiter   *Limiter
	breaker   *Breaker
	rate      *Rate
	keyed     *KeyedRate
	gate      *ConnectionGate
	throttle  *Throttle
	retry     *RetryBudget
	readiness *Readiness
}

// Limiter is a concurrency limiter: knob limit.NAME. It comes with a breaker, knob breaker.NAME, that acts only when a state is
// pushed, or by itself as well once Breaker was called with the same name. Unless told otherwise it allows 4 to 2000 calls, with a
// baseline of 50.
func (s *Setpoint) Limiter(name string, options ...LimiterOption) *Limiter {
	spec := limiterSpec{knobSpec: newSpec("limit", name, model.KindConcurrencyLimit, 4, 2000, 50), shares: defaultShares}
	for _, option := range options {
		option.toLimiter(&spec)
	}
	breaker := s.breaker(name)
	if it, ok := registered(s, spec.knob.Name, func() *limiterTuning { return newLimiter(s, &spec, breaker).tuning }); ok {
		return it.limiter
	}
	return s.open.limiter
}

// Breaker is a breaker that trips by itself: knob breaker.NAME. A limiter of the same name asks it.
func (s *Setpoint) Breaker(name string, rules BreakerRules) *Breaker {
	b := s.breaker(name)
	b.machine.Arm(rules.withDefaults())
	return b
}

func (s *Setpoint) breaker(name string) *Breaker {
	spec := breakerSpec(name)
	if it, ok := registered(s, spec.knob.Name, func() *breakerTuning { return &breakerTuning{it: newBreaker(s, &spec)} }); ok {
		return it.it
	}
	return s.open.breaker
}

// Rate is a rate limit: knob rate.NAME. Unless told otherwise 1 to 1,000,000 calls per second, with a baseline of 1000.
func (s *Setpoint) Rate(name string, options ...RateOption) *Rate {
	spec := rateSpecOf(name, options)
	if it, ok := registered(s, spec.knob.Name, func() *rateTuning { return newRate(s, &spec).tuning() }); ok {
		return it.it
	}
	return s.open.rate
}

// KeyedRate is a rate limit for each key: knob rate.NAME, with room for so many keys that are held back at once. It takes 16 to 32 bytes
// for each, at once and for ever; 2 million at most.
func (s *Setpoint) KeyedRate(name string, keys int, options ...RateOption) *KeyedRate {
	spec := rateSpecOf(name, options)
	if it, ok := registered(s, spec.knob.Name, func() *keyedTuning { return newKeyedRate(s, &spec, keys).tuning() }); ok {
		return it.it
	}
	return s.open.keyed
}

// ConnectionGate is how many connections may be open: knob connections.NAME. Unless told otherwise 1 to 100,000, with a baseline of
// 10,000; keep the highest below the process's limit of descriptors.
func (s *Setpoint) ConnectionGate(name string, options ...GateOption) *ConnectionGate {
	spec := gateSpecOf(name, options)
	if it, ok := registered(s, spec.knob.Name, func() *gateTuning { return newGate(s, &spec).tuning() }); ok {
		return it.it
	}
	return s.open.gate
}

// Throttle refuses calls that their callee would most likely refuse: knob throttle.NAME.
func (s *Setpoint) Throttle(name string) *Throttle {
	spec := throttleSpec(name)
	if it, ok := registered(s, spec.knob.Name, func() *throttleTuning { return newThrottle(s, &spec).tuning() }); ok {
		return it.it
	}
	return s.open.throttle
}

// RetryBudget is how many calls may be made again: knob retry.NAME, a fifth of the calls and 3 a second.
func (s *Setpoint) RetryBudget(name string) *RetryBudget {
	spec := retrySpec(name)
	if it, ok := registered(s, spec.knob.Name, func() *retryTuning { return newRetryBudget(s, &spec).tuning() }); ok {
		return it.it
	}
	return s.open.retry
}

// Readiness is the answer of the service's readiness check: knob health.ready.
func (s *Setpoint) Readiness() *Readiness {
	spec := readinessSpec()
	if it, ok := registered(s, spec.knob.Name, func() *readinessTuning { return newReadiness(s, &spec).tuning() }); ok {
		return it.it
	}
	return s.open.readiness
}

// Knob is any other number: a knob of exactly this name.
func (s *Setpoint) Knob(name string, options ...KnobOption) *Knob {
	spec := numberSpec{knobSpec: newSpec("", name, model.KindNumeric, 0, math.MaxFloat64, 0)}
	for _, option := range options {
		option.toNumber(&spec)
	}
	if it, ok := registered(s, spec.knob.Name, func() *knobTuning { return &knobTuning{it: newKnob(s, &spec)} }); ok {
		return it.it
	}
	return newKnob(s, &spec)
}

// registered is what has that name, made first if nothing has. False when it is of another kind, or there are too many.
func registered[A actuator.Actuator](s *Setpoint, name string, create func() A) (A, bool) {
	entry, _ := s.registry.Register(actuator.Spell(name), func() actuator.Actuator { return create() })
	it, ok := entry.(A)
	if !ok {
		s.standIn(name)
	}
	return it, ok
}

// standIn makes what is handed out in place of something that cannot be registered: one for all of them, so that a service that
// makes up names without end does not use up memory without end. Logged the first time.
func (s *Setpoint) standIn(refused string) {
	s.unregistered.Do(func() {
		s.log.Error("knob not registered: too many, or the name has another kind; nothing is limited under it", "knob", refused, "most", actuator.MaxKnobs)
		const name = "unregistered"
		breakerSpec, rateSpec, gateSpec := breakerSpec(name), rateSpecOf(name, nil), gateSpecOf(name, nil)
		throttleSpec, retrySpec, readinessSpec := throttleSpec(name), retrySpec(name), readinessSpec()
		limiterSpec := limiterSpec{knobSpec: newSpec("limit", name, model.KindConcurrencyLimit, 4, 2000, 50), shares: defaultShares}
		o := &s.open
		o.breaker, o.rate, o.keyed = newBreaker(s, &breakerSpec), newRate(s, &rateSpec), newKeyedRate(s, &rateSpec, 1)
		o.gate, o.throttle, o.retry = newGate(s, &gateSpec), newThrottle(s, &throttleSpec), newRetryBudget(s, &retrySpec)
		o.limiter, o.readiness = newLimiter(s, &limiterSpec, o.breaker), newReadiness(s, &readinessSpec)
		for _, it := range []actuator.Actuator{o.limiter.tuning, o.rate.tuning(), o.keyed.tuning(), o.gate.tuning(), o.throttle.tuning()} {
			it.Enforce(false)
		}
	})
}

// Health is how the SDK stands with its sidecar. No call ever depends on it. One atomic load.
func (s *Setpoint) Health() Health {
	if s.session == nil {
		return HealthDisabled
	}
	return Health(s.session.Health())
}

// Stop ends the session with the sidecar and waits until nothing of it runs any more, a quarter of a second at most, and for a
// collection that the sidecar has asked for: every knob goes to its baseline, the runtime's settings to what they were, and the
// sidecar forgets this process. Limiters go on with their baselines. A process that just ends need not call it.
func (s *Setpoint) Stop() {
	if s.session != nil {
		s.session.Stop()
		<-s.session.Done()
	}
}
