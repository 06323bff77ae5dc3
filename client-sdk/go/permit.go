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

// holder counts calls: a limiter (nil: none) and a breaker. A permit has one pointer for both, so that it fits into registers.
type holder struct {
	limiter *Limiter
	breaker *Breaker
}

// RetryAfter says that the callee has asked to be left alone for so long (Retry-After, grpc-retry-pushback-ms): see
// Breaker.RetryAfter. Before Finish.
func (p *Permit) RetryAfter(forSoLong time.Duration) {
	if p.holder != nil {
		p.holder.breaker.machine.Asked(forSoLong)
	}
}

// Finish ends the call. Never blocks, never allocates; a second time does nothing. Costs one atomic addition for most calls (see
// SampleClocks).
func (p *Permit) Finish(outcome Outcome) {
	h := p.holder
	if h == nil {
		return
	}
	p.holder = nil
	if h.limiter != nil {
		h.limiter.release(p.ticket, outcome)
	}
	if machine := h.breaker.machine; !(outcome == Success && machine.IsWell(p.pass)) {
		machine.Settle(p.pass, outcome)
	}
}
