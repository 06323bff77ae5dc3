package places

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/proc"
)

// Shards of one limiter, at most.
const mostShards = 64

// Places of a limiter: the limit, what is taken of it, and the counters of each processor. The parts that are written on the way
// of a call have cache lines of their own.
//
// The places that are taken are one word, the gauge. It never exceeds the limit, because a place is taken by a compare-and-swap against
// it. A shard that has work keeps a few places in spare: taken from the gauge and used by nobody. So what is in flight is at most what is
// taken, and that is at most the limit. Most calls use and give back such places, with one atomic addition each (see spare.go); all
// others claim a shard.
type Places struct {
	Limits
	// Whether shards may keep spare places. On a line that is hardly ever written.
	sparing atomic.Bool
	_       [128]byte
	Gauge
	_ [128]byte
	thresholds
	quotas   []quota
	shards   []shard
	mask     int
	clock    *clock.Clock
	sampling sampling
	// Held by whoever turns sparing on or off.
	upkeep sync.Mutex
	// Spare places were needed since the last slice. Under upkeep.
	tightened bool
}

// New makes places for the processors there are now; more of them later share shards. At most one call in so many looks at the clock (0 is
// the same as 512; 1: every call does).
func New(clock *clock.Clock, deadline time.Duration, clockEvery uint32) *Places {
	count := 1 << bits.Len(uint(min(max(runtime.GOMAXPROCS(0), 2), mostShards)-1))
	p := &Places{quotas: make([]quota, count), shards: make([]shard, count), mask: count - 1, clock: clock}
	for i := range p.shards {
		p.shards[i].quota = &p.quotas[i]
	}
	p.thresholds.start(deadline)
	if clockEvery == 0 {
		clockEvery = defaultEvery
	}
	p.sampling.every = uint64(clockEvery)
	return p
}

// HasRoom for a call of that class, as far as can be seen without collecting spare places. False for a class that there is none of.
func (p *Places) HasRoom(class int) bool { return p.taken.Load() < p.caps[class&7].Load() }

// TryQuick is TryEnter for most calls that take one place, where there is room, by a caller that knows its processor. False: TryEnter
// knows. It is small enough to become part of its caller.
func (p *Places) TryQuick(processor int) (Ticket, bool) {
	seat := processor & p.mask
	open := &p.quotas[seat].open
	if open.Load()&quotaMask <= quotaEmpty {
		return Ticket{}, false
	}
	word := open.Add(^uint64(0))
	return newTicket(word>>quotaBits, 1, seat, quick), word&quotaEmpty != 0
}

// LeaveQuick is Leave for a call that IsQuick and succeeded. False: it is counted, but Collect has to be called.
func (p *Places) LeaveQuick(t Ticket) bool {
	count := p.quotas[t.seat()].closed.Add(t.at<<quotaBits|1) & quotaMask
	return p.sparing.Load() && count < foldAt // whoever begins to wait from now on collects this place first
}

// Collect what the shard of such a call has in spare. True when somebody may wait for it.
func (p *Places) Collect(t Ticket) bool {
	p.collect(&p.shards[t.seat()])
	return p.Awaited()
}

// TryEnter takes so many places (no more than there are) for a call of that class, and counts its admission. False: there are not enough.
func (p *Places) TryEnter(class int, places uint64) (Ticket, bool) {
	processor := proc.Pin()
	proc.Unpin() // it is a hint, and a shard is as good as another
	if places == 1 && p.HasRoom(class) {
		if ticket, ok := p.TryQuick(processor); ok {
			return ticket, true
		}
	}
	limit := p.Cap(class)
	return p.enter(processor&p.mask, min(places, max(limit, 1)), limit)
}

// Leave counts the end of a call and gives its places back. True when somebody may wait for them.
func (p *Places) Leave(t Ticket, outcome model.Outcome) bool {
	if outcome == model.OutcomeSuccess && t.IsQuick() {
		return !p.LeaveQuick(t) && p.Collect(t)
	}
	p.leave(t, outcome)
	return p.Awaited()
}

// Reject counts a rejection. Returns a number that hardly ever comes twice, to draw lots from.
func (p *Places) Reject(class int) uint64 {
	seat := proc.Pin()
	count := p.shards[seat&p.mask].rejected[class].Add(1)
	proc.Unpin()
	return count ^ uint64(seat)<<48
}

// Watch the first four of these latencies from now on, and no others: calls that take longer are counted.
func (p *Places) Watch(latencies []time.Duration) { p.thresholds.watch(latencies) }

// enter by claiming a shard: takes places that it has in spare, or some from the gauge.
func (p *Places) enter(seat int, places, limit uint64) (Ticket, bool) {
	seat, s := p.claim(seat)
	p.fold(s, s.guess())
	sparing := p.sparing.Load()
	if !p.take(s, places, limit, sparing) {
		s.unclaim()
		// Near the limit, or at it, spare places are needed, and a place comes from the gauge or not at all.
		if !sparing || !p.enterExactly(places, limit) {
			return Ticket{}, false
		}
		seat, s = p.claim(seat)
		p.fold(s, s.guess())
		sparing = false
	}
	at, kind := uint64(0), timed
	switch {
	case p.sampling.every == 1:
		at = p.clock.Nanos()
		s.admitted++
		s.admitTimeSum += at
	case sparing && places == 1 && s.pulse.slice == p.sampling.slice.Load() && p.grant(s, 1):
		at, kind = s.openedAt, quick
	default:
		at, kind = p.admitSampled(s)
		p.grant(s, 0)
	}
	s.unclaim()
	return newTicket(at, places, seat, kind), true
}

// leave by claiming a shard.
func (p *Places) leave(t Ticket, outcome model.Outcome) {
	_, s := p.claim(t.seat())
	switch {
	case t.kind() == quick:
		now := p.clock.Nanos()
		p.fold(s, now)
		at := t.quickAt(now)
		p.end(s, outcome, at, max(at, now))
	case p.sampling.every == 1:
		// Another core's clock can be a little behind.
		p.release(s, outcome, t.at, max(p.clock.Nanos(), t.at))
	default:
		p.releaseSampled(s, outcome, t.at, t.kind() == timed)
	}
	back := t.Places()
	if p.sparing.Load() && s.spare+back <= p.mostSpare() {
		s.spare, back = s.spare+back, 0
	}
	s.unclaim()
	if back > 0 {
		p.Gauge.leave(back)
	}
}

// claim the shard of a processor, or the next that is free. Whoever is inside stays for some nanoseconds, so there is no waiting
// to speak of.
func (p *Places) claim(seat int) (int, *shard) {
	for tries := 1; ; tries++ {
		if shard := &p.shards[seat&p.mask]; shard.tryClaim() {
			return seat & p.mask, shard
		}
		seat++
		if tries&p.mask == 0 {
			runtime.Gosched()
		}
	}
}
