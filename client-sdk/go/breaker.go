package setpoint

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/breaker"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// Breaker is a circuit breaker, knob breaker.NAME: stop calling what is down, find out gently when it is up again. Make one with
// Setpoint.Breaker.
//
// A limiter has a breaker of the same name and asks it itself; use a breaker on its own for calls that have no limiter. The local
// rules are few on purpose, they are what still works without a sidecar: several hard failures in a row trip, a few probes find out
// (2 at once, 10 in a round, 8 of them well, each within 3 s), traffic comes back by and by. Failure rates, latencies and confidence
// are judged in the sidecar, which pushes a state.
type Breaker struct {
	holder
	slot *actuator.Slot
	log  *slog.Logger
	// The state that was logged last: transitions happen on the request path, their log lines do not.
	logged breaker.State
	// What callers were told last.
	told atomic.Pointer[Rejected]
}

// BreakerState is what a breaker does with calls now.
type BreakerState uint8

const (
	// BreakerClosed: calls pass.
	BreakerClosed BreakerState = iota
	// BreakerRecovering: more and more calls pass.
	BreakerRecovering
	// BreakerHalfOpen: a few calls pass, to see whether the callee is well again.
	BreakerHalfOpen
	// BreakerOpen: calls are rejected.
	BreakerOpen
	// BreakerForcedOpen: calls are rejected on an operator's word.
	BreakerForcedOpen
	// BreakerDisabled: calls pass on an operator's word, and nothing trips it.
	BreakerDisabled
	// BreakerShadow: calls pass; what would have happened is only told.
	BreakerShadow
)

