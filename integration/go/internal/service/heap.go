package service

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
)

const (
	mib = 1 << 20
	// What an entry takes with all that hangs on it, and how much of it is small objects with pointers.
	entryBytes, leaves = 1536, 10
	page               = 4096
	// A piece of a request's memory.
	piece = 32 << 10
	// Room in the table of entries; a larger heap than this is no service of ours.
	most = 2048 * mib / entryBytes
)

// leaf is a small object that a collector has to follow: 48 bytes.
type leaf struct {
	next  *leaf
	value [5]uint64
}

// entry of the cache: some leaves and a payload.
type entry struct {
	first   *leaf
	payload []byte
}

func newEntry() *entry {
	e := &entry{payload: touched(entryBytes - leaves*48 - 32)} // pages that nobody wrote to do not count
	for range leaves {
		e.first = &leaf{next: e.first}
	}
	return e
}

// cache is what the service keeps: as many entries as it is told, any of which may be replaced at any time.
type cache struct {
	mu      sync.Mutex // of those who change the size
	entries []atomic.Pointer[entry]
	size    atomic.Int64
}

func newCache() *cache { return &cache{entries: make([]atomic.Pointer[entry], most)} }

// resize to so many MiB.
func (c *cache) resize(mibs float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.size.Load()
	size := min(int64(mibs*mib/entryBytes), most)
	for ; now < size; now++ {
		c.entries[now].Store(newEntry())
	}
	c.size.Store(size)
	for ; now > size; now-- {
		c.entries[now-1].Store(nil)
	}
}

// replace an entry, drawn by lot.
func (c *cache) replace() {
	if size := c.size.Load(); size > 0 {
		c.entries[rand.Int64N(size)].Store(newEntry())
	}
}

// sink keeps the compiler from leaving garbage away.
var sink atomic.Pointer[[]byte]

// litter allocates memory, uses it and forgets it.
func litter(kib int) {
	for left := kib << 10; left > 0; left -= piece {
		made := touched(min(left, piece))
		sink.Store(&made)
	}
}

// held memory, all of it in use.
func held(kib int) [][]byte {
	var pieces [][]byte
	for left := kib << 10; left > 0; left -= piece {
		pieces = append(pieces, touched(min(left, piece)))
	}
	return pieces
}

func touched(bytes int) []byte {
	made := make([]byte, bytes)
	for at := 0; at < bytes; at += page {
		made[at] = 1
	}
	return made
}

// kept is what the service keeps besides its calls, in MiB, so long after its beginning.
func kept(s *plan.Shape, t time.Duration) float64 {
	kept := float64(s.LiveMiB)
	if s.GrowOver > 0 {
		kept += float64(s.GrowToMiB-s.LiveMiB) * min(t.Seconds()/s.GrowOver.Seconds(), 1)
	}
	if s.BurstEvery > 0 && t >= s.BurstEvery/2 && (t-s.BurstEvery/2)%s.BurstEvery < time.Second {
		kept += float64(s.BurstMiB)
	}
	return kept + s.LeakMiBPerSecond*t.Seconds()
}
