package bucket

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// Places of a set.
	ways     = 8
	timeBits = 40
	timeMask = 1<<timeBits - 1
	// A time so little ahead of now is ahead, a thousand tokens: another goroutine has looked at the clock later. What seems further
	// ahead is long ago.
	slightlyAhead = 1 << 18
	// 64 MiB.
	mostSets = 1 << 20
)

// Table is the store of a bucket for each key: of fixed size, without a lock.
//
// Keys come from outside, as many as somebody likes. A map of them grows without bound, or forgets the oldest, and then whoever makes up
// keys fast enough makes it forget those that are being held back. What helps is that a bucket that is full says nothing: an unknown key
// has a full one. So a place is taken from the key whose bucket will be full soonest:
//
//   - Memory is fixed when the table is made, eight bytes a place.
//   - No key is ever rejected because of other keys: what a key loses by being forgotten is what it has spent.
//   - A key that is held back is forgotten last, only for keys that have spent as much: in its set of eight places, seven others must
//     have spent more than it has, and an eighth comes. Which keys share a set depends on a seed that nobody outside knows.
//
// A set is a cache line, a place one word: 24 bits of the key's hash, and 40 bits of the token time up to which its bucket is spent. What
// the short words cost: two keys of a set are taken for one with a chance of one in 16 million; a key that comes back after exactly four
// billion tokens of its rate may find its bucket as it left it, instead of full; and two goroutines that see a new key at the same
// moment may each give it a bucket.
type Table struct {
	sets      []set
	forgotten atomic.Uint64
}

type set [ways]atomic.Uint64

// NewTable for so many keys that are held back at once: twice as many places, so that a set with too many of them is rare.
func NewTable(keys int) *Table {
	wanted := min(max(keys, 0)/(ways/2), mostSets)
	return &Table{sets: make([]set, 1<<bits.Len(uint(max(wanted, 1)-1)))}
}

// Forgotten is how often a key was forgotten that had still something spent.
func (t *Table) Forgotten() uint64 { return t.forgotten.Load() }

// TakeKey takes so many tokens of the bucket of a key, by its hash: see Take.
func (t *Terms) TakeKey(table *Table, hash uint64, tokens uint32) (time.Duration, bool) {
	if !t.open {
		return NotSoon, false
	}
	now := t.now()
	full := now - min(t.capacity, now)
	// The sets are a power of two.
	set := &table.sets[hash>>24&uint64(len(table.sets)-1)]
	for {
		way, found, known := set.find(hash, now)
		before, spent := spentOf(found, now), uint64(0)
		if known {
			spent = before
		}
		next, ok := t.spend(spent, now, tokens)
		if !ok {
			return t.wait(next), false
		}
		if set[way].CompareAndSwap(found, tag(hash)<<timeBits|next&timeMask) {
			if !known && before > full {
				table.forgotten.Add(1)
			}
			return 0, true
		}
	}
}

// find the place that holds this key, or that it takes over, and the word there.
func (s *set) find(hash, now uint64) (way int, found uint64, known bool) {
	soonest := ^uint64(0)
	for i := range s {
		word := s[i].Load()
		if word>>timeBits == tag(hash) {
			return i, word, true
		}
		if spent := spentOf(word, now); spent < soonest {
			way, found, soonest = i, word, spent
		}
	}
	return way, found, false
}

// tag are the bits of a hash that are kept; never 0, which is an empty place.
func tag(hash uint64) uint64 { return max(hash&0xff_ffff, 1) }

// spentOf is the time of a word, 0 for an empty place.
func spentOf(word, now uint64) uint64 {
	if word == 0 {
		return 0
	}
	ago := (now - word) & timeMask
	if toCome := timeMask + 1 - ago; toCome <= slightlyAhead {
		return now + toCome
	}
	return now - min(ago, now)
}
