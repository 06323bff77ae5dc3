// Package queue is an optional, bounded queue before a limiter: for callers that would rather wait a moment than be rejected.
//
// It takes up bursts that are shorter than a service time or two, and nothing else: a queue that stands only makes every answer late
// (codel). So whoever waits is admitted soon or refused soon, and never after its deadline minus the latency that the call itself will
// take.
//
// A place that becomes free is handed to the next in line by whoever frees it, so nobody who waits is overtaken by another one who
// waits. (A caller that does not wait may be faster.)
//
// Nobody blocks on a release: a call that ends looks at one word, whether anybody waits, and is done if not. If so it notes that a place
// is owed to the line and tries the lock. If somebody holds it, that one looks at the note after it has let go.
//
// Nobody is forgotten: a caller first says that it waits, then stands in line, then tries for a place for whoever is next. A call that
// leaves gives its place back and then looks whether anybody waits. So whoever of the two comes second sees what the first one did.
// The session looks at the line every 10 ms as well: that is what ends the waits of those whose time is over. Where no session runs,
// nobody waits. It is the same law, with the same constants, as that of the Rust SDK.
package queue

import (
	"sync"
	"sync/atomic"
	"time"
)

// Without a look at the line for this long nobody would end a wait, so nobody waits.
const attended = time.Second

// Why the queue sends a caller away.
type Why uint8

const (
	// None: it does not.
	None Why = iota
	// Full: or somebody more important needed the room.
	Full
	// Late: a place would come too late.
	Late
	// Refused by the door.
	Refused
)

// Answer to a caller: a pass, or why not.
type Answer[P any] struct {
	Pass P
	Why  Why
	// Err of a door that refused.
	Err error
}

// Door is what a queue stands before.
type Door[P any] interface {
	// Now in nanoseconds.
	Now() uint64
	// TryEnter lets a call of that class in, which takes so many places. False without an error: there is no room now.
	TryEnter(class int, places uint32) (pass P, ok bool, err error)
	// BeginWait: one caller more waits; until EndWait every place that becomes free is told to Poke.
	BeginWait()
	EndWait()
}

// Seen is what a queue has seen since the start.
type Seen struct {
	// Waits that ended in an admission or a refusal, and their sum in nanoseconds.
	Waits, WaitSum uint64
	// Waiting now.
	Waiting uint64
}

// Queue before a door. Make one with New.
type Queue[P any] struct {
	door Door[P]
	// A place has become free while somebody held the lock.
	owed atomic.Bool
	// When the session looked at the line last, nanoseconds; 0: never.
	attended atomic.Uint64

	mu   sync.Mutex
	line line[P]
	seen Seen
	// Waiters that are free for the next caller.
	spare []*Waiter[P]
}

// Most waiters that are kept for the next callers.
const mostSpare = 256

// New queue for so many callers at most.
func New[P any](door Door[P], room int) *Queue[P] {
	return &Queue[P]{door: door, line: line[P]{room: room}}
}

// Enter stands in line; patience is the longest wait that is worth it, negative when there is no end to it. Not None: sent away at once.
func (q *Queue[P]) Enter(class int, places uint32, patience time.Duration) (*Waiter[P], Why) {
	since := q.door.Now()
	if patience == 0 || !q.isAttended(since) {
		return nil, Late
	}
	latest := ^uint64(0)
	if patience > 0 {
		latest = since + uint64(patience)
	}
	// Said before it is true, so that no place that becomes free from now on goes by unnoticed.
	q.door.BeginWait()
	q.mu.Lock()
	w := q.admitToLine(class, since)
	if w != nil {
		w.class, w.places, w.since, w.latest = class, places, since, latest
		q.line.enter(w)
	}
	q.mu.Unlock()
	if w == nil {
		q.door.EndWait()
	}
	q.Poke()
	if w == nil {
		return nil, Full
	}
	return w, None
}

