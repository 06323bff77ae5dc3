// Package places is the part of a limiter that lies on the way of every call: the limit, the places that are taken, and the
// counters.
package places

import (
	"math"
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Unlimited is a cap that admits everything.
const Unlimited = math.MaxUint64

// Limits is the limit as the request path reads it: one number for each priority, on cache lines that are only read there.
type Limits struct {
	// Those that stand for no priority stay at 0.
	caps      [8]atomic.Uint64
	limitBits atomic.Uint64
	// The largest of the caps.
	largest atomic.Uint64
	// Callers that wait for a place.
	waiting atomic.Int64
}

// Cap is how many places may be taken for a call of that class to be admitted.
func (l *Limits) Cap(class int) uint64 { return l.caps[class].Load() }

// Limit in force, as read back.
func (l *Limits) Limit() float64 { return math.Float64frombits(l.limitBits.Load()) }

// EndWait says that one caller less waits for a place.
func (l *Limits) EndWait() { l.waiting.Add(-1) }

// Awaited says whether anybody waits: whoever gives a place back has to look.
func (l *Limits) Awaited() bool { return l.waiting.Load() > 0 }

// Set puts a limit in force, shared out among the priorities.
func (p *Places) Set(limit float64, shares model.Shares) {
	p.limitBits.Store(math.Float64bits(limit))
	largest := uint64(0)
	for class, share := range shares {
		p.caps[class].Store(capOf(limit, share))
		largest = max(largest, capOf(limit, share))
	}
	if p.largest.Swap(largest) > largest && p.taken.Load() > largest-largest/4 {
		p.tighten()
	}
}

// Open admits everything; the baseline is what is read back, since nothing that was pushed is in force.
func (p *Places) Open(baseline float64) {
	p.limitBits.Store(math.Float64bits(baseline))
	p.largest.Store(Unlimited)
	for class := range model.Priorities {
		p.caps[class].Store(Unlimited)
	}
}

// capOf is whole calls: rounded down, but one at least where the limit allows one and the priority is not shut out.
func capOf(limit, share float64) uint64 {
	if limit < 1 || share <= 0 {
		return 0
	}
	if limit*share >= 1<<62 {
		return 1 << 62
	}
	return max(uint64(limit*share), 1)
}
