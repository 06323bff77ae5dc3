package breaker

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// pushed is what a pushed state carries beside its name. Written before the state is, so that whoever sees the state sees these.
type pushed struct {
	retryAfter     atomic.Int64
	probeRatioBits atomic.Uint64
	probeMax       atomic.Uint64
	// Calls that asked while half open by push.
	tickets atomic.Uint64
}

// takeIn stores the details of a pushed state and names it.
func (p *pushed) takeIn(state model.Breaker) State {
	switch state.State {
	case model.BreakerClosed:
		return PushedClosed
	case model.BreakerHalfOpen:
		p.probeRatioBits.Store(math.Float64bits(min(max(state.ProbeRatio, 0), 1)))
		p.probeMax.Store(uint64(state.ProbeMax))
		return PushedHalfOpen
	case model.BreakerOpen:
		p.retryAfter.Store(int64(state.RetryAfter))
		return PushedOpen
	case model.BreakerForcedOpen:
		p.retryAfter.Store(int64(state.RetryAfter))
		return ForcedOpen
	default:
		return Closed
	}
}

func (p *pushed) tell() time.Duration { return time.Duration(p.retryAfter.Load()) }

// lotFalls says whether the next call belongs to the share that is let through, evenly spread.
func (p *pushed) lotFalls() bool {
	ratio := math.Float64frombits(p.probeRatioBits.Load())
	ticket := float64(p.tickets.Add(1) - 1)
	return math.Floor(ticket*ratio) < math.Floor((ticket+1)*ratio)
}

func (p *pushed) probes() int { return int(min(p.probeMax.Load(), mostProbes)) }
