package session

import (
	"time"
)

// A timer that fires later than this was a stall.
const stallAbove = 100 * time.Millisecond

// stallWatch watches the lateness of the session's timer: the process was stopped, swapped out or starved.
//
// After such a pause the clock says that every lease is long over, while the beats that renewed them wait unread in the socket. So
// the time of the pause is not counted against leases until one beat period has passed. That grace is given once and then only
// after a new sign of life, or a process that stalls all the time would keep a dead sidecar's values.
type stallWatch struct {
	total, worst time.Duration
	// While the grace lasts, leases are judged at the last instant before the stall.
	frozen, until time.Duration
	graced        bool
	spent         bool
	stalls        uint64
}

// fired: the timer that was due fired now. True for a stall.
func (s *stallWatch) fired(due, now, beatEvery time.Duration) bool {
	lateness := now - due
	s.worst = max(s.worst, lateness)
	if lateness <= stallAbove {
		return false
	}
	s.total += lateness
	s.stalls++
	if !s.spent {
		s.spent, s.graced = true, true
		s.frozen, s.until = due, now+beatEvery
	}
	return true
}

// heard a beat that proves a live loop: the next stall gets its own grace.
func (s *stallWatch) heard() { s.spent, s.graced = false, false }

// judgeAt is the instant at which leases are to be judged.
func (s *stallWatch) judgeAt(now time.Duration) time.Duration {
	if s.graced && now < s.until {
		return s.frozen
	}
	return now
}

// takeWorst is the worst lateness since it was last asked for.
func (s *stallWatch) takeWorst() time.Duration {
	worst := s.worst
	s.worst = 0
	return max(worst, 0)
}
