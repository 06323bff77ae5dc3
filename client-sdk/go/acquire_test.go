package setpoint

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// ends with so long left.
func within(t *testing.T, left time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), left)
	t.Cleanup(cancel)
	return ctx
}

func TestC7_WorkWhoseDeadlineIsGoneIsNotBegun(t *testing.T) {
	limiter := byHand().Limiter("db", Queue(10))
	if _, err := limiter.Acquire(within(t, -time.Second), Normal); reason(t, err, "limit.db") != DeadlineOver {
		t.Error(err)
	}
	if permit, err := limiter.Acquire(within(t, -time.Second), Exempt); err != nil {
		t.Error("exempt ones pass always")
	} else {
		permit.Finish(Success)
	}
	permit, err := limiter.Acquire(within(t, time.Hour), Normal)
	if err != nil {
		t.Fatal(err)
	}
	permit.Finish(Success)
	if totals, _ := limiter.tuning.Totals(0, 0); totals.Arrived != 1 {
		t.Errorf("refused for its deadline it says nothing about the limit: %+v", totals)
	}
}

func TestC7_HopelessCallsAreRefusedButForOneInSixteen(t *testing.T) {
	limiter := byHand().Limiter("db", RefuseHopeless())
	refused := func(left time.Duration) (refused int) {
		for range 160 {
			permit, err := limiter.Acquire(within(t, left), Normal)
			if err != nil {
				refused++
			}
			permit.Finish(Success)
		}
		return refused
	}
	if got := refused(time.Second); got != 0 {
		t.Errorf("nothing is known: %d", got)
	}
	limiter.tuning.Admit(&model.Admission{BaselineLatency: time.Minute})
	if got := refused(time.Second); got != 150 {
		t.Errorf("%d of 160", got)
	}
	if got := refused(time.Hour); got != 0 {
		t.Errorf("time enough: %d", got)
	}
}

// waiting starts a caller and returns once it stands in line.
func waiting(t *testing.T, limiter *Limiter, ctx context.Context, priority Priority) chan error {
	t.Helper()
	before, ended := limiter.queue.Seen().Waiting, make(chan error, 1)
	go func() {
		permit, err := limiter.Acquire(ctx, priority)
		permit.Finish(Success)
		ended <- err
	}()
	for limiter.queue.Seen().Waiting == before {
		time.Sleep(time.Millisecond)
	}
	return ended
}

func TestC7_CallersWaitForAPlaceThatBecomesFree(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db", Bounds(1, 10), Baseline(1), Queue(2))
	limiter.tuning.Tick()
	permit := mustAcquire(t, limiter, Normal)
	low, high := waiting(t, limiter, context.Background(), Low), waiting(t, limiter, context.Background(), High)
	if _, err := limiter.Acquire(context.Background(), Low); reason(t, err, "limit.db") != QueueFull {
		t.Error(err)
	}
	permit.Finish(Success)
	if err := <-high; err != nil {
		t.Error(err)
	}
	if err := <-low; err != nil {
		t.Error(err)
	}
	totals, _ := limiter.tuning.Totals(0, 0)
	if totals.QueueWaits != 2 || totals.Waiting != 0 || totals.Completed != 3 || totals.AllRejected() != 1 || limiter.InFlight() != 0 {
		t.Errorf("%+v", totals)
	}
}

func TestC7_AWaitEndsWithItsContextItsPatienceOrAHigherLimit(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db", Bounds(1, 10), Baseline(1), Queue(10), Deadline(time.Second))
	limiter.tuning.Tick()
	permit := mustAcquire(t, limiter, Normal)
	ctx, cancel := context.WithCancel(context.Background())
	ended := waiting(t, limiter, ctx, Normal)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ended = waiting(t, limiter, context.Background(), Normal)
	sdk.clock.Move(999 * time.Millisecond)
	limiter.tuning.Watch()
	sdk.clock.Move(time.Millisecond)
	if !limiter.tuning.Watch() {
		t.Error("to be looked at again soon: a call is in flight")
	}
	if err := <-ended; reason(t, err, "limit.db") != QueueWait {
		t.Error("after the limiter's deadline:", err)
	}
	ended = waiting(t, limiter, context.Background(), Normal)
	apply(t, limiter.tuning, model.Concurrency(2))
	if err := <-ended; err != nil {
		t.Error("a higher limit:", err)
	}
	other := mustAcquire(t, limiter, Normal)
	ended = waiting(t, limiter, context.Background(), Normal)
	limiter.Breaker().Pin(BreakerForcedOpen)
	permit.Finish(Success)
	if err := <-ended; reason(t, err, "breaker.db") != BreakerIsOpen {
		t.Error(err)
	}
	limiter.tuning.Close()
	limiter.Breaker().Unpin()
	permit = mustAcquire(t, limiter, Normal)
	if _, err := limiter.Acquire(context.Background(), Normal); reason(t, err, "limit.db") != QueueWait {
		t.Error("nobody would look after the line:", err)
	}
	permit.Finish(Success)
	other.Finish(Success)
}

func TestDeadlineBudgets(t *testing.T) {
	for _, test := range []struct {
		keep     Reserve
		expected time.Duration
	}{
		{Reserve{}, 500 * time.Millisecond},
		{KeepRatio(0.2), 400 * time.Millisecond},
		{KeepTime(100 * time.Millisecond), 400 * time.Millisecond},
		{KeepTime(time.Second), 0},
		{KeepRatio(7), 0},
		{KeepRatio(-1), 500 * time.Millisecond},
		{KeepTime(-time.Second), 500 * time.Millisecond},
	} {
		if got := test.keep.Of(500 * time.Millisecond); got != test.expected {
			t.Errorf("%+v: %v", test.keep, got)
		}
	}
	ctx, cancel := Within(within(t, time.Hour), 500*time.Millisecond, KeepRatio(0.2))
	defer cancel()
	if left, ok := timeLeft(ctx); !ok || left > 400*time.Millisecond {
		t.Errorf("%v", left)
	}
	part, cancelPart := Part(ctx, KeepTime(time.Hour))
	defer cancelPart()
	if left, _ := timeLeft(part); left > 0 {
		t.Errorf("%v", left)
	}
	if same, _ := Part(context.Background(), KeepTime(time.Hour)); same != context.Background() {
		t.Error("without a deadline it stays without one")
	}
}

func TestTimeoutsOnTheWireAreReadStrictly(t *testing.T) {
	for text, expected := range map[string]time.Duration{"0": 0, "250": 250 * time.Millisecond, "99999999": 99_999_999 * time.Millisecond} {
		if got, err := ParseTimeout(text); err != nil || got != expected || FormatTimeout(got) != text {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for text, expected := range map[string]time.Duration{
		"1n": 1, "20u": 20 * time.Microsecond, "300m": 300 * time.Millisecond, "4S": 4 * time.Second, "5M": 5 * time.Minute, "6H": 6 * time.Hour,
		"99999999H": longestLeft,
	} {
		if got, err := ParseGRPCTimeout(text); err != nil || got != expected {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", " 1", "+1", "-1", "1.5", "123456789", "x", "1 ", "S", "1s", "123456789S", "1SS"} {
		if _, err := ParseGRPCTimeout(text); !errors.Is(err, ErrBadTimeout) {
			t.Errorf("%q as grpc-timeout: %v", text, err)
		}
		if _, err := ParseTimeout(text); !errors.Is(err, ErrBadTimeout) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if FormatTimeout(-time.Second) != "0" || FormatTimeout(1<<62) != "99999999" {
		t.Error("the ends")
	}
}