// String is the name in metrics and logs.
func (s BreakerState) String() string {
	names := [...]string{"closed", "recovering", "half_open", "open", "forced_open", "disabled", "shadow"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// BreakerRules say when a breaker trips by itself; zero fields have their defaults.
type BreakerRules struct {
	// Failures in a row that trip it. Default 7.
	Failures uint32
	// Wait in open, the first and the longest, to which it doubles. Default 1 s and 30 s.
	Wait, LongestWait time.Duration
	// Ramp is how long it takes until all calls pass again, once probes have succeeded. Default 10 s; below 0: at once.
	Ramp time.Duration
}

func newBreaker(sdk *Setpoint, spec *knobSpec) *Breaker {
	return &Breaker{holder: holder{machine: breaker.New(sdk.clock, sdk.seed)}, slot: actuator.NewSlot(spec.declare(sdk.log)), log: sdk.log}
}

func breakerSpec(name string) knobSpec { return newSpec("breaker", name, model.KindBreaker, 0, 7, 0) }

// TryAcquire lets a call through or rejects it: the error is a *Rejected. For calls without a limiter; a limiter of the same name
// asks by itself. One load while the breaker is closed.
func (b *Breaker) TryAcquire() (Permit, error) {
	pass, retryAfter, ok := b.machine.Admit()
	if !ok {
		return Permit{}, b.rejected(retryAfter)
	}
	return Permit{holder: &b.holder, pass: pass}, nil
}

// State now. An open breaker whose wait is over stays open until a call comes.
func (b *Breaker) State() BreakerState {
	switch b.machine.State() {
	case breaker.Recovering:
		return BreakerRecovering
	case breaker.HalfOpen, breaker.PushedHalfOpen:
		return BreakerHalfOpen
	case breaker.Open, breaker.PushedOpen:
		return BreakerOpen
	case breaker.ForcedOpen:
		return BreakerForcedOpen
	case breaker.Disabled:
		return BreakerDisabled
	case breaker.Shadow:
		return BreakerShadow
	default:
		return BreakerClosed
	}
}

// WouldHaveOpened is how often it would have opened by its own rule while it was in BreakerShadow.
func (b *Breaker) WouldHaveOpened() uint64 { return b.machine.WouldHaveOpened() }

// RetryAfter says that the callee has asked to be left alone for so long (Retry-After; an hour at most). If the breaker opens before
// that is over, it stays open for as long, within its longest wait.
func (b *Breaker) RetryAfter(forSoLong time.Duration) { b.machine.Asked(forSoLong) }

// pinned is a state as it is held: callers of an open one are told to come back after a second.
var pinned = [...]model.Breaker{
	BreakerClosed:     {State: model.BreakerClosed},
	BreakerRecovering: {State: model.BreakerRecovering, Ramp: 10 * time.Second},
	BreakerHalfOpen:   {State: model.BreakerHalfOpen, ProbeMax: 2, ProbeTotal: 10, ProbeDeadline: 3 * time.Second},
	BreakerOpen:       {State: model.BreakerOpen, RetryAfter: time.Second},
	BreakerForcedOpen: {State: model.BreakerForcedOpen, RetryAfter: time.Second},
	BreakerDisabled:   {State: model.BreakerDisabled},
	BreakerShadow:     {State: model.BreakerShadow},
}

// Pin holds the breaker in a state, whatever is pushed, until Unpin.
func (b *Breaker) Pin(state BreakerState) {
	if int(state) >= len(pinned) {
		b.log.Error("pin refused: no such state", "knob", b.slot.Knob().Name, "state", int(state))
		return
	}
	// The only kind of value that a breaker takes cannot be refused.
	_, _ = b.slot.Pin(model.Value{Form: model.FormBreaker, Breaker: pinned[state]}, b.put)
}

// Unpin gives the breaker back to what is pushed.
func (b *Breaker) Unpin() { b.slot.Unpin(b.put) }

// How much later than it might a caller is told to come back, so that one answer serves for a while.
const toldFor = 10 * time.Millisecond

// rejected is what a call is told that is not let through. Allocates at most a hundred times a second.
func (b *Breaker) rejected(retryAfter time.Duration) *Rejected {
	if told := b.told.Load(); told != nil && told.RetryAfter >= retryAfter && told.RetryAfter-retryAfter < toldFor {
		return told
	}
	if rest := retryAfter % toldFor; rest != 0 {
		retryAfter += toldFor - rest
	}
	told := &Rejected{b.slot.Knob().Name, BreakerIsOpen, retryAfter}
	b.told.Store(told)
	return told
}

func (b *Breaker) put(value model.Value, on bool) {
	if !on {
		// The kill switch: let everything through.
		value.Breaker = model.Breaker{State: model.BreakerDisabled}
	}
	b.machine.Push(value.Breaker)
}

// breakerTuning is the session's side.
type breakerTuning struct {
	actuator.Defaults
	it *Breaker
}

func (b *breakerTuning) Knob() *model.Knob    { return b.it.slot.Knob() }
func (b *breakerTuning) InForce() model.Value { return b.it.slot.Value() }
func (b *breakerTuning) Pinned() bool         { return b.it.slot.Pinned() }
func (b *breakerTuning) Enforce(on bool)      { b.it.slot.Enforce(on, b.it.put) }

func (b *breakerTuning) Apply(value model.Value, _ *wire.Why) (model.Value, error) {
	if _, err := b.it.slot.Push(value, b.it.put); err != nil {
		return model.Value{}, err
	}
	return b.InForce(), nil
}

// Breaker is told as the state that it would be pinned to.
func (b *breakerTuning) Breaker() (model.BreakerState, bool) { return pinned[b.it.State()].State, true }

func (b *breakerTuning) Tick() bool {
	b.it.machine.Tick()
	if state := b.it.machine.State(); state != b.it.logged {
		b.it.log.Info("breaker moved", "knob", b.it.slot.Knob().Name, "from", b.it.logged.String(), "to", state.String(), "would_reject", b.it.machine.WouldReject())
		b.it.logged = state
	}
	return false
}

func (r BreakerRules) withDefaults() breaker.Rules {
	rules := breaker.DefaultRules()
	if r.Failures > 0 {
		rules.Failures = r.Failures
	}
	if r.Wait > 0 {
		rules.Wait = r.Wait
	}
	if r.LongestWait > 0 {
		rules.LongestWait = r.LongestWait
	}
	if r.Ramp != 0 {
		rules.Ramp = max(r.Ramp, 0)
	}
	return rules
}
