package setpoint

import (
	"context"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/queue"
)

const (
	// What a caller without time is told: its own caller is gone, and the next one has a deadline of its own.
	hopelessAdvice = 10 * time.Millisecond
	// One in so many calls that seem hopeless is let through, so that an estimate that is too high does not stay.
	letThrough = 16
)

// Acquire admits a call that may have a deadline, that of its context, and waits for a place if the limiter was built with a Queue and
// there is none at once; without a queue it never waits.
//
// A call whose deadline is over is refused, even if there is room; it is not counted, since it says nothing about the limit. A call
// waits no longer than leaves it time for the latency of a call without a queue (where the context has no deadline, that of the
// limiter counts, if it has one), and no longer than 10 ms while the queue stands, that is, while its head has always waited for more
// than 5 ms in the last 100 ms: then the newest comes first as well. Higher priorities come first always. The wait is ended to within
// 10 ms. The error is a *Rejected, or that of the context where its end ended the wait.
//
// With a free place it costs what TryAcquire costs, and a reading of the clock where the context has a deadline. To wait takes a lock,
// held for well under a microsecond.
func (l *Limiter) Acquire(ctx context.Context, priority Priority) (Permit, error) {
	return l.AcquireMany(ctx, priority, 1)
}

// AcquireMany is the same for a call that is as heavy as several: see TryAcquireMany. While it is next in line, nobody of its priority
// or a lower one who waits is let in before it.
func (l *Limiter) AcquireMany(ctx context.Context, priority Priority, count uint32) (Permit, error) {
	class := priority.class()
	if class < 0 {
		return Permit{}, nil
	}
	left, hasDeadline := timeLeft(ctx)
	if hasDeadline && (left <= 0 || l.isHopeless(left)) {
		return Permit{}, &Rejected{l.tuning.slot.Knob().Name, DeadlineOver, hopelessAdvice}
	}
	if l.queue == nil {
		return l.TryAcquireMany(priority, count)
	}
	if !l.places.Awaited() {
		if permit, ok, err := l.take(class, count); ok || err != nil {
			return permit, err
		}
	}
	return l.wait(ctx, class, count, l.patience(left, hasDeadline))
}

// timeLeft of a context's deadline.
func timeLeft(ctx context.Context) (time.Duration, bool) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, false
	}
	return time.Until(deadline), true
}

// isHopeless: a call with so little time left could only end too late.
func (l *Limiter) isHopeless(left time.Duration) bool {
	if l.hopeless == nil {
		return false
	}
	usual := l.tuning.baselineLatency()
	return usual > 0 && left < usual && l.hopeless.Add(1)%letThrough != 0
}

// patience is how long a caller may wait; negative: there is no end to it.
func (l *Limiter) patience(left time.Duration, hasDeadline bool) time.Duration {
	if !hasDeadline {
		if left = l.tuning.slot.Knob().Deadline; left == 0 {
			return -1
		}
	}
	return max(left-l.tuning.baselineLatency(), 0)
}

func (l *Limiter) wait(ctx context.Context, class int, count uint32, patience time.Duration) (Permit, error) {
	waiter, why := l.queue.Enter(class, count, patience)
	if why != queue.None {
		return Permit{}, l.sendAway(class, why)
	}
	var answer queue.Answer[Permit]
	select {
	case <-waiter.Ready:
		answer = l.queue.Take(waiter)
	case <-ctx.Done():
		answered := false
		if answer, answered = l.queue.Abandon(waiter); !answered || answer.Why == queue.None {
			// A place that lay ready is the next one's; the call has never been.
			answer.Pass.Finish(Ignore)
			return Permit{}, ctx.Err()
		}
	}
	switch answer.Why {
	case queue.None:
		return answer.Pass, nil
	case queue.Refused:
		return Permit{}, answer.Err
	default:
		return Permit{}, l.sendAway(class, answer.Why)
	}
}

func (l *Limiter) sendAway(class int, why queue.Why) *Rejected {
	told := l.advice.Load()
	advice := told.queueFull
	if why == queue.Late {
		advice = told.queueWait
	}
	return advice.draw(l.places.Reject(class))
}

// door is what the queue stands before.
type door struct{ *Limiter }

func (d door) Now() uint64 { return d.clock.Nanos() }
func (d door) BeginWait()  { d.places.BeginWait() }
func (d door) EndWait()    { d.places.EndWait() }

func (d door) TryEnter(class int, places uint32) (Permit, bool, error) { return d.take(class, places) }
