package setpoint_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// start without a sidecar, as the examples have it: everything is at its baseline. A service leaves the socket out.
func start() *setpoint.Setpoint {
	return setpoint.Start(context.Background(), "checkout", setpoint.WithSocket("/nonexistent/setpoint.sock"))
}

func Example() {
	sp := start()
	defer sp.Stop()
	db := sp.Limiter("db", setpoint.Bounds(4, 400), setpoint.Baseline(64))
	err := db.Do(setpoint.Normal, func() error {
		fmt.Println("in flight:", db.InFlight())
		return nil
	})
	fmt.Println("limit:", db.Limit(), "error:", err, "health:", sp.Health())
	// Output:
	// in flight: 1
	// limit: 64 error: <nil> health: baseline
}

func ExampleStart() {
	sp := setpoint.Start(context.Background(), "checkout",
		setpoint.WithSocket("/nonexistent/setpoint.sock"), // default: SETPOINT_SOCKET, else /run/setpoint/setpoint.sock
		setpoint.WithLabel("version", "1.2.3"),
		setpoint.WithCustom(func() map[string]float64 { return map[string]float64{"queue.length": 7} }),
	)
	defer sp.Stop()
	fmt.Println(sp.Health())
	// Output: baseline
}

func ExampleLimiter_TryAcquire() {
	sp := start()
	defer sp.Stop()
	db := sp.Limiter("db", setpoint.Bounds(1, 400), setpoint.Baseline(1))
	permit, _ := db.TryAcquire(setpoint.Normal)
	_, err := db.TryAcquire(setpoint.Critical)
	var rejected *setpoint.Rejected
	if errors.As(err, &rejected) {
		fmt.Println(rejected.Limit, rejected.Reason)
	}
	permit.Finish(setpoint.Success)
	// Output: limit.db concurrency_limit
}

// With a queue, callers wait a moment for a place, and no longer than their context has use for it.
func ExampleLimiter_Acquire() {
	sp := start()
	defer sp.Stop()
	db := sp.Limiter("db", setpoint.Baseline(64), setpoint.Queue(100), setpoint.Deadline(time.Second))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	permit, err := db.Acquire(ctx, setpoint.High)
	fmt.Println(err)
	permit.Finish(setpoint.Success)
	over, cancelIt := context.WithTimeout(context.Background(), -time.Second)
	defer cancelIt()
	_, err = db.Acquire(over, setpoint.High)
	fmt.Println(err)
	// Output:
	// <nil>
	// limit.db: deadline, retry after 10ms
}

func ExampleLimiter_Do() {
	sp := start()
	defer sp.Stop()
	db := sp.Limiter("db")
	err := db.Do(setpoint.Normal, func() error { return context.DeadlineExceeded })
	fmt.Println(err, "counts as", setpoint.OutcomeOf(err))
	// Output: context deadline exceeded counts as dropped
}

func ExampleBreaker() {
	sp := start()
	defer sp.Stop()
	mail := sp.Breaker("mail", setpoint.BreakerRules{Failures: 3})
	for range 3 {
		permit, _ := mail.TryAcquire()
		permit.Finish(setpoint.Failure)
	}
	_, err := mail.TryAcquire()
	var rejected *setpoint.Rejected
	fmt.Println(mail.State(), errors.As(err, &rejected))
	mail.Pin(setpoint.BreakerDisabled) // its owner knows better
	_, err = mail.TryAcquire()
	fmt.Println(mail.State(), err)
	// Output:
	// open true
	// disabled <nil>
}

func ExampleRate() {
	sp := start()
	defer sp.Stop()
	api := sp.Rate("api", setpoint.Bounds(1, 100), setpoint.Baseline(10), setpoint.Burst(2))
	for range 3 {
		if err := api.TryAcquire(); err != nil {
			fmt.Println("not now")
			continue
		}
		api.Record(setpoint.Success, 0) // what an adaptive rate learns from
	}
	fmt.Println(api.PerSecond())
	// Output:
	// not now
	// 10
}

