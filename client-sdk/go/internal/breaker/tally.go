package breaker

import (
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// tally is what is counted of one generation, in one word: failures in a row while calls pass, or the probes while it is half open.
//
// The word carries the generation that it is about, so nothing has to be taken back to zero when the breaker moves on, and a count of
// an earlier generation can never be taken for one of this. Whoever adds to it says which generation the calls were of; where the
// breaker has moved on meanwhile, nothing is added.
type tally struct{ word atomic.Uint64 }

// Of each of the four counts of probes, of which there are 1000 at the most.
const countBits = 10

// ended is what became of a probe.
type ended uint8

const (
	well ended = iota
	badly
	// It says nothing.
	ignored
	// It was never used.
	givenBack
)

func probedOf(counts uint64) model.Probed {
	count := func(place int) uint32 { return uint32(counts>>(place*countBits)) & (1<<countBits - 1) }
	return model.Probed{LetOut: count(0), Succeeded: count(1), Failed: count(2), Ignored: count(3)}
}

// fail adds a failure to the row and returns how many it has; false when the breaker has moved on.
func (t *tally) fail(m *Machine, generation uint64) (uint64, bool) {
	return t.change(m, generation, func(row uint64) (uint64, bool) { return row + 1, true })
}

// clear ends the row, if there is one (the usual case is that there is none, and then nothing is written).
func (t *tally) clear(generation uint64) {
	held := t.word.Load()
	if held>>generationBits != 0 && held%generations == generation {
		// Lost to another completion: either order of the two is as true as the other.
		t.word.CompareAndSwap(held, generation)
	}
}

// row of failures.
func (t *tally) row(generation uint64) uint64 {
	if held := t.word.Load(); held%generations == generation {
		return held >> generationBits
	}
	return 0
}

// letOut lets one of so many probes out. False: all have been; moved: the breaker has.
func (t *tally) letOut(m *Machine, generation uint64, total uint32) (granted, moved bool) {
	_, current := t.change(m, generation, func(counts uint64) (uint64, bool) {
		granted = probedOf(counts).LetOut < total
		return counts + 1, granted
	})
	return granted && current, !current
}

// ended counts the end of a probe and returns all of the round; false when the breaker has moved on.
func (t *tally) ended(m *Machine, generation uint64, how ended) (model.Probed, bool) {
	counts, current := t.change(m, generation, func(counts uint64) (uint64, bool) {
		if how == givenBack {
			return counts - 1, counts > 0
		}
		return counts + 1<<((int(how)+1)*countBits), true
	})
	return probedOf(counts), current
}

// probed are the probes of a generation.
func (t *tally) probed(generation uint64) model.Probed {
	if held := t.word.Load(); held%generations == generation {
		return probedOf(held >> generationBits)
	}
	return model.Probed{}
}

// change the counts of a generation, which are 0 if there are none. False when the breaker is in another generation.
func (t *tally) change(m *Machine, generation uint64, edit func(uint64) (uint64, bool)) (uint64, bool) {
	for {
		held := t.word.Load()
		counts := uint64(0)
		if held%generations == generation {
			counts = held >> generationBits
		} else if unpackWord(m.word.Load()).generation != generation {
			return 0, false
		}
		next, wanted := edit(counts)
		if !wanted {
			return counts, true
		}
		if t.word.CompareAndSwap(held, next<<generationBits|generation) {
			return next, true
		}
	}
}
