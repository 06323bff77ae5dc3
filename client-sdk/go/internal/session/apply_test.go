package session

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

func TestL2_AFrameIsPutInForceAndAnsweredWithWhatWasReadBack(t *testing.T) {
	a, cut := limitFake("a"), limitFake("b")
	cut.most = 20
	b := newBench(t, a, cut)
	ack := b.frame(limits(1, to{"a", 10}, to{"b", 30}), 0)
	b.expect(ack, wire.Applied, 10.0, wire.Clamped, 20.0)
	if ack.Channel != wire.Limits || ack.Nonce != 1 || ack.Results[1].Detail != "cut by the service" {
		t.Errorf("%+v", ack)
	}
}

func TestL2_TheOwnersBoundsAndQuantumHoldWhateverIsPushed(t *testing.T) {
	b := newBench(t, limitFake("a"))
	b.expect(b.frame(limits(1, to{"a", 9999}), 0), wire.Clamped, 400.0)
	b.expect(b.frame(limits(2, to{"a", 0}), 0), wire.Clamped, 4.0)
	b.expect(b.frame(limits(3, to{"a", 7.4}), 0), wire.Clamped, 7.0)
}

func TestAnUnchangedValueIsNotAppliedAgain(t *testing.T) {
	a := limitFake("a")
	b := newBench(t, a)
	for seq := uint64(1); seq < 5; seq++ {
		b.expect(b.frame(limits(seq, to{"a", 10}), at(float64(seq))), wire.Applied, 10.0)
		b.ticks(float64(seq))
	}
	if len(a.calls) != 1 {
		t.Errorf("%v", a.calls)
	}
	// Something in the service has moved it: a new frame puts it right, a mere tick leaves it alone.
	a.value = model.Concurrency(5)
	b.ticks(5)
	if a.value.Number != 5 {
		t.Errorf("%v", a.value)
	}
	b.expect(b.frame(limits(5, to{"a", 10}), at(5)), wire.Applied, 10.0)
}

func TestAKnobThatAFrameNamesNoMoreGoesBackToItsBaseline(t *testing.T) {
	a, other := limitFake("a"), limitFake("b")
	b := newBench(t, a, other)
	b.frame(limits(1, to{"a", 10}, to{"b", 11}), 0)
	elsewhere := limits(1)
	elsewhere.Channel = wire.Custom
	b.frame(elsewhere, 0)
	if a.value.Number != 10 {
		t.Errorf("another channel's frame says nothing about it: %v", a.value)
	}
	unreadable := limits(2, to{"b", 11})
	unreadable.Unsupported = []wire.Unsupported{{Knob: "a", Why: "newer"}}
	b.expect(b.frame(unreadable, at(1)), wire.Applied, 11.0, wire.UnsupportedStatus, 10.0)
	b.expect(b.frame(limits(3, to{"b", 11}), at(1)), wire.Applied, 11.0)
	if a.value.Number != 64 {
		t.Errorf("%v", a.value)
	}
}

func TestOnlyANewerFrameOfThisStreamCounts(t *testing.T) {
	b := newBench(t, limitFake("a"))
	b.frame(limits(5, to{"a", 10}), 0)
	b.expect(b.frame(limits(4, to{"a", 99}), at(1)), wire.Rejected, 10.0)
	b.expect(b.frame(limits(5, to{"a", 99}), at(1)), wire.Rejected, 10.0)
	foreign := limits(9, to{"a", 99})
	foreign.Version.Epoch++
	b.expect(b.frame(foreign, at(1)), wire.Rejected, 10.0)
	b.startStream(epoch + 1)
	foreign.Version.Seq = 1
	b.expect(b.frame(foreign, at(1)), wire.Applied, 99.0)
}

func TestWhatAKnobCannotTakeIsUnsupportedAndTheRestIsApplied(t *testing.T) {
	cold := limitKnob("cold")
	cold.Cold = true
	b := newBench(t, limitFake("a"), newFake(cold))
	frame := limits(1, to{"a", 10}, to{"nobody", 1}, to{"cold", 2})
	frame.Unsupported = []wire.Unsupported{{Knob: "gc", Why: "not in this build"}}
	b.expect(b.frame(frame, 0), wire.Applied, 10.0, wire.UnsupportedStatus, 0.0, wire.UnsupportedStatus, 64.0, wire.UnsupportedStatus, 0.0)
	frame = limits(2)
	frame.Set = []wire.Setpoint{setpointOf("a", model.Switch(true))}
	b.expect(b.frame(frame, at(1)), wire.UnsupportedStatus, 10.0)
	b.expect(b.frame(limits(3, to{"a", math.NaN()}), at(1)), wire.Rejected, 10.0)
}

