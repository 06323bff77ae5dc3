package breaker

import (
	"sync/atomic"
	"time"
)

const (
	// Most probes at once.
	mostProbes = 8
	// Most probes of one round that a tally can hold.
	mostInRound = 1000
	// allOut is what a caller is told while all probes are out.
	allOut = 500 * time.Millisecond
)

// probes are the few calls that may find out whether the callee is well again.
//
// Each holds a slot with its generation and deadline. One that never comes back (a lost goroutine, a hung callee) would otherwise
// keep the breaker half open for ever; and a slot of an earlier generation counts as free, so nothing has to be swept when the
// breaker moves on.
type probes [mostProbes]atomic.Uint64

// wished is what became of the wish for a slot.
type wished uint8

const (
	got wished = iota
	everyoneOut
	// The breaker has moved on to a later generation.
	moved
)

// take one of the first so many slots for a probe of a generation.
func (p *probes) take(generation uint64, most int, deadlineMs uint64) (wished, probe) {
	for index := range min(most, mostProbes) {
		held := p[index].Load()
		there := unpackProbe(held)
		switch {
		case held != 0 && there.generation == generation:
		case held != 0 && !there.isBefore(generation):
			return moved, probe{}
		default:
			mine := probe{generation, deadlineMs, index}
			if p[index].CompareAndSwap(held, mine.pack()) {
				return got, mine
			}
		}
	}
	return everyoneOut, probe{}
}

// expired is a probe of a generation that is out for too long.
func (p *probes) expired(generation, nowMs uint64) (probe, bool) {
	for index := range p {
		held := p[index].Load()
		if there := unpackProbe(held); held != 0 && there.generation == generation && there.expired(nowMs) {
			return there, true
		}
	}
	return probe{}, false
}

// giveBack a slot; false when it was taken away meanwhile.
func (p *probes) giveBack(mine probe) bool { return p[mine.index].CompareAndSwap(mine.pack(), 0) }
