package setpoint

import (
	"math"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

func pushed(state model.Breaker) model.Value {
	return model.Value{Form: model.FormBreaker, Breaker: state}
}

// tuningOf a breaker, as the session has it.
func tuningOf(sdk *Setpoint, breaker *Breaker) *breakerTuning {
	for _, it := range sdk.registry.Actuators() {
		if tuning, ok := it.(*breakerTuning); ok && tuning.it == breaker {
			return tuning
		}
	}
	return nil
}

func TestL3_APushedStateIsInForceForTheNextCallAndReadBack(t *testing.T) {
	sdk := byHand()
	breaker := sdk.Breaker("db", BreakerRules{})
	tuning := tuningOf(sdk, breaker)
	open := pushed(model.Breaker{State: model.BreakerOpen, RetryAfter: 3 * time.Second})
	apply(t, tuning, open)
	_, err := breaker.TryAcquire()
	if reason(t, err, "breaker.db") != BreakerIsOpen || err.(*Rejected).RetryAfter != 3*time.Second {
		t.Error(err)
	}
	if _, err := tuning.Apply(model.Number(1), nil); err == nil {
		t.Error("a number is no state")
	}
	breaker.Pin(BreakerClosed)
	if _, err := breaker.TryAcquire(); err != nil {
		t.Error(err)
	}
	if readBack, _ := tuning.Apply(open, nil); readBack.Breaker.State != model.BreakerClosed || !tuning.Pinned() {
		t.Errorf("pinned: %+v", readBack)
	}
	breaker.Unpin()
	if breaker.State() != BreakerOpen {
		t.Errorf("%v", breaker.State())
	}
	tuning.Enforce(false)
	if _, err := breaker.TryAcquire(); err != nil || tuning.InForce().Breaker.State != model.BreakerLocal || breaker.State() != BreakerDisabled {
		t.Errorf("the kill switch: %v %+v", err, tuning.InForce())
	}
	tuning.Enforce(true)
	if breaker.State() != BreakerOpen {
		t.Errorf("%v", breaker.State())
	}
	apply(t, tuning, pushed(model.Breaker{}))
	if breaker.State() != BreakerHalfOpen {
		t.Errorf("its own rules find out: %v", breaker.State())
	}
}

func TestEveryStateCanBePinnedAndIsTold(t *testing.T) {
	breaker := byHand().Breaker("db", BreakerRules{})
	for state := BreakerClosed; state <= BreakerShadow; state++ {
		breaker.Pin(state)
		if breaker.State() != state || state.String() == "unknown" {
			t.Errorf("%v, expected %v", breaker.State(), state)
		}
	}
	breaker.Pin(99)
	if breaker.State() != BreakerShadow {
		t.Errorf("no such state: %v", breaker.State())
	}
	for range 20 {
		permit, _ := breaker.TryAcquire()
		permit.Finish(Failure)
	}
	if breaker.WouldHaveOpened() != 2 {
		t.Errorf("%d", breaker.WouldHaveOpened())
	}
}

func TestALimiterAsksTheBreakerOfItsNameWhicheverCameFirst(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db", Baseline(10))
	fail := func() (admitted int) {
		for range 7 {
			if permit, err := limiter.TryAcquire(Normal); err == nil {
				admitted++
				permit.Finish(Failure)
			}
		}
		return admitted
	}
	if fail() != 7 || fail() != 7 {
		t.Error("its breaker does not act by itself")
	}
	breaker := sdk.Breaker("db", BreakerRules{Failures: 3})
	if got := fail(); got != 3 || breaker.State() != BreakerOpen || limiter.Breaker() != breaker {
		t.Errorf("%d %v: what failed before there was a rule breaks none", got, breaker.State())
	}
	if _, err := limiter.TryAcquire(Normal); reason(t, err, "breaker.db") != BreakerIsOpen || limiter.InFlight() != 0 {
		t.Error(err)
	}
}

func TestACallThatTheLimitRejectsLeavesTheProbeToAnother(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db", Bounds(1, 1))
	breaker := sdk.Breaker("db", BreakerRules{Failures: 1})
	permit := mustAcquire(t, limiter, Normal)
	permit.Finish(Failure)
	sdk.clock.Move(2 * time.Second)
	probe := mustAcquire(t, limiter, Normal)
	for range 5 {
		if _, err := limiter.TryAcquire(Normal); reason(t, err, "limit.db") != ConcurrencyLimit {
			t.Error(err)
		}
	}
	probe.Finish(Success)
	for range 7 {
		permit := mustAcquire(t, limiter, Normal)
		permit.Finish(Success)
	}
	if breaker.State() != BreakerRecovering {
		t.Errorf("%v", breaker.State())
	}
}

func TestALimiterHoldsItsLimitAtTheShareOfARecovery(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db", Bounds(1, 1000), Baseline(100))
	tuning := tuningOf(sdk, limiter.Breaker())
	apply(t, tuning, pushed(model.Breaker{State: model.BreakerRecovering, Ramp: 10 * time.Second}))
	for _, expected := range []float64{10, 55, 100} {
		limiter.tuning.Tick()
		totals, _ := limiter.tuning.Totals(0, 0)
		if math.Round(limiter.Limit()) != expected || (totals.Reflex == model.ReflexRecovery) != (expected < 100) {
			t.Errorf("%v, expected %v (%v)", limiter.Limit(), expected, totals.Reflex)
		}
		var out []Permit
		for range int(expected) {
			out = append(out, mustAcquire(t, limiter, Normal))
		}
		for _, permit := range out {
			permit.Finish(Success)
		}
		sdk.clock.Move(5 * time.Second)
		tuning.Tick()
	}
	if limiter.Breaker().State() != BreakerClosed {
		t.Errorf("%v", limiter.Breaker().State())
	}
}

func TestB1_ProbesAndRetryAfterAreReported(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db")
	tuning := tuningOf(sdk, limiter.Breaker())
	apply(t, tuning, pushed(model.Breaker{State: model.BreakerHalfOpen, Round: 4, ProbeMax: 2, ProbeTotal: 3, ProbeDeadline: time.Second}))
	good, bad := mustAcquire(t, limiter, Normal), mustAcquire(t, limiter, Normal)
	good.Finish(Success)
	bad.RetryAfter(7 * time.Second)
	bad.Finish(Dropped)
	totals, _ := limiter.tuning.Totals(sdk.clock.Nanos(), 0)
	if !totals.HasProbed || totals.Probed != (model.Probed{Round: 4, LetOut: 2, Succeeded: 1, Failed: 1}) || totals.RetryAfter != 7*time.Second {
		t.Errorf("%+v", totals)
	}
}

func TestB2_ABreakerThatOpenedByItsOwnRuleIsToldInReports(t *testing.T) {
	inBubble(t, func(f *fixture) {
		breaker := f.sdk.Breaker("db", BreakerRules{Failures: 2})
		talk := f.sidecar.Welcomed(1)
		if told := talk.Report().Breakers["breaker.db"]; told != v1.Breaker_CLOSED {
			t.Errorf("%v", told)
		}
		for range 2 {
			permit, err := breaker.TryAcquire()
			if err != nil {
				t.Fatal(err)
			}
			permit.Finish(Failure)
		}
		talk.Report()
		if told := talk.Report().Breakers["breaker.db"]; told != v1.Breaker_OPEN {
			t.Errorf("%v", told)
		}
	})
}

func TestAStateHasItsNameInTheLog(t *testing.T) {
	for _, test := range []struct {
		value    model.Value
		expected any
	}{
		{pushed(model.Breaker{State: model.BreakerLocal}), "local"},
		{pushed(model.Breaker{State: model.BreakerShadow}), "shadow"},
		{pushed(model.Breaker{State: 99}), "unknown"},
		{model.Value{Form: model.FormConcurrency, Number: 3}, 3.0},
	} {
		if said := test.value.Said(); said != test.expected {
			t.Errorf("%v, expected %v", said, test.expected)
		}
	}
}