func TestAShadowFrameMovesNothing(t *testing.T) {
	a := limitFake("a")
	b := newBench(t, a)
	b.frame(limits(1, to{"a", 10}), 0)
	shadow := limits(2, to{"a", 30}, to{"nobody", 1})
	shadow.Shadow = true
	b.expect(b.frame(shadow, at(1)), wire.Shadowed, 10.0, wire.UnsupportedStatus, 0.0)
	b.ticks(2)
	if len(a.calls) != 1 {
		t.Errorf("%v", a.calls)
	}
}

func TestAValueThatHasToWaitIsAppliedWhenItsDwellIsOverAndAnsweredAgain(t *testing.T) {
	knob := limitKnob("a")
	knob.MinDwell = 3 * time.Second
	a := newFake(knob)
	b := newBench(t, a)
	b.frame(limits(1, to{"a", 10}), 0)
	b.expect(b.frame(limits(2, to{"a", 20}), at(1)), wire.Deferred, 10.0)
	if acks := b.ticks(2); acks != nil {
		t.Errorf("%v", acks)
	}
	acks := b.ticks(3)
	if len(acks) != 1 || acks[0].Nonce != 2 {
		t.Fatalf("%v", acks)
	}
	b.expect(acks[0], wire.Applied, 20.0)
	b.expect(b.frame(limits(3, to{"a", 30}), at(4)), wire.Deferred, 20.0)
	b.expect(b.frame(limits(4, to{"a", 5}), at(5)), wire.Applied, 5.0)
	if acks := b.ticks(9); acks != nil || !reflect.DeepEqual(a.calls, []float64{10, 20, 5}) {
		t.Errorf("what waited is no longer current: %v %v", acks, a.calls)
	}
}

func TestAMoveThatIsCutGoesOnStepByStep(t *testing.T) {
	knob := limitKnob("a")
	knob.MaxChangeRatio = 0.5
	a := newFake(knob)
	b := newBench(t, a)
	b.expect(b.frame(limits(1, to{"a", 150}), 0), wire.Clamped, 96.0)
	b.ticks(0)
	if a.value.Number != 96 {
		t.Errorf("not at every tick: %v", a.value)
	}
	b.ticks(1)
	if a.value.Number != 144 {
		t.Errorf("%v", a.value)
	}
	b.expect(b.ticks(2)[0], wire.Applied, 150.0)
}

func TestPace(t *testing.T) {
	knob := limitKnob("a")
	knob.MaxChangeRatio, knob.MinDwell = 0.5, 2*time.Second
	for _, test := range []struct {
		from, to float64
		since    float64
		pace     pace
		part     float64
		why      string
	}{
		{64, 4, 1, wholeWay, 0, "sheds load"},
		{64, 64, 1, wholeWay, 0, "no move"},
		{64, 80, 1, waitFirst, 0, "the dwell is not over"},
		{64, 80, 9, wholeWay, 0, "within the ratio"},
		{64, 400, 9, partOfTheWay, 96, "half of 64 more"},
		{4, 400, 9, partOfTheWay, 6, "half of 4 more"},
	} {
		pace, part := paceOf(&knob, model.Concurrency(test.from), model.Concurrency(test.to), at(test.since), false)
		if pace != test.pace || part != test.part {
			t.Errorf("%s: %v %v", test.why, pace, part)
		}
	}
	breaker := model.Knob{Name: "breaker", Kind: model.KindBreaker, Max: 4, MinDwell: 2 * time.Second}
	open := model.Value{Form: model.FormBreaker, Breaker: model.Breaker{State: model.BreakerOpen}}
	closed := model.Value{Form: model.FormBreaker, Breaker: model.Breaker{State: model.BreakerClosed}}
	if pace, _ := paceOf(&breaker, closed, open, 0, false); pace != wholeWay {
		t.Error("a breaker that opens never waits")
	}
	if pace, _ := paceOf(&breaker, open, closed, 0, false); pace != waitFirst {
		t.Error("one that closes does")
	}
}

