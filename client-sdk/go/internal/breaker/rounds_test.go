// Half open: how many probes are let out, and what it means when they say nothing, hang, are lost or are given back.

package breaker

import (
	"sync"
	"testing"
	"time"
)

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
