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
	// Nil: disabled for the whole life of the process.
	session *session.Session

	unregistered sync.Once
	open         struct {
		limiter *Limiter
		breaker *Breaker
		rate    *Rate
	}
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
	entry, _ := s.registry.Register(actuator.Spell(spec.knob.Name), func() actuator.Actuator { return newLimiter(s, &spec, breaker).tuning })
	if tuning, ok := entry.(*limiterTuning); ok {
		return tuning.limiter
	}
	s.standIn(spec.knob.Name)
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
	entry, _ := s.registry.Register(actuator.Spell(spec.knob.Name), func() actuator.Actuator { return &breakerTuning{it: newBreaker(s, &spec)} })
	if tuning, ok := entry.(*breakerTuning); ok {
		return tuning.it
	}
	s.standIn(spec.knob.Name)
	return s.open.breaker
}

// Rate is a rate limit: knob rate.NAME. Unless told otherwise 1 to 1,000,000 calls per second, with a baseline of 1000.
func (s *Setpoint) Rate(name string, options ...RateOption) *Rate {
	spec := rateSpec(name)
	for _, option := range options {
		option.toRate(&spec)
	}
	entry, _ := s.registry.Register(actuator.Spell(spec.knob.Name), func() actuator.Actuator { return &rateTuning{it: newRate(s, &spec)} })
	if tuning, ok := entry.(*rateTuning); ok {
		return tuning.it
	}
	s.standIn(spec.knob.Name)
	return s.open.rate
}

// Knob is any other number: a knob of exactly this name.
func (s *Setpoint) Knob(name string, options ...KnobOption) *Knob {
	spec := numberSpec{knobSpec: newSpec("", name, model.KindNumeric, 0, math.MaxFloat64, 0)}
	for _, option := range options {
		option.toNumber(&spec)
	}
	entry, _ := s.registry.Register(actuator.Spell(spec.knob.Name), func() actuator.Actuator { return &knobTuning{it: newKnob(s, &spec)} })
	if tuning, ok := entry.(*knobTuning); ok {
		return tuning.it
	}
	s.standIn(spec.knob.Name)
	return newKnob(s, &spec)
}

// standIn makes what is handed out in place of something that cannot be registered: one for all of them, so that a service that
// makes up names without end does not use up memory without end. Logged the first time.
func (s *Setpoint) standIn(refused string) {
	s.unregistered.Do(func() {
		s.log.Error("knob not registered: too many, or the name has another kind; nothing is limited under it", "knob", refused, "most", actuator.MaxKnobs)
		breakerSpec, rateSpec := breakerSpec("unregistered"), rateSpec("unregistered")
		s.open.breaker = newBreaker(s, &breakerSpec)
		s.open.rate = newRate(s, &rateSpec)
		limiterSpec := limiterSpec{knobSpec: newSpec("limit", "unregistered", model.KindConcurrencyLimit, 4, 2000, 50), shares: defaultShares}
		s.open.limiter = newLimiter(s, &limiterSpec, s.open.breaker)
		s.open.limiter.tuning.Enforce(false)
		(&rateTuning{it: s.open.rate}).Enforce(false)
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
