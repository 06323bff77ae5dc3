package breaker

import (
	"sync/atomic"
	"time"
)

const (
	// The shortest clean stretch that halves the wait.
	cleanMs = 10_000
	// Longer than this nobody asks to be left alone in earnest.
	longestAsked = time.Hour
)

// wait is how long a breaker stays open.
//
// It doubles with each trip, from the shortest to the longest, and is spread by a fifth in both directions so that the instances
// of a service do not probe in step. It is halved, not forgotten, for each clean stretch of 10 s (or of the last wait, if longer):
// forgetting it makes a callee that fails only under full load flap for ever. A callee that said when to come back (Retry-After)
// is believed, up to the longest wait. Written by whoever wins a transition; a reader that is a moment late gets a wait that was right
// a moment ago.
type wait struct {
	shortestMs, longestMs, doublings, closedSinceMs, lastMs, askedUntilMs atomic.Uint64
	seed                                                                  uint64
}

func (w *wait) set(shortest, longest time.Duration) {
	w.shortestMs.Store(millis(shortest))
	w.longestMs.Store(millis(longest))
}

func (w *wait) closed(nowMs uint64) { w.closedSinceMs.Store(nowMs) }

func (w *wait) opened(doublings, waitMs uint64) {
	w.doublings.Store(doublings + 1)
	w.lastMs.Store(waitMs)
}

// asked: the callee wants to be left alone for so long.
func (w *wait) asked(forSoLong time.Duration, nowMs uint64) {
	until := nowMs + millis(min(forSoLong, longestAsked))
	for {
		held := w.askedUntilMs.Load()
		if held >= until || w.askedUntilMs.CompareAndSwap(held, until) {
			return
		}
	}
}

// askedMs is how much longer it wants to be left alone.
func (w *wait) askedMs(nowMs uint64) uint64 {
	until := w.askedUntilMs.Load()
	return until - min(until, nowMs)
}

// forgiven is how many doublings remain after a closed stretch.
func (w *wait) forgiven(nowMs uint64) uint64 {
	clean := nowMs - min(w.closedSinceMs.Load(), nowMs)
	doublings := w.doublings.Load()
	return doublings - min(clean/max(cleanMs, w.lastMs.Load()), doublings)
}

// lengthMs of the next wait.
func (w *wait) lengthMs(doublings, generation, nowMs uint64) uint64 {
	shortest, longest := max(w.shortestMs.Load(), 1), max(w.longestMs.Load(), 1)
	doubled := min(shortest<<min(doublings, 20), longest)
	spread := 0.8 + 0.4*jitter(w.seed^generation)
	return min(max(uint64(float64(doubled)*spread), w.askedMs(nowMs), 1), longest)
}

func millis(length time.Duration) uint64 {
	return min(max(uint64(max(length, 0)/time.Millisecond), 1), latestMs/2)
}

// jitter is a number from 0 to below 1 that looks random, out of a counter (the finaliser of splitmix64).
func jitter(counter uint64) float64 {
	x := counter + 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
