package setpoint

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// byHand is an SDK without a session, with a clock that the test moves.
func byHand() *Setpoint {
	return &Setpoint{log: quiet(), clock: clock.ByHand(), seed: 7, registry: actuator.NewRegistry()}
}

func mustAcquire(t *testing.T, limiter *Limiter, priority Priority) Permit {
	t.Helper()
	permit, err := limiter.TryAcquire(priority)
	if err != nil {
		t.Fatal(err)
	}
	return permit
}

func TestC1_CapsFollowLimitAndShares(t *testing.T) {
	for _, test := range []struct {
		limit float64
		caps  [5]uint64
	}{
		{100, [5]uint64{100, 100, 100, 85, 50}},
		{64, [5]uint64{64, 64, 64, 54, 32}},
		{2.9, [5]uint64{2, 2, 2, 2, 1}},
		{1, [5]uint64{1, 1, 1, 1, 1}},
		{0.99, [5]uint64{}},
		{0, [5]uint64{}},
	} {
		limiter := byHand().Limiter("db", Bounds(0, 1000), Baseline(test.limit))
		for class, expected := range test.caps {
			if got := limiter.places.Cap(class); got != expected {
				t.Errorf("limit %v, class %d: %d, expected %d", test.limit, class, got, expected)
			}
		}
	}
}

func TestC8_PrioritiesAreShedFromTheLowestUp(t *testing.T) {
	limiter := byHand().Limiter("db", Bounds(1, 100), Baseline(10))
	for range 5 {
		mustAcquire(t, limiter, Normal)
	}
	_, err := limiter.TryAcquire(Background)
	var rejected *Rejected
	if !errors.As(err, &rejected) || rejected.Reason != ConcurrencyLimit || rejected.Limit != "limit.db" {
		t.Errorf("half of the limit is taken: %v", err)
	}
	for range 3 {
		mustAcquire(t, limiter, Low)
	}
	if _, err := limiter.TryAcquire(Low); err == nil {
		t.Error("0.85 of the limit is taken")
	}
	mustAcquire(t, limiter, High)
	mustAcquire(t, limiter, Critical)
	if _, err := limiter.TryAcquire(Critical); err == nil {
		t.Error("all of the limit is taken")
	}
	permit := mustAcquire(t, limiter, Exempt)
	permit.Finish(Failure)
	totals, _ := limiter.tuning.Totals(0, 0)
	if totals.Admitted != 10 || totals.Rejected != [5]uint64{1, 0, 0, 1, 1} || totals.Arrived != 13 || !totals.Limited {
		t.Errorf("%+v", totals)
	}
}

// 50 permits before a pool of 50 connections; a report takes ten of them, an order one.
func TestC5_FiftyWeightedPermitsBeforeADatabasePool(t *testing.T) {
	limiter := byHand().Limiter("db", Bounds(1, 50), Baseline(50))
	report := func() (Permit, error) { return limiter.TryAcquireMany(Normal, 10) }
	var reports []Permit
	for range 4 {
		permit, err := report()
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, permit)
	}
	orders := 0
	for ; orders < 60; orders++ {
		if _, err := limiter.TryAcquire(Normal); err != nil {
			break
		}
	}
	if orders != 10 || limiter.InFlight() != 50 {
		t.Errorf("%d orders beside four reports, %d in flight", orders, limiter.InFlight())
	}
	if _, err := report(); err == nil {
		t.Error("a report although all is taken")
	}
	reports[0].Finish(Success)
	if got := limiter.InFlight(); got != 40 {
		t.Errorf("%d in flight after a report", got)
	}
	if _, err := report(); err != nil {
		t.Errorf("ten places are free: %v", err)
	}
}

