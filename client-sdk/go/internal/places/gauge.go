package places

import "sync/atomic"

// Gauge is how many places are taken, exactly.
//
// Admission is one compare-and-swap loop on one word, never "look, then add": two callers can not both take the last place.
// Lowering the limit below what is in flight needs no surgery: calls are refused until enough of them have left.
type Gauge struct {
	taken atomic.Uint64
	// Most taken since it was last asked for.
	peak atomic.Uint64
	// Whether a limit was reached since that was last asked for.
	limited atomic.Bool
}

// tryEnter takes so many places when no more than limit are taken then.
func (g *Gauge) tryEnter(places, limit uint64) bool {
	entered := g.tryTake(places, limit)
	if !entered || g.taken.Load() >= limit {
		g.noteLimited()
	}
	return entered
}

// tryTake is the same for places of which some are spare.
func (g *Gauge) tryTake(places, limit uint64) bool {
	for {
		taken := g.taken.Load()
		if taken >= limit || places > limit-taken {
			return false
		}
		if g.taken.CompareAndSwap(taken, taken+places) {
			// This core owns the line now, so this look costs nothing; the writes are rare.
			if taken+places > g.peak.Load() {
				g.raise(taken + places)
			}
			return true
		}
	}
}

// leave gives places back that were taken.
func (g *Gauge) leave(places uint64) { g.taken.Add(^(places - 1)) }

// takePeak is the most that were taken at once since the last call.
func (g *Gauge) takePeak() uint64 { return max(g.peak.Swap(0), g.taken.Load()) }

// TakeLimited says whether a limit was reached since the last call.
func (g *Gauge) TakeLimited() bool { return g.limited.Swap(false) }

func (g *Gauge) raise(to uint64) {
	for {
		peak := g.peak.Load()
		if to <= peak || g.peak.CompareAndSwap(peak, to) {
			return
		}
	}
}

func (g *Gauge) noteLimited() {
	if !g.limited.Load() {
		g.limited.Store(true)
	}
}