// admitToLine makes room for a caller of that class, if it can; the waiter to use.
func (q *Queue[P]) admitToLine(class int, now uint64) *Waiter[P] {
	if q.line.isFull() {
		last := q.line.lastBelow(class)
		if last == nil {
			return nil
		}
		q.answer(last, Answer[P]{Why: Full}, now)
	}
	if n := len(q.spare); n > 0 {
		w := q.spare[n-1]
		q.spare = q.spare[:n-1]
		return w
	}
	return &Waiter[P]{Ready: make(chan struct{}, 1)}
}

// Take the answer of a waiter whose Ready was received. The waiter is not to be used any more.
func (q *Queue[P]) Take(w *Waiter[P]) Answer[P] {
	answer := w.answer
	q.mu.Lock()
	q.keep(w)
	q.mu.Unlock()
	q.serve()
	return answer
}

// Abandon the line: the caller waits no longer. True with the answer when there was one already: a pass in it is the caller's.
func (q *Queue[P]) Abandon(w *Waiter[P]) (Answer[P], bool) {
	now := q.door.Now()
	q.mu.Lock()
	left := q.line.leave(w, now)
	answer := w.answer
	if !left {
		<-w.Ready
	}
	q.keep(w)
	q.mu.Unlock()
	if left {
		q.door.EndWait()
	}
	q.serve()
	return answer, !left
}

func (q *Queue[P]) keep(w *Waiter[P]) {
	w.answer = Answer[P]{}
	if len(q.spare) < mostSpare {
		q.spare = append(q.spare, w)
	}
}

// Poke: a place may have become free. Never waits for a lock.
func (q *Queue[P]) Poke() {
	q.owed.Store(true)
	q.serve()
}

// Attend ends the waits of those whose time is over; to be called every 10 ms while anybody waits, and now and then anyway. True
// while anybody waits.
func (q *Queue[P]) Attend() bool {
	now := q.door.Now()
	q.attended.Store(max(now, 1))
	q.mu.Lock()
	for i := range q.line.classes {
		q.line.classes[i].observe(now)
	}
	q.line.each(func(w *Waiter[P]) {
		if q.line.isLate(w, now) {
			q.answer(w, Answer[P]{Why: Late}, now)
		}
	})
	q.mu.Unlock()
	q.Poke()
	return q.Seen().Waiting > 0
}

// Close: nobody looks at the line any more. Sends everybody away, and lets nobody in before the next Attend.
func (q *Queue[P]) Close() {
	q.attended.Store(0)
	now := q.door.Now()
	q.mu.Lock()
	q.line.each(func(w *Waiter[P]) { q.answer(w, Answer[P]{Why: Late}, now) })
	q.mu.Unlock()
	q.serve()
}

// Seen since the start.
func (q *Queue[P]) Seen() Seen {
	q.mu.Lock()
	seen := q.seen
	seen.Waiting = uint64(q.line.waiting)
	q.mu.Unlock()
	q.serve()
	return seen
}

func (q *Queue[P]) isAttended(now uint64) bool {
	at := q.attended.Load()
	return at != 0 && now-min(at, now) <= uint64(attended)
}

// serve hands out what is owed, unless somebody else is at it who will see it.
func (q *Queue[P]) serve() {
	for q.owed.Load() {
		if !q.mu.TryLock() {
			return
		}
		q.owed.Store(false)
		q.admit()
		q.mu.Unlock()
	}
}

// admit whoever is next, for as long as there is room.
func (q *Queue[P]) admit() {
	now := q.door.Now()
	for w := q.line.next(); w != nil; w = q.line.next() {
		if q.line.isLate(w, now) {
			q.answer(w, Answer[P]{Why: Late}, now)
			continue
		}
		pass, ok, err := q.door.TryEnter(w.class, w.places)
		switch {
		case err != nil:
			q.answer(w, Answer[P]{Why: Refused, Err: err}, now)
		case ok:
			q.answer(w, Answer[P]{Pass: pass}, now)
		default:
			return
		}
	}
}

func (q *Queue[P]) answer(w *Waiter[P], answer Answer[P], now uint64) {
	if !q.line.leave(w, now) {
		return
	}
	q.door.EndWait()
	q.seen.Waits++
	q.seen.WaitSum += now - min(w.since, now)
	w.answer = answer
	w.Ready <- struct{}{}
}