func TestL2_ARefusedValueIsNotTriedAgainUntilItChangesAndThePreviousOneLivesOn(t *testing.T) {
	a := limitFake("a")
	b := newBench(t, a)
	b.frame(limits(1, to{"a", 10}), 0)
	a.refuse = 20
	for seq := uint64(2); seq < 200; seq++ {
		ack := b.frame(limits(seq, to{"a", 20}), at(float64(seq)))
		b.expect(ack, wire.Rejected, 10.0)
		if ack.Results[0].Detail != "no room" {
			t.Errorf("%+v", ack)
		}
		b.ticks(float64(seq))
	}
	if !reflect.DeepEqual(a.calls, []float64{10, 20}) {
		t.Errorf("tried once, and the sidecar is there, so nothing decays: %v", a.calls)
	}
	b.expect(b.frame(limits(200, to{"a", 21}), at(200)), wire.Applied, 21.0)
}

func TestL2_AnApplyThatPanicsRefusesItsValueAndHarmsNobody(t *testing.T) {
	a := limitFake("a")
	a.panicAt = 13
	b := newBench(t, a, limitFake("b"))
	ack := b.frame(limits(1, to{"a", 13}, to{"b", 13}), 0)
	b.expect(ack, wire.Rejected, 64.0, wire.Applied, 13.0)
}

func TestAPinnedKnobIsTheOwners(t *testing.T) {
	a := limitFake("a")
	b := newBench(t, a)
	b.frame(limits(1, to{"a", 10}), 0)
	a.pinned, a.value = true, model.Concurrency(300)
	b.expect(b.ticks(1)[0], wire.LocalOverride, 300.0)
	b.expect(b.frame(limits(2, to{"a", 12}), at(2)), wire.LocalOverride, 300.0)
	a.pinned, a.value = false, model.Concurrency(12)
	b.expect(b.ticks(3)[0], wire.Applied, 12.0)
}

func TestAnAtomicFrameIsAllOrNothing(t *testing.T) {
	a, second, c := limitFake("a"), limitFake("b"), limitFake("c")
	b := newBench(t, a, second, c)
	b.expect(b.frame(atomicFrame(1, to{"a", 10}, to{"b", 10}, to{"c", 10}), 0), wire.Applied, 10.0, wire.Applied, 10.0, wire.Applied, 10.0)
	second.refuse = 20
	ack := b.frame(atomicFrame(2, to{"a", 20}, to{"b", 20}), at(1))
	b.expect(ack, wire.Rejected, 10.0, wire.Rejected, 10.0)
	if ack.Results[1].Detail != "no room" || a.value.Number != 10 || c.value.Number != 10 {
		t.Errorf("the one that was applied is back, and so is the absent one: %v %v", a.value, c.value)
	}
	calls := len(second.calls)
	b.frame(atomicFrame(3, to{"a", 20}, to{"b", 20}), at(2))
	if len(second.calls) != calls || a.value.Number != 10 {
		t.Errorf("the refusal is remembered: nothing is even tried")
	}
	b.expect(b.frame(atomicFrame(4, to{"a", 30}, to{"nobody", 30}), at(3)), wire.Rejected, 10.0, wire.UnsupportedStatus, 0.0)
	unreadable := atomicFrame(5, to{"a", 30})
	unreadable.Unsupported = []wire.Unsupported{{Knob: "gc", Why: "newer"}}
	b.expect(b.frame(unreadable, at(3)), wire.Rejected, 10.0, wire.UnsupportedStatus, 0.0)
}

func TestAnAtomicFrameWaitsForAllOfItsKnobs(t *testing.T) {
	knob := limitKnob("slow")
	knob.MinDwell = 3 * time.Second
	b := newBench(t, limitFake("a"), newFake(knob))
	b.frame(limits(1, to{"a", 10}, to{"slow", 10}), 0)
	b.expect(b.frame(atomicFrame(2, to{"a", 20}, to{"slow", 20}), at(1)), wire.Deferred, 10.0, wire.Deferred, 10.0)
	if acks := b.ticks(2); acks != nil {
		t.Errorf("%v", acks)
	}
	b.expect(b.ticks(3)[0], wire.Applied, 20.0, wire.Applied, 20.0)
}

