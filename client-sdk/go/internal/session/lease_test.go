package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

func TestL2_ALeaseIsHeldThenDecaysToTheBaselineAndComesBackWhenRenewed(t *testing.T) {
	a := limitFake("a")
	b := newBench(t, a)
	b.frame(limits(1, to{"a", 10}), 0)
	for _, step := range []to{{"4", 10}, {"5", 10}, {"34", 10}, {"65", 37}, {"94", 63}, {"95", 64}, {"200", 64}} {
		var second float64
		fmt.Sscan(step.knob, &second)
		b.ticks(second)
		if a.value.Number != step.limit {
			t.Errorf("%s s: %v, expected %v", step.knob, a.value.Number, step.limit)
		}
	}
	held := wire.Renewal{Channel: wire.Limits, Version: wire.Version{Epoch: epoch, Seq: 1}}
	if !b.lapsed([]wire.Renewal{held}) {
		t.Error("it was let go")
	}
	b.renew([]wire.Renewal{held}, at(201))
	b.ticks(201)
	if a.value.Number != 10 {
		t.Errorf("%v", a.value)
	}
	b.renew([]wire.Renewal{{Channel: wire.Limits, Version: wire.Version{Epoch: epoch, Seq: 2}}, {Channel: wire.Safety, Version: held.Version}}, at(204))
	if stage, _ := b.knobs["a"].push.lease.stage(at(206)); stage != model.Held {
		t.Errorf("that renewed something else: %v", stage)
	}
}

func TestADecayDoesNotCallTheServiceAtEveryTick(t *testing.T) {
	knob := limitKnob("a")
	knob.Step = 0
	a := newFake(knob)
	b := newBench(t, a)
	b.frame(limits(1, to{"a", 10}), 0)
	for tick := range 2000 {
		b.ticks(float64(tick) * 0.05)
	}
	if a.value.Number != 64 || len(a.calls) < 50 || len(a.calls) > 101 {
		t.Errorf("%v after %d calls", a.value, len(a.calls))
	}
}

func TestLeasesEndAsTheySay(t *testing.T) {
	breaker := newFake(model.Knob{Name: "breaker", Kind: model.KindBreaker, Max: 4})
	toggle := newFake(model.Knob{Name: "switch", Kind: model.KindSwitch, Max: 1})
	share := newFake(model.Knob{Name: "share", Kind: model.KindRateLimit, Min: 1, Max: 100, Baseline: 50})
	kept := newFake(model.Knob{Name: "kept", Kind: model.KindNumeric, Max: 100})
	b := newBench(t, breaker, toggle, share, kept)
	with := func(knob string, value model.Value, onExpiry model.OnExpiry, safe float64) wire.Setpoint {
		it := setpointOf(knob, value)
		it.Lease.OnExpiry, it.Lease.SafeValue = onExpiry, safe
		return it
	}
	frame := limits(1)
	open := model.Breaker{State: model.BreakerOpen, RetryAfter: time.Second}
	frame.Set = []wire.Setpoint{
		with("breaker", model.Value{Form: model.FormBreaker, Breaker: open}, model.ToBaseline, 0),
		with("switch", model.Switch(true), model.HoldThenDecay, 0),
		with("share", model.Value{Form: model.FormRate, Number: 90}, model.ToSafe, 200),
		with("kept", model.Number(7), model.Keep, 0),
	}
	b.frame(frame, 0)
	for _, step := range []struct {
		second float64
		values [4]float64
		why    string
	}{
		{4, [4]float64{3, 1, 90, 7}, "leased"},
		{5, [4]float64{0, 1, 100, 7}, "open ends with the ttl; the safe value is within the bounds"},
		{34, [4]float64{0, 1, 100, 7}, "held"},
		{35, [4]float64{0, 0, 100, 7}, "a switch cannot decay: it goes back when the hold ends"},
		{9999, [4]float64{0, 0, 100, 7}, "long after"},
	} {
		b.ticks(step.second)
		if got := [4]float64{breaker.value.Scalar(), toggle.value.Scalar(), share.value.Scalar(), kept.value.Scalar()}; got != step.values {
			t.Errorf("%s: %v, expected %v", step.why, got, step.values)
		}
	}
}

func TestWaitsGrowToThreeSecondsWithinTheirJitter(t *testing.T) {
	b, nominal := backoff{seed: 7}, 0.1
	for range 100 {
		if wait := b.afterFailure().Seconds(); wait < nominal*0.8 || wait > nominal*1.2 {
			t.Errorf("%v for %v", wait, nominal)
		}
		nominal = min(nominal*1.6, 3)
	}
	b.reset()
	if wait := b.afterFailure(); wait > 120*time.Millisecond {
		t.Errorf("%v", wait)
	}
	if wait := b.afterDrain(24 * time.Hour); wait > 72*time.Second {
		t.Errorf("a drain is waited for but not for a day: %v", wait)
	}
	other := backoff{seed: 1 << 40}
	if b.afterDenial() == other.afterDenial() {
		t.Error("two processes knock in step")
	}
}

func TestGraceIsNotGivenTwiceWithoutASignOfLife(t *testing.T) {
	var s stallWatch
	s.fired(at(1), at(1)+stallAbove, at(1))
	if s.total != 0 || s.judgeAt(at(2)) != at(2) {
		t.Error("late, but no stall")
	}
	s.fired(at(20), at(80), at(1))
	if s.total != at(60) || s.judgeAt(at(80)) != at(20) || s.judgeAt(at(81)) != at(81) || s.takeWorst() != at(60) || s.takeWorst() != 0 {
		t.Errorf("%+v", s)
	}
	s.fired(at(82), at(83), at(1))
	if s.judgeAt(at(83)) != at(83) {
		t.Error("a second grace")
	}
	s.heard()
	s.fired(at(90), at(91), at(1))
	if s.judgeAt(at(91)) != at(90) {
		t.Error("no grace after a sign of life")
	}
}

func TestTheLeastFreshKnobTells(t *testing.T) {
	for _, test := range []struct {
		stages []model.Stage
		silent float64 // below 0: no stream
		health Health
	}{
		{nil, 0, Synced}, {nil, 3, Quiet}, {nil, 6, Baseline}, {nil, -1, Baseline},
		{[]model.Stage{model.Valid}, 0, Synced}, {[]model.Stage{model.Valid}, 3, Quiet}, {[]model.Stage{model.Valid}, -1, Quiet},
		{[]model.Stage{model.Valid, model.Held}, 0, Held}, {[]model.Stage{model.Decaying, model.Held}, -1, Decaying},
		{[]model.Stage{model.Over, model.Valid}, 0, Synced}, {[]model.Stage{model.Over}, 0, Baseline}, {[]model.Stage{model.Over}, 3, Baseline},
	} {
		var stream *liveness
		if test.silent >= 0 {
			stream = &liveness{beatEvery: time.Second, lostAfter: 5 * time.Second}
		}
		if got := standing(false, test.stages, stream, at(max(test.silent, 0))); got != test.health {
			t.Errorf("%v, silent for %v s: %v, expected %v", test.stages, test.silent, got, test.health)
		}
		if got := standing(true, test.stages, stream, 0); got != Disabled {
			t.Errorf("%v", got)
		}
	}
}
