// Package clock is the SDK's monotonic clock, in nanoseconds since the SDK was started. The wall clock plays no part.
package clock

import (
	"sync/atomic"
	"time"
)

// Clock is a monotonic clock that starts at zero. Make one with Start or ByHand.
type Clock struct {
	origin time.Time
	hand   *atomic.Int64
}

// Start begins a clock at zero, now.
func Start() *Clock { return &Clock{origin: time.Now()} }

// ByHand is a clock that stands still until it is moved, for tests.
func ByHand() *Clock { return &Clock{hand: new(atomic.Int64)} }

// Now is the time since the start. One reading of the system's monotonic clock.
func (c *Clock) Now() time.Duration {
	if c.hand != nil {
		return time.Duration(c.hand.Load())
	}
	return time.Since(c.origin)
}

// Nanos is Now as the counters have it.
func (c *Clock) Nanos() uint64 { return uint64(c.Now()) }

// Move moves a clock made with ByHand on.
func (c *Clock) Move(by time.Duration) { c.hand.Add(int64(by)) }
