// Package bucket holds token buckets that take a new rate and burst while calls go on.
//
// What callers have spent is one word for each bucket: the token time (see pace) up to which it is spent. The terms in force, a rate and
// a burst, are immutable and replaced as a whole, so a push touches no bucket. The level of a bucket is a matter of definition:
//
//	level = min(burst, now - max(spent, floor))        in token time
//
// The floor is the same for all buckets of the terms: at the moment of a swap no bucket held more than the old burst. Without it a
// larger burst would give back what ran over before. So a swap gives nothing back: neither a larger burst nor a higher rate fills a
// bucket, only time does; it takes away what does not fit into a smaller burst, and everything when the rate becomes zero. It is the
// same law as that of the Rust SDK.
package bucket

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
)

// NotSoon is what a caller is told when nothing will be there soon; by then the rate may be another one.
const NotSoon = 5 * time.Second

// Terms are a rate and a burst. Make the first ones with Start.
type Terms struct {
	clock    *clock.Clock
	pace     *pace
	burst    uint32
	capacity uint64
	floor    uint64
	open     bool
}

// Start with every bucket full. A burst of 0 is one second of the rate.
func Start(perSecond, burst float64, clock *clock.Clock) *Terms {
	return newTerms(perSecond, burst, startPace(perSecond, clock.Nanos()), 0, clock)
}

// Followed by other terms. Nobody else may replace these at the same time.
func (t *Terms) Followed(perSecond, burst float64) *Terms {
	full := uint64(0)
	if t.open && perSecond > 0 {
		full = t.capacity
	}
	now := t.now()
	floor := max(t.floor, now-min(full, now))
	return newTerms(perSecond, burst, t.pace.followedBy(perSecond, t.clock.Nanos), floor, t.clock)
}

func newTerms(perSecond, burst float64, pace *pace, floor uint64, clock *clock.Clock) *Terms {
	if burst <= 0 {
		burst = perSecond
	}
	// As many as fit: more than four billion calls at once is no bound at all.
	whole := uint32(min(max(math.Ceil(burst), 1), math.MaxUint32))
	return &Terms{clock: clock, pace: pace, burst: whole, capacity: uint64(whole) * token, floor: floor, open: perSecond > 0}
}

func (t *Terms) now() uint64 { return t.pace.at(t.clock.Nanos()) }

// Take so many tokens (0 counts as 1; as many as the burst, if it is less) from a bucket, or say how long until they are there. One
// compare-and-swap.
func (t *Terms) Take(spent *atomic.Uint64, tokens uint32) (time.Duration, bool) {
	if !t.open {
		return NotSoon, false
	}
	now := t.now()
	for {
		held := spent.Load()
		next, ok := t.spend(held, now, tokens)
		if !ok {
			return t.wait(next), false
		}
		if spent.CompareAndSwap(held, next) {
			return 0, true
		}
	}
}

// spend gives the token time up to which a bucket is spent after a call, and whether it has come already.
func (t *Terms) spend(spent, now uint64, tokens uint32) (uint64, bool) {
	next := max(spent, t.floor, now-min(t.capacity, now)) + uint64(min(max(tokens, 1), t.burst))*token
	return next, next <= now
}

// wait until that token time, at most NotSoon.
func (t *Terms) wait(until uint64) time.Duration {
	when, ok := t.pace.when(until)
	if !ok {
		return NotSoon
	}
	return time.Duration(min(when-min(t.clock.Nanos(), when), uint64(NotSoon)))
}
