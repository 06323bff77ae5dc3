// Package reflex is the SDK's own fast reaction to an overload, between two pushes and without a sidecar.
//
// The sidecar decides every 100 ms on what it was told 100 ms ago, and it can be gone. The reflex looks at the limiter's counters
// every 10 ms and knows two signs: calls in flight that are far older than a call ever was while callers are rejected, and calls
// that end in overload. Then it bounds the limit, below what was asked for, to what the last 100 ms have shown to be enough:
// successes per second * max(1.5 * baseline latency, 0.35 * deadline).
//
// Why not simply cut for as long as the signs last: a dependency that hangs or has become slower shows the same signs, and there
// less concurrency only means less work done. So a cut is an experiment with an end:
//
//	state         leaves when                                                     to
//	armed         a sign                                                          cut, from what the limiter did before the cut
//	cut           held for 500 ms, drained, the sign is gone: it helped           cut, twice as high; armed once that is the limit
//	cut, doubled  a sign                                                          cut, as high as it was when it helped
//	cut           the same, but the sign is still there, or not drained in 2 s    resting, without a bound
//	cut           the sidecar has pushed: it knows more                           resting for 500 ms, without a bound
//	cut           a sidecar steers and has not pushed for 300 ms: it left the     resting, without a bound
//	              limit although it sees what there is to see
//	resting       its time is over: 1 s, doubled by each failure, up to 32 s      armed
//
// A gap between two steps (the process was stopped) makes every call look old, so the reflex rests after one. It is the same law,
// with the same constants, as that of the Rust SDK.
package reflex

import (
	"math"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	// Every so often Step is meant to be called.
	Every = 10 * time.Millisecond

	// Signs and throughput are looked for in this much of the past.
	past = 100 * time.Millisecond
	// A cut holds for this long before it is judged, and so does every doubling after it.
	hold = 500 * time.Millisecond
	// While a sidecar steers, a cut only bridges the time that it needs to answer.
	bridge = 300 * time.Millisecond
	// Calls in flight have this long to drain to a cut.
	longestDrain = 2 * time.Second
	shortestRest = time.Second
	longestRest  = 32 * time.Second

	// Calls in flight are old when their mean age is above so many baseline latencies.
	old = 4.0
	// ... and above this share of the deadline, where there is one: a queue that all will survive is the sidecar's to judge.
	tooOld = 0.5
	// What is enough lets calls take this share of the deadline: a short queue keeps the service busy.
	inTime = 0.35
	// Fewest drops in a window, and their least share of the calls that ended in success or overload.
	fewestDrops = 5
	dropRatio   = 0.1
	// Room above what the throughput needs, and what is left of the limit where no baseline latency is known.
	room  = 1.5
	blind = 0.7
	// A bound that takes away less than this is not worth an experiment.
	worth = 0.9
	// Marks that are kept: a window at the usual pace and some more.
	mostMarks = 32
)

// Cut is a bound below the limit that was asked for.
type Cut struct {
	// Cap: at most so many calls.
	Cap   float64
	Cause model.ReflexCause

	since time.Duration
	// Half as high it helped.
	doubled bool
}

// Allowed is what the limiter is allowed without the reflex.
type Allowed struct {
	// Limit that was asked for, and its hard lower bound.
	Limit, Floor float64
	// BaselineLatency without a queue; 0 is not known, so that no call counts as old.
	BaselineLatency time.Duration
	// Deadline is how long the caller of a call waits for it; 0 is not known.
	Deadline time.Duration
	// Steered: a sidecar has set the limit and sees the same counters.
	Steered bool
}

type state uint8

const (
	armed state = iota
	cutting
	resting
)

type mark struct {
	at                           time.Duration
	completed, dropped, rejected uint64
}

// recent is what happened in the window.
type recent struct {
	seconds                      float64
	completed, dropped, rejected uint64
}

// Reflex of one limiter. The zero value is armed.
type Reflex struct {
	state state
	cut   Cut
	until time.Duration
	// Oldest first; the first one is at least a window old once it runs.
	marks []mark
	// How long the next rest is; 0 is the shortest.
	rest time.Duration
	// When it began to rest last.
	rested time.Duration
	cuts   uint64
}

// Step looks once; the time is that of the totals. It gives the bound that holds from now on, if there is one: never above the
// limit, never below its floor. A few dozen nanoseconds, no allocation once it runs.
func (r *Reflex) Step(totals *model.Totals, allowed *Allowed) (Cut, bool) {
	now := time.Duration(totals.AtNanos)
	seen, known := r.look(now, totals)
	cause := model.ReflexNone
	if known {
		cause = sign(totals, &seen, allowed)
	}
	switch {
	case r.state == resting && now < r.until:
	case r.state == cutting:
		r.hold(now, totals, cause, allowed)
	default:
		r.watch(now, totals, &seen, cause, allowed)
	}
	return r.Cut()
}