func TestC5_ACallThatIsHeavierThanTheLimitRunsAlone(t *testing.T) {
	limiter := byHand().Limiter("db", Bounds(1, 100), Baseline(10))
	heavy, err := limiter.TryAcquireMany(Normal, 50)
	if err != nil || limiter.InFlight() != 10 {
		t.Fatalf("%v %d", err, limiter.InFlight())
	}
	if _, err := limiter.TryAcquire(Normal); err == nil {
		t.Error("it runs alone")
	}
	heavy.Finish(Success)
	heavy.Finish(Success)
	if limiter.InFlight() != 0 {
		t.Errorf("%d in flight after its end", limiter.InFlight())
	}
	light := mustAcquire(t, limiter, Normal)
	if _, err := limiter.TryAcquireMany(Normal, 50); err == nil {
		t.Error("not beside another one")
	}
	light.Finish(Success)
}

func TestTheCountersAreThoseOfTheContract(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db", Deadline(30*time.Millisecond))
	limiter.tuning.CountSlowerThan([]time.Duration{5 * time.Millisecond, 25 * time.Millisecond})
	for i, outcome := range []Outcome{Success, Success, Dropped, Failure, Ignore} {
		permit := mustAcquire(t, limiter, Normal)
		sdk.clock.Move(time.Duration(i+1) * 10 * time.Millisecond)
		permit.Finish(outcome)
	}
	late := mustAcquire(t, limiter, Normal)
	sdk.clock.Move(40 * time.Millisecond)
	late.Finish(Success)
	mustAcquire(t, limiter, Normal)
	sdk.clock.Move(10 * time.Millisecond)
	totals, _ := limiter.tuning.Totals(sdk.clock.Nanos(), 5)
	ms := func(millis uint64) uint64 { return millis * 1_000_000 }
	expected := model.Totals{
		AtNanos: ms(200), StallNanos: 5, Arrived: 7, Admitted: 7, Completed: 3, Dropped: 1, Failed: 1, Cancelled: 1, Late: 1,
		AdmitTimeSum: ms(0 + 10 + 30 + 60 + 100 + 150 + 190), ReleaseTimeSum: ms(10 + 30 + 60 + 100 + 150 + 190),
		LatencySum: ms(190), SuccessLatencySum: ms(70), SuccessLatencySqSum: (100 + 400 + 1600) * 1_000_000 / (64 * 64),
		InFlightPeak: 1, LimitInForce: 50, SlowWatched: 2,
	}
	expected.Slow[0] = model.SlowCalls{After: 5 * time.Millisecond, Calls: 5}
	expected.Slow[1] = model.SlowCalls{After: 25 * time.Millisecond, Calls: 3}
	if totals != expected {
		t.Errorf("\n%+v, expected\n%+v", totals, expected)
	}
	if age := totals.InFlightAgeSum(); age != 10*time.Millisecond {
		t.Errorf("age %v", age)
	}
}

func TestC1_NeverMoreInFlightThanTheLimitWhateverIsPushed(t *testing.T) {
	limiter := byHand().Limiter("db", Bounds(1, 1000), Baseline(8))
	var inside, ceiling atomic.Int64
	ceiling.Store(8)
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			dice := rand.New(rand.NewPCG(1, uint64(worker)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				weight := uint32(dice.IntN(3) + 1)
				permit, err := limiter.TryAcquireMany(Priority(dice.IntN(5)), weight)
				if err != nil {
					continue
				}
				// The limit only ever rises while somebody could be inside, so the highest so far is the bound.
				if now := inside.Add(int64(permit.ticket.Places())); now > ceiling.Load() {
					t.Errorf("%d inside, at most %d", now, ceiling.Load())
				}
				if dice.IntN(4) == 0 {
					runtime.Gosched()
				}
				inside.Add(-int64(permit.ticket.Places()))
				permit.Finish(Outcome(dice.IntN(4)))
			}
		}()
	}
	for limit := int64(8); limit < 60; limit++ {
		ceiling.Store(limit)
		if _, err := limiter.tuning.Apply(model.Concurrency(float64(limit)), nil); err != nil {
			t.Error(err)
		}
		for range 50 {
			limiter.tuning.Tick()
			runtime.Gosched()
		}
	}
	close(stop)
	workers.Wait()
	totals, _ := limiter.tuning.Totals(0, 0)
	if limiter.InFlight() != 0 || totals.InFlight() != 0 {
		t.Errorf("places are lost: %d taken, %d in flight", limiter.InFlight(), totals.InFlight())
	}
	if totals.Admitted == 0 || totals.Arrived != totals.Admitted+totals.AllRejected() {
		t.Errorf("%+v", totals)
	}
}

