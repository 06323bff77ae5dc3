package breaker

import (
	"sync"
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

// passed is how many of so many calls were let through, which all fail.
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

// halfOpen waits for the end of the wait.
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

func TestB1_OnlyHardFailuresInARowTrip(t *testing.T) {
	for _, test := range []struct {
		then  []model.Outcome
		state State
	}{
		{[]model.Outcome{failure}, Open},
		{[]model.Outcome{success, failure}, Closed},
		{[]model.Outcome{dropped, dropped, dropped}, Closed},
		{[]model.Outcome{ignore, dropped, failure}, Open},
	} {
		r := newRig(t)
		r.calls(6, failure)
		for _, outcome := range test.then {
			r.calls(1, outcome)
		}
		if r.State() != test.state {
			t.Errorf("six failures, then %v: %v", test.then, r.State())
		}
	}
}

func TestB1_EightGoodProbesOfTenRecoverAndNoMoreThanTwoAreOutAtOnce(t *testing.T) {
	r := newRig(t)
	wait := r.trip()
	r.about(wait, 1)
	r.clock.Move(wait - time.Millisecond)
	if left := r.rejected(); left != time.Millisecond {
		t.Errorf("%v left", left)
	}
	first, second := r.probeAfter(time.Millisecond), r.admit()
	r.expect(HalfOpen, "the wait is over and a call came")
	if told := r.rejected(); told != allOut {
		t.Errorf("told %v", told)
	}
	r.Settle(first, success)
	r.Settle(second, failure)
	r.calls(1, dropped)
	r.calls(6, success)
	r.expect(HalfOpen, "seven good, two bad")
	r.calls(1, success)
	r.expect(Recovering, "eight good")
}

func TestARoundHasTenProbesAndNotOneMore(t *testing.T) {
	r := newRig(t)
	r.clock.Move(r.trip())
	for range 5 {
		first, second := r.admit(), r.admit()
		r.GiveBack(first)
		r.GiveBack(second)
		r.calls(2, ignore)
	}
	r.expect(Recovering, "ten came back, none of them bad")
	if share := r.share(100); share >= 0.2 {
		t.Errorf("%v pass", share)
	}
}

func TestProbesThatSayNothingDoNotKeepItHalfOpen(t *testing.T) {
	r := newRig(t)
	r.Settle(r.probeAfter(r.trip()), ignore)
	r.clock.Move(10*time.Second - time.Millisecond)
	r.Tick()
	r.expect(HalfOpen, "patience")
	r.clock.Move(time.Millisecond)
	r.Tick()
	r.expect(Recovering, "nothing speaks against it")
	r = newRig(t)
	r.Settle(r.probeAfter(r.trip()), ignore)
	r.clock.Move(11 * time.Second)
	if share := r.share(20); share == 0 {
		t.Error("nobody passes")
	}
	r.expect(Recovering, "the next call sees to it as well")
}

func TestWithoutTrafficItStaysHalfOpenAndTheFirstCallDecides(t *testing.T) {
	r := newRig(t)
	r.GiveBack(r.probeAfter(r.trip()))
	r.clock.Move(1000 * time.Second)
	r.Tick()
	r.expect(HalfOpen, "nobody called")
	r.calls(1, success)
	r.expect(Recovering, "one good call after the patience")
}

func TestTrafficComesBackByAndBy(t *testing.T) {
	r := newRig(t)
	r.clock.Move(r.trip())
	r.calls(8, success)
	for seconds := range 10 {
		expected := 0.1 + 0.09*float64(seconds)
		if share := r.share(1000); share < expected-0.01 || share > expected+0.01 {
			t.Errorf("%v after %d s, expected %v", share, seconds, expected)
		}
		r.clock.Move(time.Second)
	}
	if share := r.share(100); share != 1 {
		t.Errorf("%v", share)
	}
	r.expect(Closed, "a call sees to it where no session does")
}

func TestALimiterThatLeadsTheRecoveryHasAllCallsPass(t *testing.T) {
	r := newRig(t)
	r.Limited()
	r.Push(recovering(10 * time.Second))
	if share := r.share(100); share > 0.2 {
		t.Errorf("%v before the limiter has taken note", share)
	}
	generation, share, ok := r.Recovery()
	if !ok || share != 0.1 {
		t.Errorf("%v %v", share, ok)
	}
	r.Led(generation)
	if share := r.share(100); share != 1 {
		t.Errorf("%v", share)
	}
}

func TestARelapseOpensAgainAndForLonger(t *testing.T) {
	r := newRig(t)
	r.clock.Move(r.trip())
	r.calls(8, success)
	r.clock.Move(5 * time.Second)
	if passed := r.passed(20, r.fails); passed != 7 {
		t.Errorf("%d", passed)
	}
	r.about(r.rejected(), 2)
}

func TestB1_BadProbesOpenAgainAndForLongerUpToTheLongestWait(t *testing.T) {
	r := newRig(t)
	wait := r.trip()
	for _, test := range []struct {
		outcome model.Outcome
		seconds float64
	}{{failure, 2}, {dropped, 4}, {failure, 8}, {failure, 16}} {
		r.clock.Move(wait)
		r.calls(3, test.outcome)
		wait = r.rejected()
		r.about(wait, test.seconds)
	}
	for range 100 {
		r.clock.Move(wait)
		r.calls(3, failure)
		if wait = r.rejected(); wait < 24*time.Second || wait > 30*time.Second {
			t.Fatalf("%v", wait)
		}
	}
}

func TestACalleeThatAsksForTimeGetsIt(t *testing.T) {
	for asked, expected := range map[time.Duration]time.Duration{7 * time.Second: 7 * time.Second, 24 * time.Hour: 30 * time.Second} {
		r := newRig(t)
		r.Asked(asked)
		if left := r.RetryAfter(); left != min(asked, time.Hour) {
			t.Errorf("%v", left)
		}
		if wait := r.trip(); wait != expected {
			t.Errorf("%v, expected %v: within the longest wait", wait, expected)
		}
		r.clock.Move(3601 * time.Second)
		if left := r.RetryAfter(); left != 0 {
			t.Errorf("%v", left)
		}
	}
}

func TestACleanStretchHalvesTheWaitAndDoesNotForgetIt(t *testing.T) {
	r := newRig(t)
	wait := r.trip()
	for range 3 {
		r.clock.Move(wait)
		r.calls(3, failure)
		wait = r.rejected()
	}
	r.about(wait, 8)
	r.clock.Move(wait)
	r.recover()
	r.clock.Move(21 * time.Second)
	r.about(r.trip(), 4) // 16 s were due, two clean stretches of 10 s
}

func TestAStragglerOfAnEarlierGenerationNeverMovesTheState(t *testing.T) {
	r := newRig(t)
	var stragglers []Pass
	for range 20 {
		stragglers = append(stragglers, r.admit())
	}
	all := func(outcome model.Outcome) {
		for _, pass := range stragglers {
			r.Settle(pass, outcome)
		}
	}
	probe := r.probeAfter(r.trip())
	all(success)
	r.expect(HalfOpen, "successes from before prove nothing")
	all(failure)
	r.expect(HalfOpen, "nor do failures")
	r.Settle(probe, success)
	r.calls(7, success)
	r.expect(Recovering, "eight probes")
	all(failure)
	r.expect(Recovering, "stragglers")
	if r.FailuresInARow() != 0 {
		t.Errorf("%d in a row", r.FailuresInARow())
	}
	r.clock.Move(10 * time.Second)
	r.Tick()
	r.calls(6, failure)
	all(failure)
	r.expect(Closed, "their failures are not the seventh")
	all(success)
	r.calls(1, failure)
	r.expect(Open, "and their successes do not interrupt the row")
}

func TestProbesThatHangHaveFailed(t *testing.T) {
	r := newRig(t)
	hung := []Pass{r.probeAfter(r.trip()), r.admit()}
	r.clock.Move(3 * time.Second)
	r.rejected()
	r.expect(HalfOpen, "not yet")
	r.clock.Move(10 * time.Millisecond)
	late := r.admit()
	r.expect(HalfOpen, "two of ten")
	for _, pass := range hung {
		r.Settle(pass, success)
	}
	r.clock.Move(4 * time.Second)
	r.Settle(late, success)
	r.expect(Open, "late as well, and the two before it came back too late to count")
	r.about(r.rejected(), 2)
}

func TestLostProbesAreGivenUpWithoutAnyCall(t *testing.T) {
	r := newRig(t)
	r.probeAfter(r.trip())
	r.admit()
	for range 201 {
		r.clock.Move(50 * time.Millisecond)
		r.Tick()
	}
	r.expect(Open, "two failed and nobody else called: decided after ten seconds")
}

func TestAPassThatIsGivenBackUnusedFreesItsProbe(t *testing.T) {
	r := newRig(t)
	unused := []Pass{r.probeAfter(r.trip()), r.admit()}
	r.rejected()
	for _, pass := range unused {
		r.GiveBack(pass)
	}
	r.recover()
}

func TestAPushedStateOverridesTheLocalRulesUntilItIsLocalAgain(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		push   model.Breaker
		passed int
		state  State
	}{
		{pushedClosed, 20, PushedClosed},
		{disabled, 20, Disabled},
		{shadow(true), 20, Shadow},
		{open, 0, PushedOpen},
		{forcedOpen, 0, ForcedOpen},
		{halfOpen(1, 8, 5), 5, PushedHalfOpen},
		{halfOpen(2, 0, 5), 0, PushedHalfOpen},
		{halfOpen(3, 1<<31, 1<<31), 20, PushedHalfOpen},
		{pushedClosed, 20, PushedClosed},
		{local, 7, Open},
	} {
		r.Push(test.push)
		if passed := r.passed(20, r.fails); passed != test.passed {
			t.Errorf("%+v: %d", test.push, passed)
		}
		r.expect(test.state, "pushed")
	}
	r.Push(local)
	r.expect(Open, "a local breaker that is told to be local goes on")
	r.Push(open)
	if told := r.rejected(); told != time.Second {
		t.Errorf("%v", told)
	}
	r.Push(recovering(time.Second))
	r.expect(Recovering, "pushed")
	r.Push(local)
	r.expect(Recovering, "it is local from there on")
}

