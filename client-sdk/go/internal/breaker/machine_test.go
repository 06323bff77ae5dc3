package breaker

import (
	"math/rand/v2"
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

type rig struct {
	*testing.T
	*Machine
	clock *clock.Clock
}

func newRig(t *testing.T) *rig {
	hand := clock.ByHand()
	hand.Move(time.Hour)
	m := New(hand, 7)
	m.Arm(Rules{3, time.Second, 30 * time.Second})
	return &rig{t, m, hand}
}

func (r *rig) call(outcome model.Outcome) bool {
	pass, _, ok := r.Admit()
	if ok {
		r.Settle(pass, outcome)
	}
	return ok
}

func (r *rig) expect(state State, when string) {
	r.Helper()
	if got := r.State(); got != state {
		r.Errorf("%s: %v, expected %v", when, got, state)
	}
}

func (r *rig) trip() {
	for range 3 {
		r.call(failure)
	}
	r.expect(Open, "three failures in a row")
}

func TestA2_HardFailuresInARowTripAndProbesClose(t *testing.T) {
	r := newRig(t)
	r.call(failure)
	r.call(failure)
	r.call(success)
	r.call(failure)
	r.call(failure)
	r.call(dropped)
	r.call(ignore)
	r.expect(Closed, "not in a row, and drops are no hard failures")
	r.call(failure)
	r.expect(Open, "three failures with nothing good between them")
	_, retryAfter, ok := r.Admit()
	if ok || retryAfter < 800*time.Millisecond || retryAfter > 1200*time.Millisecond {
		t.Errorf("%v %v", ok, retryAfter)
	}
	r.clock.Move(1200 * time.Millisecond)
	first, _, _ := r.Admit()
	second, _, ok := r.Admit()
	r.expect(HalfOpen, "the wait is over and a call came")
	if _, retryAfter, third := r.Admit(); !ok || third || retryAfter != allOut {
		t.Error("two probes at once")
	}
	r.Settle(first, success)
	r.Settle(second, ignore)
	r.call(success)
	r.expect(HalfOpen, "two of three")
	r.call(success)
	r.expect(Closed, "three probes have succeeded")
}

func TestA2_AFailedProbeOpensForLongerAndHangingOnesToo(t *testing.T) {
	r := newRig(t)
	r.trip()
	for _, how := range []model.Outcome{failure, dropped} {
		r.clock.Move(40 * time.Second)
		r.call(how)
		r.expect(Open, how.String())
	}
	if _, retryAfter, _ := r.Admit(); retryAfter < 3200*time.Millisecond {
		t.Errorf("the wait doubles: %v", retryAfter)
	}
	r.clock.Move(40 * time.Second)
	lost, _, _ := r.Admit()
	r.clock.Move(probeDeadlineMs*time.Millisecond + 2*time.Millisecond)
	if _, _, ok := r.Admit(); ok {
		t.Error("a probe that never came back has failed")
	}
	r.expect(Open, "hung")
	r.Settle(lost, success)
	r.expect(Open, "what a straggler has to say moves nothing")
}

func TestA2_StragglersOfAnEarlierGenerationDecideNothing(t *testing.T) {
	r := newRig(t)
	straggler, _, _ := r.Admit()
	r.trip()
	r.clock.Move(2 * time.Second)
	probe, _, _ := r.Admit()
	r.Settle(straggler, failure)
	r.expect(HalfOpen, "a straggler failed")
	if r.FailuresInARow() != 4 {
		t.Errorf("but it is counted: %d", r.FailuresInARow())
	}
	r.Settle(probe, success)
	if r.FailuresInARow() != 0 {
		t.Errorf("%d", r.FailuresInARow())
	}
}

func TestAPassGivenBackFreesItsProbe(t *testing.T) {
	r := newRig(t)
	r.trip()
	r.clock.Move(2 * time.Second)
	for range 20 {
		pass, _, ok := r.Admit()
		if !ok {
			t.Fatal("the places of probes are lost")
		}
		r.GiveBack(pass)
	}
}

func TestA3_PushedStatesStandAboveTheLocalRules(t *testing.T) {
	r := newRig(t)
	r.Push(model.Breaker{State: model.BreakerOpen, RetryAfter: 3 * time.Second})
	if _, retryAfter, ok := r.Admit(); ok || retryAfter != 3*time.Second {
		t.Errorf("%v %v", ok, retryAfter)
	}
	r.clock.Move(time.Hour)
	r.expect(PushedOpen, "an hour later")
	r.Push(model.Breaker{State: model.BreakerClosed})
	for range 10 {
		r.call(failure)
	}
	r.expect(PushedClosed, "it flows whatever the local rules think")
	r.Push(model.Breaker{State: model.BreakerHalfOpen, ProbeRatio: 0.25, ProbeMax: 3})
	var out []Pass
	admitted := 0
	for range 400 {
		if pass, _, ok := r.Admit(); ok {
			admitted++
			if out = append(out, pass); len(out) > 3 {
				t.Fatal("more than three at once")
			}
		}
		if len(out) == 3 {
			for _, pass := range out {
				r.Settle(pass, failure)
			}
			out = nil
		}
	}
	if admitted != 100 {
		t.Errorf("%d of 400", admitted)
	}
	r.expect(PushedHalfOpen, "the sidecar judges")
	r.Push(model.Breaker{State: model.BreakerForcedOpen, RetryAfter: time.Second})
	r.expect(ForcedOpen, "forced")
	r.Push(model.Breaker{})
	r.expect(Closed, "local again")
	r.trip()
	r.Push(model.Breaker{})
	r.expect(Open, "a local breaker that is told to be local goes on as it was")
}

func TestTheWaitIsForgivenByCleanTime(t *testing.T) {
	r := newRig(t)
	for range 6 {
		r.trip()
		r.clock.Move(time.Minute)
		for range 3 {
			r.call(success)
		}
		r.expect(Closed, "recovered")
	}
	r.clock.Move(time.Hour)
	r.trip()
	if _, retryAfter, _ := r.Admit(); retryAfter > 1200*time.Millisecond {
		t.Errorf("%v after an hour without trouble", retryAfter)
	}
}

func TestEverythingThatIsPackedComesBack(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 20))
	for range 10_000 {
		w := word{State(dice.IntN(7)), dice.Uint64N(generations), 1 + dice.Uint64N(latestMs)}
		p := probe{w.generation, w.untilMs, dice.IntN(mostProbes)}
		c := tally{w.generation, dice.Uint64N(1 << 40)}
		if unpackWord(w.pack()) != w || unpackProbe(p.pack()) != p || unpackTally(c.pack()) != c {
			t.Fatalf("%+v %+v %+v", w, p, c)
		}
		if w.pack()&generationMask != p.pack()&generationMask || passesAll(w.pack()) != (w.state == Closed || w.state == PushedClosed) {
			t.Fatalf("%+v", w)
		}
	}
	p := probe{generation: generations - 1, deadlineMs: 1}
	if !p.isBefore(0) || p.isBefore(generations-1) || (probe{}).isBefore(generations-1) {
		t.Error("generations are ordered across the wrap")
	}
}

func TestManyGoroutinesNeverGetMoreThanTwoProbes(t *testing.T) {
	r := newRig(t)
	for range 200 {
		r.Push(model.Breaker{State: model.BreakerClosed})
		r.Push(model.Breaker{})
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
		r.call(success)
		r.expect(Closed, "all probes succeeded")
	}
}