func TestAReaderNeverSeesHalfACall(t *testing.T) {
	sdk := byHand()
	sdk.clock.Move(time.Hour)
	limiter := sdk.Limiter("db", Bounds(1, 1000), Baseline(1000))
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for {
				select {
				case <-stop:
					return
				default:
					permit, _ := limiter.TryAcquire(Normal)
					permit.Finish(Success)
				}
			}
		}()
	}
	// Every call comes and goes at one and the same time, so the sums are multiples of it.
	at := sdk.clock.Nanos()
	for range 2000 {
		totals, _ := limiter.tuning.Totals(at, 0)
		if totals.AdmitTimeSum != totals.Admitted*at || totals.ReleaseTimeSum != totals.Released()*at || totals.InFlight() > 8 {
			t.Fatalf("%+v", totals)
		}
	}
	close(stop)
	workers.Wait()
}

func TestDoFinishesWhateverHappens(t *testing.T) {
	limiter := byHand().Limiter("db")
	trouble := errors.New("trouble")
	for _, err := range []error{nil, trouble, context.Canceled, context.DeadlineExceeded} {
		if got := limiter.Do(Normal, func() error { return err }); got != err {
			t.Errorf("%v, expected %v", got, err)
		}
	}
	func() {
		defer func() { recover() }()
		_ = limiter.Do(Normal, func() error { panic("the service's own bug") })
	}()
	totals, _ := limiter.tuning.Totals(0, 0)
	if totals.Completed != 1 || totals.Failed != 2 || totals.Dropped != 1 || totals.Cancelled != 1 || limiter.InFlight() != 0 {
		t.Errorf("%+v", totals)
	}
}

func TestThePathOfACallAllocatesNothing(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db", Bounds(1, 100), Baseline(2))
	breaker, rate := sdk.Breaker("b", BreakerRules{}), sdk.Rate("r", Bounds(0, 10), Baseline(0))
	shut := sdk.Breaker("shut", BreakerRules{})
	shut.Pin(BreakerForcedOpen)
	queued, throttle, budget := sdk.Limiter("queued", Queue(10)), sdk.Throttle("t"), sdk.RetryBudget("b")
	keyed, gate := sdk.KeyedRate("k", 100, Bounds(0, 10), Baseline(0)), sdk.ConnectionGate("g")
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	held := mustAcquire(t, limiter, Normal)
	for name, call := range map[string]func(){
		"admitted": func() {
			permit, _ := limiter.TryAcquire(Normal)
			permit.Finish(Success)
		},
		"rejected": func() {
			permit, _ := limiter.TryAcquire(Normal)
			if _, err := limiter.TryAcquire(Normal); err == nil {
				t.Error("admitted")
			}
			permit.Finish(Failure)
		},
		"exempt": func() {
			permit, _ := limiter.TryAcquire(Exempt)
			permit.Finish(Success)
		},
		"breaker": func() {
			permit, _ := breaker.TryAcquire()
			permit.Finish(Success)
		},
		"open": func() {
			if _, err := shut.TryAcquire(); err == nil {
				t.Error("admitted")
			}
		},
		"rate": func() {
			if rate.TryAcquire() == nil {
				t.Error("admitted")
			}
		},
		"acquire": func() {
			permit, _ := queued.Acquire(ctx, Normal)
			permit.Finish(Success)
		},
		"throttle": func() {
			attempt, _ := throttle.TryAcquire()
			attempt.Finish(Dropped)
		},
		"retry": func() {
			budget.RecordCall()
			budget.TryRetry()
		},
		"key": func() {
			if keyed.TryAcquire("client") == nil {
				t.Error("admitted")
			}
		},
		"gate": func() {
			place, _ := gate.TryEnter()
			place.Leave()
		},
		"tick": func() {
			limiter.tuning.Tick()
			queued.tuning.Tick()
		},
	} {
		if allocations := testing.AllocsPerRun(1000, call); allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
	held.Finish(Success)
}
