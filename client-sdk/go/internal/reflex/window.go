package reflex

import (
	"math"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// window is what happened between two readings of the same counters; times are seconds.
type window struct {
	seconds                      float64
	completed, dropped, rejected uint64
	// meanLatency of successes; 0 without any.
	meanLatency  float64
	throughput   float64
	meanInFlight float64
	stalled      bool
}

// between gives the window of two readings; false when no time passed between them.
func between(earlier, later *model.Totals) (window, bool) {
	if later.AtNanos <= earlier.AtNanos {
		return window{}, false
	}
	nanos := later.AtNanos - earlier.AtNanos
	w := window{
		seconds: float64(nanos) / 1e9, completed: later.Completed - earlier.Completed, dropped: later.Dropped - earlier.Dropped,
		rejected: later.AllRejected() - earlier.AllRejected(), meanInFlight: meanInFlight(earlier, later, nanos),
		stalled: later.StallNanos != earlier.StallNanos,
	}
	w.throughput = float64(later.Released()-earlier.Released()) / w.seconds
	if w.completed > 0 {
		w.meanLatency = float64(later.SuccessLatencySum-earlier.SuccessLatencySum) / float64(w.completed) / 1e9
	}
	return w, true
}

// imbalance is how far the window is from steady state: |ln(X R / I)|, 0 by Little's law when arrivals and departures balance.
func (w *window) imbalance() (float64, bool) {
	balance := w.throughput * w.meanLatency / w.meanInFlight
	if !(balance > 0) || math.IsInf(balance, 0) {
		return 0, false
	}
	return math.Abs(math.Log(balance)), true
}

// meanInFlight is the exact integral of calls over time, I(t1)(t2-t1) + (t2 dA - dSA) - (t2 dN - dSC), divided by the length.
func meanInFlight(earlier, later *model.Totals, nanos uint64) float64 {
	t2 := later.AtNanos
	area := func(count, timeSum uint64) float64 { return float64(int64(t2*count - timeSum)) }
	came := area(later.Admitted-earlier.Admitted, later.AdmitTimeSum-earlier.AdmitTimeSum)
	went := area(later.Released()-earlier.Released(), later.ReleaseTimeSum-earlier.ReleaseTimeSum)
	stood := float64(earlier.InFlight()) * float64(nanos)
	return max((stood+came-went)/float64(nanos), 0)
}
