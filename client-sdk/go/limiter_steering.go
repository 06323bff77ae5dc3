package setpoint

import (
	"math"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/reflex"
)

const (
	// A recovery moves in so many steps, and allows so many calls at the least: as many as there were probes at once.
	recoverySteps = 20
	recoveryLeast = 2
)

// steering is what the limit of a limiter is made of. Three parties write the words that the request path reads: the session
// (pushes), the owner (pins) and the reflex. They meet here, so that limit and caps never come from two different minds.
type steering struct {
	asked float64
	// Everything is admitted.
	open      bool
	ownShares model.Shares
	// What the sidecar said that goes with the limit, while its lease lasts.
	pushed    model.Admission
	hasPushed bool
	reflex    reflex.Reflex
	local     reflex.LocalBaseline
	// The share of the limit that the breaker of the same name allows while it recovers; 1: all of it.
	recovery float64
	// What the request path was given last.
	given given
}

type given struct {
	limit  float64
	open   bool
	shares model.Shares
}

func newSteering(limit float64, shares model.Shares) steering {
	return steering{asked: limit, ownShares: shares, recovery: 1, given: given{limit: limit, shares: shares}}
}

// admit: the sidecar has just said what it wants, or (nil) its word is worth nothing any more.
func (s *steering) admit(admission *model.Admission, now time.Duration) {
	s.pushed, s.hasPushed = model.Admission{}, admission != nil
	if admission != nil {
		s.pushed = *admission
		s.reflex.Pushed(now)
	}
}

func (s *steering) watch(totals *model.Totals, knob *model.Knob) {
	if !s.open {
		s.reflex.Step(totals, &reflex.Allowed{Limit: s.asked, Floor: knob.Min, BaselineLatency: s.baselineLatency(), Deadline: knob.Deadline, Steered: s.hasPushed})
	}
}

// baselineLatency without a queue: the sidecar's word while it lasts, else what the limiter saw itself.
func (s *steering) baselineLatency() time.Duration {
	if s.hasPushed {
		return s.pushed.BaselineLatency
	}
	return s.local.Latency()
}

func (s *steering) cut() (reflex.Cut, bool) {
	cut, holds := s.reflex.Cut()
	return cut, holds && !s.open
}

// follow the breaker, which allows this share of the limit while it recovers.
func (s *steering) follow(share float64, recovers bool) {
	s.recovery = 1
	if recovers {
		// In steps: each new limit takes its cache line away from every core.
		s.recovery = math.Round(share*recoverySteps) / recoverySteps
	}
}

// heldBy is what holds the limit below what was asked for.
func (s *steering) heldBy() model.ReflexCause {
	cut, holds := s.cut()
	switch {
	case holds:
		return cut.Cause
	case s.recovery < 1 && !s.open:
		return model.ReflexRecovery
	default:
		return model.ReflexNone
	}
}

// putInForce brings the request path up to date; its words are written only when they change, since each write takes the cache
// line away from every core that admits calls. True when that changed anything.
func (s *steering) putInForce(l *Limiter, baseline float64) bool {
	next := given{s.asked, s.open, s.ownShares}
	if s.pushed.HasShares {
		next.shares = s.pushed.Shares
	}
	if s.recovery < 1 {
		next.limit = math.Min(math.Max(next.limit*s.recovery, recoveryLeast), next.limit)
	}
	if cut, holds := s.cut(); holds {
		next.limit = math.Min(next.limit, cut.Cap)
	}
	if next == s.given {
		return false
	}
	s.given = next
	if next.open {
		l.places.Open(baseline)
	} else {
		l.places.Set(next.limit, next.shares)
	}
	return true
}
