package breaker

import (
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// pushed is what a pushed state carries beside its name. Written before the state is, so that whoever sees the state sees these.
type pushed struct {
	retryAfter                             atomic.Int64
	round, probeMax, probeTotal, probeTime atomic.Uint64
	wouldReject                            atomic.Bool
}

// takeIn stores the details of a pushed state and names it.
func (p *pushed) takeIn(state model.Breaker) State {
	switch state.State {
	case model.BreakerClosed:
		return PushedClosed
	case model.BreakerHalfOpen:
		p.round.Store(uint64(state.Round))
		p.probeMax.Store(uint64(state.ProbeMax))
		p.probeTotal.Store(uint64(state.ProbeTotal))
		p.probeTime.Store(millis(state.ProbeDeadline))
		return PushedHalfOpen
	case model.BreakerOpen:
		p.retryAfter.Store(int64(state.RetryAfter))
		return PushedOpen
	case model.BreakerForcedOpen:
		p.retryAfter.Store(int64(state.RetryAfter))
		return ForcedOpen
	case model.BreakerRecovering:
		return Recovering
	case model.BreakerDisabled:
		return Disabled
	case model.BreakerShadow:
		p.wouldReject.Store(state.WouldReject)
		return Shadow
	default:
		return Closed
	}
}

// tell is what callers of a shut breaker are told.
func (p *pushed) tell() time.Duration { return time.Duration(p.retryAfter.Load()) }

// budget: probes at once, in all, and the milliseconds that each has.
func (p *pushed) budget() (most int, total uint32, deadlineMs uint64) {
	return int(min(p.probeMax.Load(), mostProbes)), uint32(min(p.probeTotal.Load(), mostInRound)), p.probeTime.Load()
}
