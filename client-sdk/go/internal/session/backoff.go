package session

import (
	"math"
	"time"
)

const (
	firstWait   = 100 * time.Millisecond
	waitFactor  = 1.6
	longestWait = 3 * time.Second
	// Each wait is within this share of its nominal length, to either side.
	waitJitter = 0.2
	// A drain can ask for no longer a pause than this: nobody switches tuning off for a day by accident.
	longestDrain = time.Minute
)

// backoff gives the waits between attempts: 100 ms, then 1.6 times the one before, up to 3 s, each within 20 %, for ever. The
// jitter is a hash of the process's seed: the services of a node do not knock together, and a test can predict it.
type backoff struct {
	seed    uint64
	attempt int
	waits   uint64
}

func (b *backoff) afterFailure() time.Duration {
	nominal := min(float64(firstWait)*math.Pow(waitFactor, float64(min(b.attempt, 32))), float64(longestWait))
	b.attempt++
	return b.spread(nominal)
}

// afterDenial is the wait after a refusal that will not go away by itself: the longest there is.
func (b *backoff) afterDenial() time.Duration { return b.spread(float64(longestWait)) }

// afterDrain is no sooner than asked.
func (b *backoff) afterDrain(asked time.Duration) time.Duration {
	return time.Duration(float64(min(asked, longestDrain)) * (1 + waitJitter*b.jitter()))
}

// reset: the session works, so the next failure starts from the shortest wait.
func (b *backoff) reset() { b.attempt = 0 }

func (b *backoff) spread(nominal float64) time.Duration {
	return time.Duration(nominal * (1 - waitJitter + 2*waitJitter*b.jitter()))
}

// jitter is a number from 0 to below 1 that looks random (the finaliser of splitmix64).
func (b *backoff) jitter() float64 {
	b.waits++
	x := b.seed + b.waits + 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
