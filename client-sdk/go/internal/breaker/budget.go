package breaker

import "github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"

// The probes of a half-open breaker: how many there may be, and what they prove. The sidecar judges the probes that are counted for it
// by the same function.
//
// Two bounds keep the callee safe: so many probes at once, and so many in a round. One keeps the caller safe: after the patience a
// round is decided by what came back, and when all that came back says nothing (callers that went away, requests that were refused by
// their own fault), in favour of the callee: the recovery after it lets little through at first and ends with the first proof to
// the contrary. A round without any call is not decided; the next call decides it.
const (
	budgetConcurrent = 2
	budgetTotal      = 10
	budgetNeeded     = 8
	budgetSpare      = budgetTotal - budgetNeeded
	budgetDeadlineMs = 3_000
	budgetPatienceMs = 10_000
)

// verdict on a round.
type verdict uint8

const (
	undecided verdict = iota
	recovered
	failed
)

// judge what the probes of a round have shown; over: the patience is.
func judge(p model.Probed, over bool) verdict {
	if p.Failed > budgetSpare {
		return failed
	}
	if p.Succeeded >= budgetNeeded {
		return recovered
	}
	back := p.Succeeded + p.Failed + p.Ignored
	allBack := p.LetOut >= budgetTotal && back >= p.LetOut
	switch {
	case back == 0 || !over && !allBack:
		return undecided
	// As good a share of those that said something as the whole round would have needed.
	case p.Succeeded*budgetSpare >= p.Failed*budgetNeeded:
		return recovered
	default:
		return failed
	}
}
