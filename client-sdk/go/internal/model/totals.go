package model

import "time"

// SquareUnitNanos is the root of the unit of Totals.SuccessLatencySqSum: (64 us)^2, so that squares of seconds still fit.
const SquareUnitNanos = 64_000

// MostWatched is how many latencies are watched of one limiter at most.
const MostWatched = 4

// ReflexCause is why a limiter's reflex holds the limit down. The numbers are those of the wire.
type ReflexCause int32

// The causes of a reflex.
const (
	ReflexNone ReflexCause = iota
	// ReflexOldCalls: calls in flight are far older than a call ever was, and callers are rejected.
	ReflexOldCalls
	// ReflexDrops: calls end in overload.
	ReflexDrops
	// ReflexRecovery: the breaker of the same name recovers. Not the reflex itself, but held down all the same.
	ReflexRecovery
)

// String is the name in metrics and logs.
func (c ReflexCause) String() string {
	switch c {
	case ReflexOldCalls:
		return "old_calls"
	case ReflexDrops:
		return "drops"
	case ReflexRecovery:
		return "recovery"
	default:
		return "none"
	}
}

// SlowCalls counts calls that took longer than a watched latency.
type SlowCalls struct {
	After time.Duration
	Calls uint64
}

// Totals is what one limiter has seen since its process started. Every counter wraps, and the reader takes differences: a lost
// or repeated report changes nothing. All times are nanoseconds on the SDK's clock.
type Totals struct {
	AtNanos    uint64
	StallNanos uint64
	// Arrived calls asked for a permit.
	Arrived, Admitted                     uint64
	Completed, Dropped, Failed, Cancelled uint64
	Rejected                              [Priorities]uint64
	// Late successes were answered after their deadline.
	Late                          uint64
	AdmitTimeSum, ReleaseTimeSum  uint64
	LatencySum, SuccessLatencySum uint64
	SuccessLatencySqSum           uint64
	InFlightPeak                  uint64
	ConsecutiveFailures           uint64
	LimitInForce                  float64
	Limited                       bool
	Reflexes                      uint64
	Reflex                        ReflexCause
	Slow                          [MostWatched]SlowCalls
	SlowWatched                   int
	// QueueWaits are calls that waited for a place and were admitted or refused since, and the sum of their waits; Waiting wait now.
	QueueWaits, QueueWaitSum, Waiting uint64
	// Probed are the probes of the breaker of the same name in the round that was pushed, if HasProbed.
	Probed    Probed
	HasProbed bool
	// RetryAfter is how much longer the callee has asked to be left alone; 0: it did not ask.
	RetryAfter time.Duration
}

// Probed are the probes of one round of a half-open breaker.
type Probed struct {
	// Round as it was pushed.
	Round uint32
	// LetOut so far; of these came back well; badly, or not within the deadline; and said nothing.
	LetOut, Succeeded, Failed, Ignored uint32
}

// Watch is a latency that some policy watches: calls of the limiters of a resource ("db" of limit.db) that take longer are counted.
type Watch struct {
	Resource string
	After    time.Duration
}

// Released is the number of calls released in whatever way.
func (t *Totals) Released() uint64 { return t.Completed + t.Dropped + t.Failed + t.Cancelled }

// InFlight is the number of calls in flight.
func (t *Totals) InFlight() uint64 { return t.Admitted - t.Released() }

// AllRejected is the number of calls rejected, all priorities.
func (t *Totals) AllRejected() uint64 {
	var sum uint64
	for _, n := range t.Rejected {
		sum += n
	}
	return sum
}

// InFlightAgeSum is the sum of the ages of the calls now in flight: hung calls show before they end.
func (t *Totals) InFlightAgeSum() time.Duration {
	// Admission times of the calls in flight = all admission times - those of released calls, which are release - latency.
	inFlightAdmitSum := t.AdmitTimeSum - (t.ReleaseTimeSum - t.LatencySum)
	// A read between two counters of one call can be off by that call's time in either direction.
	return max(time.Duration(int64(t.InFlight()*t.AtNanos-inFlightAdmitSum)), 0)
}
