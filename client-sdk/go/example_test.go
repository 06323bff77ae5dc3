package setpoint_test

import (
	"context"
	"errors"
	"fmt"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

func Example() {
	sp := setpoint.Start(context.Background(), "checkout", setpoint.WithSocket("/nonexistent/setpoint.sock"))
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

func ExampleLimiter_TryAcquire() {
	sp := setpoint.Start(context.Background(), "checkout", setpoint.WithSocket("/nonexistent/setpoint.sock"))
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
