package setpoint

import (
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/breaker"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/places"
)

// Permit is the right to one call. It has to be finished exactly once, in whatever way the call ends; Limiter.Do and the
// middleware see to that. It can be finished by another goroutine, but must not be copied.
//
// A permit is for one attempt: acquire inside a retry loop, never around it, or the latencies of several attempts are taken for
// one.
type Permit struct {
	// Who counts this call; nil: nobody does, or it has ended.
	holder *holder
	pass   breaker.Pass
	ticket places.Ticket
}

// holder counts calls: a limiter (nil: none) and a breaker. A permit has one pointer for both, so that it fits into registers; what most
// calls need of the two lies here, so that nothing else is looked up on their way.
type holder struct {
	places  *places.Places
	machine *breaker.Machine
	limiter *Limiter
}

// RetryAfter says that the callee has asked to be left alone for so long (Retry-After, grpc-retry-pushback-ms): see
// Breaker.RetryAfter. Before Finish.
func (p *Permit) RetryAfter(forSoLong time.Duration) {
	if p.holder != nil {
		p.holder.machine.Asked(forSoLong)
	}
}

// Finish ends the call. Never blocks, never allocates; a second time does nothing. Costs one atomic addition for most calls (see
// SampleClocks).
func (p *Permit) Finish(outcome Outcome) {
	h := p.holder
	p.holder = nil
	h.finish(p.pass, p.ticket, outcome)
}

// finish is not part of Permit.Finish, so that that becomes part of its callers and a permit need never be in memory.
func (h *holder) finish(pass breaker.Pass, ticket places.Ticket, outcome Outcome) {
	// The breaker is asked before the place is given back: a processor does nothing else while it adds atomically. The permit of nobody
	// has a ticket that is not quick.
	if ticket.IsQuick() && outcome == Success && h.machine.IsWell(pass) {
		if !h.places.LeaveQuick(ticket) {
			h.collect(ticket)
		}
		return
	}
	h.settle(pass, ticket, outcome)
}

func (h *holder) collect(ticket places.Ticket) {
	if h.places.Collect(ticket) {
		h.limiter.wake()
	}
}

func (h *holder) settle(pass breaker.Pass, ticket places.Ticket, outcome Outcome) {
	if h == nil {
		return
	}
	if h.limiter != nil {
		h.limiter.release(ticket, outcome)
	}
	h.machine.Settle(pass, outcome)
}
