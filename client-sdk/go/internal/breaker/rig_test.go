// A breaker's machine on a clock that is moved by hand, and what tests ask of it.

package breaker

import (
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	success = model.OutcomeSuccess
	ignore  = model.OutcomeIgnore
	dropped = model.OutcomeDropped
	failure = model.OutcomeFailure
)

var (
	local        = model.Breaker{}
	pushedClosed = model.Breaker{State: model.BreakerClosed}
	disabled     = model.Breaker{State: model.BreakerDisabled}
	open         = model.Breaker{State: model.BreakerOpen, RetryAfter: time.Second}
	forcedOpen   = model.Breaker{State: model.BreakerForcedOpen, RetryAfter: time.Second}
)

func halfOpen(round, most, total uint32) model.Breaker {
	return model.Breaker{State: model.BreakerHalfOpen, Round: round, ProbeMax: most, ProbeTotal: total, ProbeDeadline: 3 * time.Second}
}

func recovering(ramp time.Duration) model.Breaker {
	return model.Breaker{State: model.BreakerRecovering, Ramp: ramp}
}

func shadow(wouldReject bool) model.Breaker {
	return model.Breaker{State: model.BreakerShadow, WouldReject: wouldReject}
}

// rig is a machine with its clock.
type rig struct {
	testing.TB
	*Machine
	clock *clock.Clock
}

func newRig(t testing.TB) *rig {
	hand := clock.ByHand()
	hand.Move(5 * time.Second)
	m := New(hand, 3)
	m.Arm(DefaultRules())
	return &rig{t, m, hand}
}

func (r *rig) admit() Pass {
	r.Helper()
	pass, wait, ok := r.Admit()
	if !ok {
		r.Fatalf("rejected for %v", wait)
	}
	return pass
}

func (r *rig) rejected() time.Duration {
	r.Helper()
	_, wait, ok := r.Admit()
	if ok {
		r.Fatal("let through")
	}
	return wait
}

func (r *rig) calls(n int, outcome model.Outcome) {
	r.Helper()
	for range n {
		r.Settle(r.admit(), outcome)
	}
}

// passed is how many of so many calls were let through; settle says how they end.
func (r *rig) passed(n int, settle func(Pass)) (passed int) {
	for range n {
		if pass, _, ok := r.Admit(); ok {
			passed++
			settle(pass)
		}
	}
	return passed
}

func (r *rig) fails(pass Pass) { r.Settle(pass, failure) }

func (r *rig) share(n int) float64 { return float64(r.passed(n, func(Pass) {})) / float64(n) }

func (r *rig) expect(state State, when string) {
	r.Helper()
	if got := r.State(); got != state {
		r.Errorf("%s: %v, expected %v", when, got, state)
	}
}

// trip it; the wait.
func (r *rig) trip() time.Duration {
	r.Helper()
	r.calls(7, failure)
	return r.rejected()
}

// probeAfter lets the wait pass and asks for the first probe.
func (r *rig) probeAfter(wait time.Duration) Pass {
	r.Helper()
	r.clock.Move(wait)
	return r.admit()
}

// recover until it is closed again: probes succeed, and the ramp passes.
func (r *rig) recover() {
	r.Helper()
	r.calls(8, success)
	r.expect(Recovering, "eight good probes")
	r.clock.Move(10 * time.Second)
	r.Tick()
	r.expect(Closed, "the ramp is over")
}

func (r *rig) about(wait time.Duration, seconds float64) {
	r.Helper()
	if wait.Seconds() < 0.8*seconds || wait.Seconds() > 1.2*seconds {
		r.Errorf("a wait of %v, not of about %v s", wait, seconds)
	}
}
