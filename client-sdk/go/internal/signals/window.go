package signals

import "time"

const (
	// Readings that are kept, and the least distance between two of them: they cover 2.5 s.
	mostReadings = 32
	spacing      = 80 * time.Millisecond
	// The least span over which a rate is given; less is mostly the grain of the counters.
	leastSpan = 300 * time.Millisecond
	// What all rates are over.
	second = time.Second
)

// window turns counters that are read together into rates over the newest second.
//
// Ticks are late exactly when the machine is in trouble, so every rate divides by the time that really passed between two readings.
type window struct {
	kept   []counters
	newest counters
	known  bool
}

type counters struct {
	at     time.Duration
	totals [3]uint64
}

// push adds a reading. A counter below its previous value means that whatever was counted is a new one, which restarts the history.
func (w *window) push(at time.Duration, totals [3]uint64) {
	if w.known && (at < w.newest.at || totals[0] < w.newest.totals[0] || totals[1] < w.newest.totals[1] || totals[2] < w.newest.totals[2]) {
		w.clear()
	}
	w.newest, w.known = counters{at, totals}, true
	if n := len(w.kept); n > 0 && at-w.kept[n-1].at < spacing {
		return
	}
	if len(w.kept) == mostReadings {
		w.kept = append(w.kept[:0], w.kept[1:]...)
	}
	w.kept = append(w.kept, w.newest)
}

// clear forgets the history: a reading failed, and what comes after may count something else.
func (w *window) clear() { w.kept, w.known = w.kept[:0], false }

// growth over the last second up to the newest reading; false until there are 300 ms of history.
func (w *window) growth() (by [3]uint64, over time.Duration, ok bool) {
	if !w.known {
		return by, 0, false
	}
	base := -1
	for i, reading := range w.kept {
		age := w.newest.at - reading.at
		if age > second {
			base = i // over more, when the caller has paused
			continue
		}
		if age >= leastSpan {
			base = i
		}
		break
	}
	if base < 0 {
		return by, 0, false
	}
	from := w.kept[base]
	for i := range by {
		by[i] = w.newest.totals[i] - from.totals[i]
	}
	return by, w.newest.at - from.at, true
}

// perSecond is the growth of the first counter.
func (w *window) perSecond() Maybe {
	by, over, ok := w.growth()
	if !ok {
		return Maybe{}
	}
	return known(float64(by[0]) / over.Seconds())
}
