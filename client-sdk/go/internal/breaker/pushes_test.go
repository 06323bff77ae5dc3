// States that are pushed: what they let through, what they count, and what is left of them when the breaker is local again.

package breaker

import (
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

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
