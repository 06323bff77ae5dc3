package breaker

import (
	"math"
	"sync/atomic"
)

const (
	// The share that passes at first.
	firstShare = 0.1
	// No limiter has taken note of any generation.
	nobody = math.MaxUint64
)

// ramp is how traffic comes back after a recovery.
//
// A callee that has just come up again has cold caches, empty pools and a crowd of callers who have waited. All of them at once would
// bring it down a second time, so the share that passes grows evenly from a tenth to all. A breaker that a limiter asks leaves that to
// the limiter, which holds its limit at this share: calls in flight are what a callee suffers from, and callers who try again at once
// do not get more than others. Until the limiter has taken note, which it does every 50 ms, and for a breaker without a limiter, the
// share is one of calls, evenly spread.
type ramp struct {
	// Of the local breaker (0: none), and of the recovery that runs.
	ownMs, runningMs atomic.Uint64
	limited          atomic.Bool
	// The generation in which the limiter holds its limit at the share.
	led atomic.Uint64
	// Calls that asked while the share was one of calls.
	tickets atomic.Uint64
}

// share that passes now, 0 to 1.
func (r *ramp) share(untilMs, nowMs uint64) float64 {
	length := max(r.runningMs.Load(), 1)
	left := min(untilMs-min(untilMs, nowMs), length)
	return firstShare + (1-firstShare)*(1-float64(left)/float64(length))
}

// passes says whether the next call of that word does.
func (r *ramp) passes(w word, nowMs uint64) bool {
	if r.limited.Load() && r.led.Load() == w.generation {
		return true
	}
	share, ticket := r.share(w.untilMs, nowMs), float64(r.tickets.Add(1)-1)
	return math.Floor(ticket*share) < math.Floor((ticket+1)*share)
}