func TestAHelloSaysWhatIsInForce(t *testing.T) {
	a, other := limitFake("a"), limitFake("b")
	b := newBench(t, a, other)
	b.frame(limits(3, to{"a", 10}), 0)
	state := b.inForce(at(2))
	if state[0].Effective != 10 || state[0].Version.Seq != 3 || state[0].LeaseLeft != at(3) || state[1].Effective != 64 || state[1].HasVersion {
		t.Errorf("%+v", state)
	}
	if last := b.lastApplied(); last == nil || last.Seq != 3 {
		t.Errorf("%v", last)
	}
	b.setDisabled(true)
	b.expect(b.acks()[0], wire.LocalOverride, 10.0)
	b.releaseAll(at(3))
	if a.value.Number != 64 || len(other.calls) != 0 {
		t.Errorf("the end of a session leaves nothing behind: %v %v", a.value, other.calls)
	}
}

func TestKnobsComeAndGoWithinTheBound(t *testing.T) {
	var all []actuator.Actuator
	for i := range 300 {
		all = append(all, limitFake(fmt.Sprintf("k%03d", i)))
	}
	b := newBench(t)
	for _, step := range []struct {
		present     []actuator.Actuator
		add, remove int
	}{{all[250:], 50, 0}, {all, 206, 0}, {all[:250], 44, 50}} {
		add, remove := b.sync(step.present)
		if len(add) != step.add || len(remove) != step.remove {
			t.Errorf("%d came and %d went, expected %d and %d", len(add), len(remove), step.add, step.remove)
		}
	}
}

func TestC8_WhatGoesWithALimitIsToldOnceAndEndsWithTheLease(t *testing.T) {
	a := limitFake("a")
	b := newBench(t, a)
	told := model.Admission{BaselineLatency: 20 * time.Millisecond}
	frame := func(seq uint64, limit float64, admission model.Admission) *wire.Frame {
		frame := limits(seq, to{"a", limit})
		frame.Set[0].Admission = admission
		return frame
	}
	b.frame(frame(1, 10, told), at(0))
	b.frame(frame(2, 10, told), at(1))
	b.ticks(2)
	b.frame(frame(3, 12, told), at(3))
	b.frame(frame(4, 12, model.Admission{}), at(4))
	b.ticks(20)
	b.ticks(45)
	b.ticks(46)
	b.frame(frame(5, 12, told), at(47))
	b.frame(limits(6), at(48))
	var got []string
	for _, it := range a.admitted {
		if it == nil {
			got = append(got, "-")
		} else {
			got = append(got, it.BaselineLatency.String())
		}
	}
	if expected := []string{"20ms", "20ms", "0s", "-", "20ms", "-"}; !reflect.DeepEqual(got, expected) {
		t.Errorf("%v, expected %v", got, expected)
	}
	refusing := limitFake("b")
	refusing.refuse = 20
	again := limitFake("a")
	b = newBench(t, again, refusing)
	taken := atomicFrame(1, to{"a", 10}, to{"b", 20})
	taken.Set[0].Admission = told
	b.frame(taken, 0)
	if len(again.admitted) != 2 || again.admitted[1] != nil {
		t.Errorf("taken back with its frame: %v", again.admitted)
	}
}

func TestB2_TheLatenciesThatPoliciesWatchAreCounted(t *testing.T) {
	db, other := limitFake("limit.db"), limitFake("limit.other")
	b := newBench(t, db, other)
	frame := limits(1)
	frame.Channel, frame.Watched = wire.Safety, []model.Watch{{Resource: "db", After: time.Second}, {Resource: "db", After: 2 * time.Second}}
	b.frame(frame, at(1))
	expect := func(when string, expected ...time.Duration) {
		t.Helper()
		if !slices.Equal(db.slower, expected) || len(other.slower) != 0 {
			t.Errorf("%s: %v %v", when, db.slower, other.slower)
		}
	}
	expect("told", time.Second, 2*time.Second)
	b.frame(limits(1), at(2))
	expect("a frame of another channel", time.Second, 2*time.Second)
	b.startStream(epoch)
	expect("a new stream of the same sidecar", time.Second, 2*time.Second)
	late := limitFake("rate.db")
	b.sync([]actuator.Actuator{db, other, late})
	if len(late.slower) != 2 {
		t.Errorf("registered later: %v", late.slower)
	}
	frame = limits(2)
	frame.Channel = wire.Safety
	b.frame(frame, at(3))
	expect("watched no more")
	frame = limits(3)
	frame.Channel, frame.Watched = wire.Safety, []model.Watch{{Resource: "db", After: time.Second}}
	b.frame(frame, at(4))
	b.startStream(epoch + 1)
	expect("another sidecar")
}
