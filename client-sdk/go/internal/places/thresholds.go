package places

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// never in place of a latency: no call takes longer.
const never = math.MaxUint64

// thresholds are latencies that make a call count as late or as slow, nanoseconds.
//
// A call is late after the deadline that its service declared, and slow after a latency that some policy watches. There are up to five of
// them, and most calls exceed none: the request path compares with the shortest only, and looks further where that was exceeded.
type thresholds struct {
	shortest atomic.Uint64
	deadline uint64
	// Only the session writes here. A latency keeps its place for as long as it is watched.
	watched [model.MostWatched]atomic.Uint64
}

func (t *thresholds) start(deadline time.Duration) {
	t.deadline = never
	if deadline > 0 {
		t.deadline = uint64(deadline)
	}
	t.shortest.Store(t.deadline)
	for i := range t.watched {
		t.watched[i].Store(never)
	}
}

// watch the first few of these latencies from now on, and no others.
func (t *thresholds) watch(latencies []time.Duration) {
	var missing []uint64
	shortest := t.deadline
	for _, after := range latencies[:min(len(latencies), model.MostWatched)] {
		missing = append(missing, uint64(after))
		shortest = min(shortest, uint64(after))
	}
	var free []*atomic.Uint64
	for i := range t.watched {
		place := &t.watched[i]
		if at := slices.Index(missing, place.Load()); at >= 0 {
			missing = slices.Delete(missing, at, at+1)
		} else {
			free = append(free, place)
		}
	}
	for i, place := range free {
		after := uint64(never)
		if i < len(missing) {
			after = missing[i]
		}
		place.Store(after)
	}
	t.shortest.Store(shortest)
}

// slowCalls are the watched latencies, each with its count of counts.
func (t *thresholds) slowCalls(counts *[model.MostWatched]uint64, totals *model.Totals) {
	for i := range t.watched {
		if after := t.watched[i].Load(); after != never {
			totals.Slow[totals.SlowWatched] = model.SlowCalls{After: time.Duration(after), Calls: counts[i]}
			totals.SlowWatched++
		}
	}
}

// exceeded says whether a call of that latency is late, slow or both.
func (t *thresholds) exceeded(latency uint64) bool { return latency > t.shortest.Load() }

// count so many calls of a latency that exceeds the shortest threshold.
func (t *thresholds) count(s *shard, latency, times uint64, success bool) {
	if success && latency > t.deadline {
		s.late += times
	}
	for i := range t.watched {
		if latency > t.watched[i].Load() {
			s.slow[i] += times
		}
	}
}
