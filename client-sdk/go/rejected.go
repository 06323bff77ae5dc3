package setpoint

import (
	"fmt"
	"time"
)

// Rejected is the only error that a caller ever sees: a call that was not let in. It is made in advance and shared, so it is not to
// be changed.
type Rejected struct {
	// Limit is the knob that said no, such as limit.db.
	Limit  string
	Reason RejectReason
	// RetryAfter is when another attempt makes sense: 10 ms to 5 s for limits and rates, up to the breaker's wait for a breaker.
	RetryAfter time.Duration
}

func (r *Rejected) Error() string {
	return fmt.Sprintf("%s: %s, retry after %v", r.Limit, r.Reason, r.RetryAfter)
}

// RejectReason is why a call was not let in.
type RejectReason uint8

const (
	// ConcurrencyLimit: as many calls are in flight as may be.
	ConcurrencyLimit RejectReason = iota + 1
	// BreakerIsOpen: the breaker is open, or half open with all its probes out.
	BreakerIsOpen
	// RateLimit: the bucket is empty.
	RateLimit
	// QueueFull: as many calls wait as may, or a more important one needed the room.
	QueueFull
	// QueueWait: a place would have come too late.
	QueueWait
	// Throttled: the callee refuses most calls.
	Throttled
	// ConnectionLimit: as many connections are open as may be.
	ConnectionLimit
	// DeadlineOver: the time in which an answer is of use is over, or too short.
	DeadlineOver
)

// The names of the reasons, as in headers, metrics and logs.
var reasonNames = [...]string{
	"unknown", "concurrency_limit", "breaker_open", "rate_limit", "queue_full", "queue_wait", "throttled", "connection_limit", "deadline",
}

// String is the name in headers, metrics and logs.
func (r RejectReason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return reasonNames[0]
}

// The shortest and the longest advice of a limit or a rate.
const (
	shortestAdvice = 10 * time.Millisecond
	longestAdvice  = 5 * time.Second
)

// adviceCount is how many different answers there are at a time.
const adviceCount = 32

// advice is what rejected callers are told: to come back when about one place has become free, spread by half in both directions
// so that they do not come back together. All answers are made in advance, so that a rejection allocates nothing.
type advice struct {
	every   time.Duration
	answers [adviceCount]Rejected
}

// adviseEvery makes the answers for a place that becomes free every so often.
func adviseEvery(limit string, reason RejectReason, every time.Duration) *advice {
	every = min(max(every, 0), longestAdvice)
	shortest := max(every/2, shortestAdvice)
	longest := min(max(every/2*3, shortest), longestAdvice)
	a := &advice{every: every}
	for i := range a.answers {
		step := (longest - shortest) / (adviceCount - 1)
		a.answers[i] = Rejected{limit, reason, shortest + time.Duration(i)*step}
	}
	return a
}

// isFar says whether the answers are off by more than a quarter.
func (a *advice) isFar(every time.Duration) bool {
	every = min(every, longestAdvice)
	return max(every, a.every)-min(every, a.every) > a.every/4+time.Millisecond
}

// draw one of them, by a number that hardly ever comes twice: the golden ratio spreads numbers that follow each other.
func (a *advice) draw(lot uint64) *Rejected {
	return &a.answers[lot*0x9e3779b97f4a7c15>>59]
}
