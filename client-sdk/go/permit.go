package setpoint

import (
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/breaker"
)

// Permit is the right to one call. It has to be finished exactly once, in whatever way the call ends; Limiter.Do and the
// middleware see to that. It can be finished by another goroutine, but must not be copied.
//
// A permit is for one attempt: acquire inside a retry loop, never around it, or the latencies of several attempts are taken for
// one.
type Permit struct {
	// Nil: no limiter counts this call.
	limiter *Limiter
	// Nil: nobody does, or it has ended.
	breaker *Breaker
	pass    breaker.Pass
	at      uint64
	places  uint64
	// The time was read from the clock.
	timed bool
}

// RetryAfter says that the callee has asked to be left alone for so long (Retry-After, grpc-retry-pushback-ms): see
// Breaker.RetryAfter. Before Finish.
func (p *Permit) RetryAfter(forSoLong time.Duration) {
	if p.breaker != nil {
		p.breaker.machine.Asked(forSoLong)
	}
}

// Finish ends the call. Never blocks, never allocates; a second time does nothing. Costs one reading of the clock and about half
// as much again.
func (p *Permit) Finish(outcome Outcome) {
	b := p.breaker
	if b == nil {
		return
	}
	p.breaker = nil
	if p.limiter != nil {
		p.limiter.release(p, outcome)
	}
	b.machine.Settle(p.pass, outcome)
}
