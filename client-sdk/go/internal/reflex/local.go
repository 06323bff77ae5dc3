package reflex

import (
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	// Fewest successes, and least length, of a stretch.
	localSamples = 40
	localSeconds = 0.25
	// A stretch of thin traffic that takes longer than this is given up.
	longestStretch = 60.0
	// See window.imbalance.
	fits = 0.15
	// How fast a lower latency is believed, and a higher one.
	believeDown = 0.15
	believeUp   = 0.05
)

// LocalBaseline is the latency of calls without a queue, as the limiter itself can tell: for the time without a sidecar.
//
// It is kept as a pair with the concurrency at which it was seen. Latency that rises while concurrency rises may be a queue of our
// own making, so it is believed only at the same concurrency or less. Only stretches without a rejection or a drop count, with
// enough calls in them for a mean, and only when throughput, latency and concurrency fit together.
type LocalBaseline struct {
	from   model.Totals
	begun  bool
	learnt bool
	// What was learnt: seconds and calls.
	latency, inFlight float64
}

// Learn takes the newest totals; meant to be called every 50 ms or so.
func (l *LocalBaseline) Learn(totals *model.Totals) {
	w, ok := window{}, false
	if l.begun {
		w, ok = between(&l.from, totals)
	}
	if !ok {
		l.from, l.begun = *totals, true
		return
	}
	enough := w.completed >= localSamples && w.seconds >= localSeconds
	if !(enough || w.rejected > 0 || w.dropped > 0 || w.seconds > longestStretch) {
		return
	}
	l.from = *totals
	if enough && w.rejected == 0 && w.dropped == 0 && !w.stalled {
		l.take(&w)
	}
}

// Latency is the mean latency without a queue; 0 before the first quiet stretch.
func (l *LocalBaseline) Latency() time.Duration {
	return time.Duration(l.latency * 1e9)
}

func (l *LocalBaseline) take(w *window) {
	imbalance, known := w.imbalance()
	switch {
	case w.meanLatency <= 0 || w.meanInFlight <= 0 || !known || imbalance > fits:
	case !l.learnt:
		l.learnt, l.latency, l.inFlight = true, w.meanLatency, w.meanInFlight
	case w.meanLatency < l.latency:
		l.latency += believeDown * (w.meanLatency - l.latency)
	case w.meanInFlight <= 1.05*l.inFlight:
		l.latency += believeUp * (w.meanLatency - l.latency)
		l.inFlight = min(l.inFlight, w.meanInFlight)
	}
}
