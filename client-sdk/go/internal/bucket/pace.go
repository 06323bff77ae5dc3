package bucket

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// Token is one in units of token time: a bucket is right to a 256th of a call.
	token = 256
	// The token time at the start: as long ago as the largest bucket takes to fill.
	origin = token << 32
	// The slowest rate, one call in 31 years; the fastest, at which token time lasts for eleven.
	slowestPerSecond = 1e-9
	fastestPerSecond = 1e8
	// A stretch is replaced from so far ahead on.
	ahead = uint64(100 * time.Microsecond)
	// Binary places of slopes and levels: the fastest slope is 26 units in a nanosecond.
	places = 58
)

// pace is a stretch of token time with one slope: how many tokens have dripped since the start.
//
// A rate that is pushed ten times a second must not hand out ten bursts a second, and to carry the level of a bucket over loses what
// callers take in between. So here the clock of the buckets runs at the rate, and the buckets count in its units. A new rate is a new
// slope of that clock: no bucket is touched, however many there are, and none gains or loses a token by it.
//
// A goroutine may hold on to an old stretch for as long as it likes (it was preempted). Were the old slope steeper, it would see a time
// that is still to come, and a bucket that it empties then would stay shut until that time comes. So a stretch that is replaced is
// given an end, a moment ahead of now; whoever reads the clock after that end sees the end.
type pace struct {
	// Its first nanosecond, and the token time then, 128 bits.
	from                uint64
	levelHigh, levelLow uint64
	// Units in a nanosecond: before from, and after.
	before, slope uint64
	// The nanosecond at which it ends.
	until atomic.Uint64
}

func slopeOf(perSecond float64) uint64 {
	if !(perSecond > slowestPerSecond) {
		perSecond = slowestPerSecond
	}
	perSecond = min(perSecond, fastestPerSecond)
	return uint64(math.Round(perSecond * token / 1e9 * (1 << places)))
}

// startPace is the first stretch.
func startPace(perSecond float64, now uint64) *pace {
	p := &pace{from: now, slope: slopeOf(perSecond)}
	p.before = p.slope
	p.levelHigh, p.levelLow = bits.Mul64(origin, 1<<places)
	p.until.Store(math.MaxUint64)
	return p
}

// followedBy ends this stretch a moment ahead of the clock and gives the one that follows.
func (p *pace) followedBy(perSecond float64, clock func() uint64) *pace {
	from := max(clock()+ahead, p.from)
	for p.until.Store(from); clock() > from; p.until.Store(from) {
		from = max(clock()+ahead, p.from)
	}
	next := &pace{from: from, before: p.slope, slope: slopeOf(perSecond)}
	next.levelHigh, next.levelLow = p.level(from)
	next.until.Store(math.MaxUint64)
	return next
}

// at a nanosecond, the token time in units.
func (p *pace) at(now uint64) uint64 {
	// The end is looked at after the clock was read: whoever does not see it has a time before it.
	high, low := p.level(min(now, p.until.Load()))
	return high<<(64-places) | low>>places
}

func (p *pace) level(now uint64) (high, low uint64) {
	if now >= p.from {
		high, low = bits.Mul64(now-p.from, p.slope)
		low, carry := bits.Add64(low, p.levelLow, 0)
		high, _ = bits.Add64(high, p.levelHigh, carry)
		return high, low
	}
	high, low = bits.Mul64(p.from-now, p.before)
	low, borrow := bits.Sub64(p.levelLow, low, 0)
	high, borrow = bits.Sub64(p.levelHigh, high, borrow)
	if borrow != 0 {
		return 0, 0
	}
	return high, low
}

// when is the first nanosecond at which it is so late; false: never, as things are.
func (p *pace) when(time uint64) (uint64, bool) {
	high, low := bits.Mul64(time, 1<<places)
	low, borrow := bits.Sub64(low, p.levelLow, 0)
	high, borrow = bits.Sub64(high, p.levelHigh, borrow)
	if borrow != 0 {
		return p.from, true // it was that late before this stretch began
	}
	if high >= p.slope {
		return 0, false
	}
	since, rest := bits.Div64(high, low, p.slope)
	if rest != 0 {
		since++
	}
	return p.from + since, since < math.MaxUint64-p.from
}
