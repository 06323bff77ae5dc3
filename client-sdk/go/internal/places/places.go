package places

import (
	"math/bits"
	"runtime"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Shards of one limiter, at most.
const mostShards = 64

// Places of a limiter: the limit, what is taken of it, and the counters of each processor. The parts that are written on the way
// of a call have cache lines of their own.
type Places struct {
	Limits
	_ [128]byte
	Gauge
	_ [128]byte
	thresholds
	shards   []shard
	mask     int
	clock    *clock.Clock
	sampling sampling
}

// New makes places for the processors there are now; more of them later share shards. One call in so many looks at the clock (0 is the
// same as 1: every call does).
func New(clock *clock.Clock, deadline time.Duration, clockEvery uint32) *Places {
	count := 1 << bits.Len(uint(min(max(runtime.GOMAXPROCS(0), 2), mostShards)-1))
	p := &Places{shards: make([]shard, count), mask: count - 1, clock: clock}
	p.thresholds.start(deadline)
	p.sampling.every = uint64(max(clockEvery, 1))
	return p
}

// Admit counts an admission, and gives its time and whether that was read from the clock.
func (p *Places) Admit() (at uint64, timed bool) {
	if p.sampling.every == 1 {
		at = p.clock.Nanos()
		shard := p.claim(procPin())
		shard.admitted++
		shard.admitTimeSum += at
		shard.unclaim()
		procUnpin()
		return at, true
	}
	shard := p.claim(procPin())
	at, timed = p.admitSampled(shard)
	shard.unclaim()
	procUnpin()
	return at, timed
}

// Release counts the end of a call.
func (p *Places) Release(outcome model.Outcome, admittedAt uint64, timed bool) {
	if p.sampling.every == 1 {
		// Another core's clock can be a little behind.
		at := max(p.clock.Nanos(), admittedAt)
		shard := p.claim(procPin())
		p.release(shard, outcome, admittedAt, at)
		shard.unclaim()
		procUnpin()
		return
	}
	shard := p.claim(procPin())
	p.releaseSampled(shard, outcome, admittedAt, timed)
	shard.unclaim()
	procUnpin()
}

// Watch the first four of these latencies from now on, and no others: calls that take longer are counted.
func (p *Places) Watch(latencies []time.Duration) { p.thresholds.watch(latencies) }

// CloseSlice begins the next slice of 50 ms.
func (p *Places) CloseSlice() { p.sampling.slice.Add(1) }

// Reject counts a rejection. Returns a number that hardly ever comes twice, to draw lots from.
func (p *Places) Reject(class int) uint64 {
	seat := procPin()
	count := p.shards[seat&p.mask].rejected[class].Add(1)
	procUnpin()
	return count ^ uint64(seat)<<48
}

// claim the shard of a processor, or the next that is free. Whoever is inside stays for some nanoseconds, so there is no waiting
// to speak of.
func (p *Places) claim(seat int) *shard {
	for {
		if shard := &p.shards[seat&p.mask]; shard.tryClaim() {
			return shard
		}
		seat++
	}
}
