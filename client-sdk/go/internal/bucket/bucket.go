// Package bucket is a token bucket on one word: the time at which the next call would arrive if calls came evenly (GCRA).
//
// A rate that is pushed replaces the bucket as a whole; the new one holds as many tokens as the old one did, with the fraction of
// a call that has dripped in, at most its own burst. So a swap gives nothing away, takes away only what does not fit any more,
// and a slow rate that is pushed often still comes to a whole call. (A caller that took from the old bucket at the very moment
// of the swap is not seen by the new one: at most one call for each processor.)
package bucket

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// The slowest rate, one call in 31 years.
	slowestPerSecond = 1e-9
	// The most that a full bucket may be worth (73 years): times must not overflow.
	longestNanos = 1 << 61
)

// Bucket of tokens. Make one with Holding.
type Bucket struct {
	arrival atomic.Int64
	perCall int64
	burst   int64
}

// Holding makes a bucket that holds so many tokens (at most its burst) now. Nil lets nothing through: the rate is zero. A burst
// of 0 is one second of the rate.
func Holding(tokens, perSecond, burst float64, now time.Duration) *Bucket {
	if !(perSecond > 0) {
		return nil
	}
	if burst <= 0 {
		burst = perSecond
	}
	perCall := max(int64(math.Round(1e9/max(perSecond, slowestPerSecond))), 1)
	most := float64(longestNanos / perCall)
	b := &Bucket{perCall: perCall, burst: int64(min(max(math.Ceil(burst), 1), most, math.MaxUint32))}
	missing := float64(b.burst) - min(max(tokens, 0), float64(b.burst))
	b.arrival.Store(int64(now) + int64(missing*float64(perCall)))
	return b
}

// Take a token, or say how long until there is one. One compare-and-swap.
func (b *Bucket) Take(now time.Duration) (wait time.Duration, ok bool) {
	for {
		held := b.arrival.Load()
		next := max(held, int64(now)) + b.perCall
		if earliest := next - b.burst*b.perCall; earliest > int64(now) {
			return time.Duration(earliest - int64(now)), false
		}
		if b.arrival.CompareAndSwap(held, next) {
			return 0, true
		}
	}
}

// Tokens in the bucket, with the fraction that has already dripped in.
func (b *Bucket) Tokens(now time.Duration) float64 {
	missing := max(b.arrival.Load()-int64(now), 0)
	return float64(b.burst) - float64(missing)/float64(b.perCall)
}