func TestWhatRejectedOnAnothersWordIsHandedBackToProbesIfThereAreRulesToJudgeThem(t *testing.T) {
	for _, pushed := range []model.Breaker{open, halfOpen(1, 2, 10)} {
		r := newRig(t)
		r.Push(pushed)
		r.Push(local)
		r.expect(HalfOpen, "armed")
		unarmed := New(r.clock, 3)
		unarmed.Push(pushed)
		unarmed.Push(local)
		if unarmed.State() != Closed {
			t.Errorf("%v", unarmed.State())
		}
	}
	r := newRig(t)
	r.Push(forcedOpen)
	r.Push(local)
	r.expect(Closed, "an operator's word says nothing about the callee")
}

func TestPushedProbesAreBoundedCountedAndGivenUpWhenTheyHang(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		round, most uint32
		out         int
	}{{1, 1, 1}, {2, 3, 3}, {3, 1000, mostProbes}} {
		r.Push(halfOpen(test.round, test.most, 20))
		take := func() (out []Pass) {
			r.passed(20, func(pass Pass) { out = append(out, pass) })
			return out
		}
		probes := take()
		r.clock.Move(4 * time.Second)
		again := take()
		if len(probes) != test.out || len(again) != test.out {
			t.Fatalf("%d and %d out, expected %d", len(probes), len(again), test.out)
		}
		for _, pass := range probes {
			r.Settle(pass, success)
		}
		r.rejected() // the place belongs to another one now
		r.Settle(again[0], success)
		probed, ok := r.Probed()
		expected := model.Probed{Round: test.round, LetOut: uint32(2 * test.out), Succeeded: 1, Failed: uint32(test.out)}
		if !ok || probed != expected {
			t.Errorf("%+v %v, expected %+v", probed, ok, expected)
		}
		r.expect(PushedHalfOpen, "the sidecar judges")
	}
	r.Push(pushedClosed)
	if _, ok := r.Probed(); ok {
		t.Error("no round")
	}
}

