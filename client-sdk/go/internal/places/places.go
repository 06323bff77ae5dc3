package places

import (
	"math/bits"
	"runtime"

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
	_       [128]byte
	shards  []shard
	mask    int
	watched Watched
}

// New makes places for the processors there are now; more of them later share shards.
func New(watched Watched) *Places {
	count := 1 << bits.Len(uint(min(max(runtime.GOMAXPROCS(0), 2), mostShards)-1))
	return &Places{shards: make([]shard, count), mask: count - 1, watched: watched}
}

// Admit counts an admission.
func (p *Places) Admit(at uint64) {
	shard := p.claim(procPin())
	shard.admitted++
	shard.admitTimeSum += at
	shard.unclaim()
	procUnpin()
}

// Release counts the end of a call.
func (p *Places) Release(outcome model.Outcome, admittedAt, at uint64) {
	shard := p.claim(procPin())
	shard.release(outcome, admittedAt, at, &p.watched)
	shard.unclaim()
	procUnpin()
}

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
