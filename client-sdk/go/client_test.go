package setpoint

import (
	"errors"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// reason of a rejection by that knob, or a failed test.
func reason(t *testing.T, err error, knob string) RejectReason {
	t.Helper()
	var rejected *Rejected
	if !errors.As(err, &rejected) || rejected.Limit != knob || rejected.RetryAfter <= 0 {
		t.Fatalf("%v is no rejection by %s", err, knob)
	}
	return rejected.Reason
}

func apply(t *testing.T, it actuator.Actuator, value model.Value) {
	t.Helper()
	if readBack, err := it.Apply(value, nil); err != nil || readBack != value {
		t.Errorf("%+v %v", readBack, err)
	}
}

// aSecond of 100 calls of which the callee accepts so many in ten. How many reached it.
func aSecond(sdk *Setpoint, throttle *Throttle, acceptedOfTen int) (sent int) {
	for range 100 {
		sdk.clock.Move(10 * time.Millisecond)
		attempt, err := throttle.TryAcquire()
		if err != nil {
			continue
		}
		outcome := Dropped
		if sent%10 < acceptedOfTen {
			outcome = Success
		}
		attempt.Finish(outcome)
		sent++
	}
	return sent
}

func TestAThrottleRefusesNothingWhileMoreThanHalfIsAccepted(t *testing.T) {
	sdk := byHand()
	throttle := sdk.Throttle("payments")
	for range 60 {
		if sent := aSecond(sdk, throttle, 6); sent != 100 {
			t.Fatalf("%d of 100 sent", sent)
		}
	}
	if throttle.RefusedRatio() != 0 {
		t.Errorf("%v", throttle.RefusedRatio())
	}
}

func TestACalleeThatRefusesEverythingIsAskedOnceASecondAndBelievedWhenItIsWell(t *testing.T) {
	sdk := byHand()
	throttle := sdk.Throttle("payments")
	aSecond(sdk, throttle, 10)
	late := 0
	for second := range 60 {
		sent := aSecond(sdk, throttle, 0)
		if sent < 1 {
			t.Errorf("not asked in second %d", second)
		}
		if second >= 30 {
			late += sent
		}
	}
	if late > 30*12 {
		t.Errorf("%d calls in half a minute", late)
	}
	last := 0
	for range 12 {
		last = aSecond(sdk, throttle, 10)
	}
	if last != 100 {
		t.Errorf("%d of 100 once it is well", last)
	}
}

func TestAThrottlesOwnRefusalsDoNotCount(t *testing.T) {
	sdk := byHand()
	throttle := sdk.Throttle("payments")
	for n := range 400 {
		throttle.lately.count(sdk.clock.Now(), n < 100)
	}
	odds := throttle.RefusedRatio()
	if expected := (400.0 - 200) / 401; odds != expected {
		t.Errorf("%v, expected %v", odds, expected)
	}
	refused := 0
	for range 10_000 {
		attempt, err := throttle.TryAcquire()
		if err != nil {
			refused++
			if reason(t, err, "throttle.payments") != Throttled {
				t.Error(err)
			}
		}
		attempt.Finish(Ignore)
	}
	if refused < 4500 || refused > 5500 || throttle.RefusedRatio() != odds {
		t.Errorf("%d refused, and now %v", refused, throttle.RefusedRatio())
	}
	sdk.clock.Move(10 * time.Second)
	if throttle.RefusedRatio() != 0 {
		t.Error("10 s later all is forgotten")
	}
}

func TestTheFactorOfAThrottleIsAKnobAndTheKillSwitchLetsEverythingThrough(t *testing.T) {
	sdk := byHand()
	throttle := sdk.Throttle("payments")
	for n := range 30 {
		throttle.lately.count(sdk.clock.Now(), n%3 == 0)
	}
	if throttle.RefusedRatio() <= 0.3 {
		t.Errorf("%v", throttle.RefusedRatio())
	}
	tuning := sdk.registry.Actuators()[0]
	apply(t, tuning, model.Number(3))
	if throttle.RefusedRatio() != 0 {
		t.Errorf("%v", throttle.RefusedRatio())
	}
	apply(t, tuning, model.Number(1))
	tuning.Enforce(false)
	for range 1000 {
		if _, err := throttle.TryAcquire(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCountsOfASecondNeverRunOver(t *testing.T) {
	var l lately
	for n := range 3 * latelyMax {
		l.count(time.Hour, n%4 == 0)
	}
	sent, accepted := l.sums(time.Hour)
	if ratio := float64(accepted) / float64(sent); sent > latelyMax || ratio < 0.24 || ratio > 0.26 {
		t.Errorf("%d of %d", accepted, sent)
	}
}

// retries that are allowed of so many that are wished for.
func retries(budget *RetryBudget, wished int) (allowed int) {
	for range wished {
		if budget.TryRetry() {
			allowed++
		}
	}
	return allowed
}

func TestRetriesAreAShareOfTheCallsAndAFewInReserve(t *testing.T) {
	sdk := byHand()
	sdk.clock.Move(time.Hour)
	budget := sdk.RetryBudget("payments")
	if got := retries(budget, 10); got != 3 {
		t.Errorf("the reserve: %d", got)
	}
	for range 100 {
		budget.RecordCall()
	}
	if got := retries(budget, 100); got != 20 {
		t.Errorf("a fifth of 100 calls: %d", got)
	}
	sdk.clock.Move(time.Second)
	if got := retries(budget, 100); got != 3 {
		t.Errorf("a second later: %d", got)
	}
	for range 100_000 {
		budget.RecordCall()
	}
	if got := retries(budget, 1000); got != 100 {
		t.Errorf("savings are bounded: %d", got)
	}
}

func TestTheShareOfRetriesIsAKnobAndZeroForbidsAll(t *testing.T) {
	sdk := byHand()
	sdk.clock.Move(time.Hour)
	budget := sdk.RetryBudget("payments")
	tuning := sdk.registry.Actuators()[0]
	if knob := tuning.Knob(); knob.Restrictive != model.RestrictiveLower || knob.Name != "retry.payments" {
		t.Errorf("%+v", knob)
	}
	apply(t, tuning, model.Number(0))
	for range 100 {
		budget.RecordCall()
	}
	if got := retries(budget, 100); got != 0 || budget.Ratio() != 0 {
		t.Errorf("%d at %v", got, budget.Ratio())
	}
	tuning.Enforce(false)
	if got := retries(budget, 100); got != 3 {
		t.Errorf("switched off it is at its baseline: %d", got)
	}
}

func TestB5_APushedSwitchIsTheHealthAnswerAndTheKillSwitchBeatsIt(t *testing.T) {
	sdk := byHand()
	ready := sdk.Readiness()
	tuning := sdk.registry.Actuators()[0]
	if !ready.IsReady() || tuning.Knob().Name != "health.ready" {
		t.Error("without a sidecar it is ready")
	}
	apply(t, tuning, model.Switch(false))
	if ready.IsReady() || sdk.Readiness() != ready {
		t.Error("pushed, and there is one in a process")
	}
	ready.Pin(true)
	if !ready.IsReady() {
		t.Error("the owner knows better")
	}
	ready.Unpin()
	sdk.registry.SetDisabled(true)
	if !ready.IsReady() {
		t.Error("the kill switch")
	}
	sdk.registry.SetDisabled(false)
	if ready.IsReady() {
		t.Error("switched on again")
	}
}

func TestC4_RatesTellWhatBecameOfTheirCalls(t *testing.T) {
	sdk := byHand()
	rate := sdk.Rate("mail", Bounds(0, 100), Baseline(10), Burst(2))
	if _, ok := rate.tuning().Totals(0, 0); ok {
		t.Error("nothing was told")
	}
	if rate.TryAcquire() != nil || rate.TryAcquireMany(1) != nil {
		t.Error("a burst of two")
	}
	if err := rate.TryAcquire(); reason(t, err, "rate.mail") != RateLimit {
		t.Error(err)
	}
	rate.Record(Success, 0)
	rate.Record(Dropped, 2*time.Second)
	totals, ok := rate.tuning().Totals(0, 0)
	expected := model.Totals{
		Arrived: 3, Admitted: 2, Completed: 1, Dropped: 1, Rejected: [model.Priorities]uint64{0, 0, 1}, LimitInForce: 10, Limited: true,
		RetryAfter: 2 * time.Second,
	}
	if !ok || totals != expected {
		t.Errorf("%+v", totals)
	}
	if again, _ := rate.tuning().Totals(0, 0); again.Limited {
		t.Error("nobody was rejected since")
	}
}

func TestC4_AKeyCanHaveARateOfItsOwn(t *testing.T) {
	sdk := byHand()
	perClient := sdk.KeyedRate("per-client", 1000, Bounds(1, 100), Baseline(5))
	if sdk.KeyedRate("per-client", 5) != perClient {
		t.Error("registered twice")
	}
	taken := func(key string) (taken int) {
		for range 100 {
			if perClient.TryAcquire(key) == nil {
				taken++
			}
		}
		return taken
	}
	if taken("alice") != 5 || taken("bob") != 5 {
		t.Error("a burst for each key")
	}
	big := sdk.Rate("big-customer", Baseline(20))
	if err := perClient.SetOverride("carol", big); err != nil || taken("carol") != 20 {
		t.Errorf("a rate of its own: %v", err)
	}
	perClient.ClearOverride("carol")
	if taken("carol") != 5 {
		t.Error("given back to the rate of all")
	}
	for n := range MostOverrides {
		if err := perClient.SetOverride(string(rune('a'+n)), big); err != nil {
			t.Fatal(err)
		}
	}
	if err := perClient.SetOverride("one more", big); !errors.Is(err, ErrTooManyOverrides) {
		t.Error(err)
	}
	perClient.tuning().Enforce(false)
	if taken("alice") != 100 {
		t.Error("the kill switch")
	}
}