func TestInShadowTheRuleIsToldAndNotObeyed(t *testing.T) {
	r := newRig(t)
	r.Push(shadow(false))
	r.calls(20, failure)
	if r.WouldHaveOpened() != 2 || r.State() != Shadow || r.WouldReject() {
		t.Errorf("%d %v %v", r.WouldHaveOpened(), r.State(), r.WouldReject())
	}
	r.Push(shadow(true))
	if r.admit(); !r.WouldReject() {
		t.Error("it would")
	}
}

func TestAnUnarmedBreakerNeverTripsByItself(t *testing.T) {
	m := New(clock.ByHand(), 3)
	for range 100 {
		pass, _, _ := m.Admit()
		m.Settle(pass, failure)
	}
	if m.State() != Closed || m.FailuresInARow() != 100 {
		t.Errorf("%v %d", m.State(), m.FailuresInARow())
	}
}

func TestManyGoroutinesNeverGetMoreThanTwoProbes(t *testing.T) {
	r := newRig(t)
	for range 200 {
		r.Push(pushedClosed)
		r.Push(local)
		r.trip()
		r.clock.Move(time.Minute)
		var callers sync.WaitGroup
		var mu sync.Mutex
		var out []Pass
		for range 8 {
			callers.Add(1)
			go func() {
				defer callers.Done()
				if pass, _, ok := r.Admit(); ok {
					mu.Lock()
					out = append(out, pass)
					mu.Unlock()
				}
			}()
		}
		callers.Wait()
		if len(out) != 2 {
			t.Fatalf("%d probes", len(out))
		}
		for _, pass := range out {
			r.Settle(pass, success)
		}
		r.calls(6, success)
		r.expect(Recovering, "all probes succeeded")
	}
}