func ExampleKeyedRate() {
	sp := start()
	defer sp.Stop()
	perClient := sp.KeyedRate("per-client", 10_000, setpoint.Baseline(2))
	for _, client := range []string{"alice", "alice", "alice", "bob"} {
		fmt.Println(client, perClient.TryAcquire(client) == nil)
	}
	// Output:
	// alice true
	// alice true
	// alice false
	// bob true
}

func ExampleKnob() {
	sp := start()
	defer sp.Stop()
	batch := sp.Knob("batch.size", setpoint.Bounds(1, 512), setpoint.Baseline(64), setpoint.Step(1),
		setpoint.OnChange(func(change setpoint.Change) { fmt.Println(change.Knob, change.From, "to", change.To) }))
	batch.Pin(1000) // the bounds hold for everybody
	fmt.Println(batch.Value())
	// Output:
	// batch.size 64 to 512
	// 512
}

// A throttle refuses calls that their callee would most likely refuse; a retry budget bounds how many are made again.
func ExampleThrottle() {
	sp := start()
	defer sp.Stop()
	throttle, budget := sp.Throttle("payments"), sp.RetryBudget("payments")
	pay := func() error {
		budget.RecordCall()
		for {
			attempt, err := throttle.TryAcquire()
			if err != nil {
				return err
			}
			err = errors.New("503") // the callee's answer
			attempt.Finish(setpoint.Dropped)
			if !budget.TryRetry() {
				return err
			}
		}
	}
	fmt.Println(pay() != nil, throttle.RefusedRatio() > 0)
	// Output: true true
}

func ExampleRetryBudget() {
	sp := start()
	defer sp.Stop()
	budget := sp.RetryBudget("payments")
	for range 10 {
		budget.RecordCall()
	}
	retries := 0
	for budget.TryRetry() {
		retries++
	}
	fmt.Println(retries) // a fifth of ten, and three in reserve
	// Output: 5
}

func ExampleConnectionGate() {
	sp := start()
	defer sp.Stop()
	gate := sp.ConnectionGate("http", setpoint.Baseline(2000))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(gate.Listener(listener, setpoint.WaitWhenFull)) // ends with Close
	}()
	server.Close()
	<-done
	fmt.Println(gate.Limit(), gate.Inside() <= 1)
	// Output: 2000 true
}

// The deadline is that of the context: set once, a little before the caller gives up, and passed on with something kept back.
func ExampleWithin() {
	ctx, cancel := setpoint.Within(context.Background(), 500*time.Millisecond, setpoint.KeepRatio(0.2))
	defer cancel()
	part, cancelPart := setpoint.Part(ctx, setpoint.KeepTime(10*time.Millisecond))
	defer cancelPart()
	whole, _ := ctx.Deadline()
	call, _ := part.Deadline()
	fmt.Println(time.Until(whole) <= 400*time.Millisecond, call.Before(whole))
	// Output: true true
}

func ExampleReadiness() {
	sp := start()
	defer sp.Stop()
	ready := sp.Readiness()
	mux := http.NewServeMux()
	mux.Handle("/readyz", ready)
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, httptest.NewRequest("GET", "/readyz", nil))
	fmt.Println(recorder.Code)
	// Output: 200
}

// The sidecar tunes GOGC and GOMEMLIMIT through one knob. Without one, and where the environment sets them, nothing is touched.
func ExampleSetpoint_GC() {
	sp := start()
	defer sp.Stop()
	gc := sp.GC()
	fmt.Println(gc.Percent() != 0, gc.MemoryLimit() > 0)
	// Output: true true
}

func ExampleSetpoint_Parallelism() {
	sp := start()
	defer sp.Stop()
	procs := sp.Parallelism()
	fmt.Println(procs.Threads() > 0, procs.Recommended())
	// Output: true 0
}