// Pushed says that the sidecar has just set the limit: it knows more than the reflex.
func (r *Reflex) Pushed(now time.Duration) {
	if r.state == cutting {
		r.take(now, hold)
	}
}

// Cut is the bound in force.
func (r *Reflex) Cut() (Cut, bool) { return r.cut, r.state == cutting }

// Cuts is how many were made.
func (r *Reflex) Cuts() uint64 { return r.cuts }

func (r *Reflex) take(now, rest time.Duration) {
	r.state, r.cut, r.until = resting, Cut{}, now+rest
}

func (r *Reflex) disarm() { r.state, r.cut = armed, Cut{} }

// look takes the counters in. False until there is a window, and after a gap.
func (r *Reflex) look(now time.Duration, totals *model.Totals) (recent, bool) {
	if n := len(r.marks); n > 0 && now-r.marks[n-1].at > past {
		r.marks = r.marks[:0]
		r.take(now, hold)
	}
	drop := 0
	for drop+1 < len(r.marks) && (now-r.marks[drop+1].at >= past || len(r.marks)-drop >= mostMarks) {
		drop++
	}
	r.marks = append(r.marks[:0], r.marks[drop:]...)
	newest := mark{now, totals.Completed, totals.Dropped, totals.AllRejected()}
	r.marks = append(r.marks, newest)
	first := r.marks[0]
	if now-first.at < past {
		return recent{}, false
	}
	return recent{
		(now - first.at).Seconds(), newest.completed - first.completed, newest.dropped - first.dropped, newest.rejected - first.rejected,
	}, true
}

// watch looks for a reason to cut.
func (r *Reflex) watch(now time.Duration, totals *model.Totals, seen *recent, cause model.ReflexCause, allowed *Allowed) {
	r.disarm()
	if cause == model.ReflexNone {
		return
	}
	if enough := enough(totals, seen, allowed); enough < worth*allowed.Limit {
		r.begin(enough, cause, now)
	}
}

func (r *Reflex) begin(limit float64, cause model.ReflexCause, now time.Duration) {
	r.cuts++
	r.state, r.cut = cutting, Cut{Cap: limit, Cause: cause, since: now}
}

func (r *Reflex) hold(now time.Duration, totals *model.Totals, cause model.ReflexCause, allowed *Allowed) {
	// The limit may have come down by itself, or the floor up.
	r.cut.Cap = max(r.cut.Cap, lowest(allowed))
	if r.cut.Cap >= allowed.Limit {
		r.disarm()
		return
	}
	if r.cut.doubled && cause != model.ReflexNone {
		r.begin(max(r.cut.Cap/2, lowest(allowed)), cause, now)
		return
	}
	held := now - r.cut.since
	drained := float64(totals.InFlight()) <= r.cut.Cap
	switch {
	case allowed.Steered && held >= bridge:
		r.takeRest(now)
	case held < hold || (!drained && held < longestDrain):
	case cause != model.ReflexNone || !drained:
		r.takeRest(now)
	default:
		r.rest = 0
		r.cut.Cap, r.cut.since, r.cut.doubled = 2*r.cut.Cap, now, true
	}
}

// takeRest, twice as long as the last time unless that was long ago.
func (r *Reflex) takeRest(now time.Duration) {
	rest := r.rest
	if now-r.rested > 2*longestRest {
		rest = 0
	}
	rest = max(rest, shortestRest)
	r.rest, r.rested = min(2*rest, longestRest), now
	r.take(now, rest)
}

// sign of an overload, if there is one.
func sign(totals *model.Totals, seen *recent, allowed *Allowed) model.ReflexCause {
	if seen.dropped >= fewestDrops && float64(seen.dropped) > dropRatio*float64(seen.completed+seen.dropped) {
		return model.ReflexDrops
	}
	inFlight := totals.InFlight()
	if seen.rejected == 0 || inFlight == 0 || allowed.BaselineLatency == 0 {
		return model.ReflexNone
	}
	if age := totals.InFlightAgeSum().Seconds() / float64(inFlight); age > max(tooOld*allowed.Deadline.Seconds(), old*allowed.BaselineLatency.Seconds()) {
		return model.ReflexOldCalls
	}
	return model.ReflexNone
}

// enough is how many calls at once are enough for what was done in the window. A count of events is off by about its root, and
// the benefit of that doubt goes to the callers.
func enough(totals *model.Totals, seen *recent, allowed *Allowed) float64 {
	atMost := func(count uint64) float64 { return float64(count) + math.Sqrt(float64(count)) }
	var limit float64
	if allowed.BaselineLatency > 0 {
		latency := max(inTime*allowed.Deadline.Seconds(), room*allowed.BaselineLatency.Seconds())
		limit = atMost(seen.completed) / seen.seconds * latency
	} else {
		limit = blind * min(allowed.Limit, atMost(totals.InFlight()))
	}
	return min(max(limit, lowest(allowed)), allowed.Limit)
}

func lowest(allowed *Allowed) float64 { return min(max(allowed.Floor, 1), allowed.Limit) }
