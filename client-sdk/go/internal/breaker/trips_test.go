// What trips a breaker and what never does, how long it stays open, and how traffic comes back.

package breaker

import (
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

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
