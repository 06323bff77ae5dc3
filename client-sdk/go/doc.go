// Package setpoint lets a sidecar tune a running service: how many calls it takes at once, how fast it calls others, when a breaker
// opens, how much memory its garbage collector may use. The sidecar decides, from what the whole pod shows; this package enforces and
// counts, on the way of each call with a few atomic operations, without a lock, an allocation or a message.
//
// # How do I
//
//	sp := setpoint.Start(ctx, "checkout")                    // never waits, never fails; the socket is in SETPOINT_SOCKET
//	defer sp.Stop()
//	db := sp.Limiter("db", setpoint.Bounds(4, 400), setpoint.Baseline(64))
//	err := db.Do(setpoint.Normal, func() error { ... })      // or TryAcquire and Permit.Finish
//	batch := sp.Knob("batch.size", setpoint.Bounds(1, 512), setpoint.Baseline(64))
//	sp.GC()                                                  // GOGC and GOMEMLIMIT follow the container
//	http.Handle("/", setpointhttp.Middleware(sp.Limiter("inbound", setpoint.Queue(200)))(mux))
//
// There is more: Breaker, Rate and KeyedRate, Throttle, RetryBudget, ConnectionGate, Readiness, deadlines (Within, Part, Acquire),
// Parallelism, and the packages setpointhttp, setpointgrpc and setpointsql. Each has a runnable example.
//
// # What bites me
//
// A permit has to be finished, whatever happens to its call; Do, the middleware and the interceptors see to that. A permit is for one
// attempt: acquire inside a retry loop. A Rejected is made in advance and shared, so it is not to be changed. What is registered
// lives as long as its Setpoint: register once, at the start. The first registration of a name wins. A queue takes up bursts, no more:
// it is no cure for a limit that is too low.
//
// Without a sidecar everything is at its baseline and goes on working; when one is lost, what it pushed is kept for half a minute and
// then moves back to the baselines within another. Limiters keep a reflex of their own against overload, breakers their own rules.
//
// # What does it cost
//
// Most calls are let in by one atomic addition and end with another, no allocation; one in so many looks at the clock, as often as it
// takes to time 64 calls in 50 ms on each processor (SampleClocks). The session is one goroutine that wakes every 50 ms (every 10 ms
// while calls are in flight) for some microseconds, and two more while a sidecar is connected.
//
// # How does it work
//
// See docs/sdk-go.md of the repository; the contract with the sidecar is proto/setpoint/v1/setpoint.proto.
package setpoint
