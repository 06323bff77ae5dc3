package setpoint

import (
	"context"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// ConnectionGate is a hard limit on accepted connections, knob connections.NAME. Make one with Setpoint.ConnectionGate.
//
// A limit on calls does not bound connections: each of them takes a descriptor, buffers and a goroutine before it has asked for anything,
// and a thousand slow handshakes are no call at all. So connections are counted where they are accepted, by compare-and-swap: never one
// above the limit, however many goroutines accept. A lower limit closes nothing that is open; it keeps newcomers out until enough have
// gone.
//
// When a connection is accepted nobody knows yet what it will ask for, so a gate cannot let health checks pass as the middleware does.
// Two things help: a listener of its own for health and metrics, without a gate, which is the better one; or places held in reserve
// (Reserved) for peers that are known by their address (TryEnterReserved).
type ConnectionGate struct {
	// How many have come and gone: counters that only grow, so that a report of them is never behind an earlier one.
	entered, left, limit, peak atomic.Uint64
	rejected                   atomic.Uint64
	limited                    atomic.Bool
	reserve                    uint64
	// Has something to receive when there may be a place for somebody who waits.
	freed  chan struct{}
	advice *advice
	slot   *actuator.Slot
	log    *slog.Logger
}

// GateOption is an option of Setpoint.ConnectionGate.
type GateOption interface{ toGate(*gateSpec) }

type gateSpec struct {
	knobSpec
	reserve uint32
}

type gateOption func(*gateSpec)

func (o gateOption) toGate(s *gateSpec) { o(s) }

// Reserved keeps so many places of the limit for TryEnterReserved. Default 0.
func Reserved(places uint32) GateOption { return gateOption(func(s *gateSpec) { s.reserve = places }) }

func gateSpecOf(name string, options []GateOption) gateSpec {
	spec := gateSpec{knobSpec: newSpec("connections", name, model.KindConcurrencyLimit, 1, 100_000, 10_000)}
	for _, option := range options {
		option.toGate(&spec)
	}
	return spec
}

// When to try again: nothing is known of how long connections last.
const gateAdvice = 100 * time.Millisecond

func newGate(sdk *Setpoint, spec *gateSpec) *ConnectionGate {
	g := &ConnectionGate{
		reserve: uint64(spec.reserve), freed: make(chan struct{}, 1), slot: actuator.NewSlot(spec.declare(sdk.log)), log: sdk.log,
	}
	g.advice = adviseEvery(g.slot.Knob().Name, ConnectionLimit, gateAdvice)
	g.limit.Store(wholePlaces(g.slot.Knob().Baseline))
	return g
}

// wholePlaces of a limit: rounded down, but at least one unless it is below one.
func wholePlaces(limit float64) uint64 {
	if limit < 1 {
		return 0
	}
	return uint64(limit)
}

// Place of a gate, for one connection. It has to be left, whatever becomes of the connection, and must not be copied.
type Place struct{ gate *ConnectionGate }

// Leave the place to another connection. A second time does nothing.
func (p *Place) Leave() {
	if gate := p.gate; gate != nil {
		p.gate = nil
		gate.left.Add(1)
		gate.wake()
	}
}

// TryEnter takes a place, or says at once that there is none: the error is a *Rejected. One compare-and-swap.
func (g *ConnectionGate) TryEnter() (Place, error) { return g.admit(g.reserve) }

// TryEnterReserved is the same for a connection that may take a reserved place, such as one from the address of whoever checks health.
func (g *ConnectionGate) TryEnterReserved() (Place, error) { return g.admit(0) }

// Enter waits for a place; the error is that of the context. Those who wait are let in in no particular order, and TryEnter may be
// faster.
func (g *ConnectionGate) Enter(ctx context.Context) (Place, error) {
	for !g.enter(g.reserve) {
		select {
		case <-g.freed:
		case <-ctx.Done():
			return Place{}, ctx.Err()
		}
	}
	// There may be room for another one who waits.
	g.wake()
	return Place{g}, nil
}

// Inside is how many connections are, those included that a listener is about to accept.
func (g *ConnectionGate) Inside() uint64 {
	left := g.left.Load()
	return g.entered.Load() - left
}

// Limit in force.
func (g *ConnectionGate) Limit() float64 { return g.slot.Value().Number }

// Pin holds the limit at a value (within the bounds), whatever is pushed, until Unpin. Returns the limit now in force; what is not a
// number changes nothing.
func (g *ConnectionGate) Pin(limit float64) float64 {
	if _, err := g.slot.Pin(model.Concurrency(limit), g.put); err != nil {
		g.log.Error("pin refused", "knob", g.slot.Knob().Name, "why", err)
	}
	return g.Limit()
}

// Unpin gives the limit back to what is pushed.
func (g *ConnectionGate) Unpin() { g.slot.Unpin(g.put) }

func (g *ConnectionGate) admit(reserve uint64) (Place, error) {
	if g.enter(reserve) {
		return Place{g}, nil
	}
	return Place{}, g.advice.draw(g.rejected.Add(1))
}

func (g *ConnectionGate) enter(reserve uint64) bool {
	for {
		entered := g.entered.Load()
		// Looked at first or not, those who have left since only make room.
		inside := entered - g.left.Load()
		limit := g.limit.Load()
		if inside >= limit-min(reserve, limit) {
			g.limited.Store(true)
			return false
		}
		if g.entered.CompareAndSwap(entered, entered+1) {
			g.raisePeak(inside + 1)
			return true
		}
	}
}

func (g *ConnectionGate) raisePeak(to uint64) {
	for peak := g.peak.Load(); to > peak && !g.peak.CompareAndSwap(peak, to); peak = g.peak.Load() {
	}
}

func (g *ConnectionGate) wake() {
	select {
	case g.freed <- struct{}{}:
	default: // somebody is woken already, and wakes the next
	}
}

func (g *ConnectionGate) put(value model.Value, on bool) {
	limit := uint64(math.MaxUint64)
	if on {
		limit = wholePlaces(value.Number)
	}
	g.limit.Store(limit)
	g.wake()
}

// gateTuning is the session's side.
type gateTuning struct {
	slotTuning
	it *ConnectionGate
}

func (g *ConnectionGate) tuning() *gateTuning {
	return &gateTuning{slotTuning{slot: g.slot, put: g.put}, g}
}

func (t *gateTuning) Totals(atNanos, stallNanos uint64) (model.Totals, bool) {
	g := t.it
	left := g.left.Load()
	entered, turnedAway := g.entered.Load(), g.rejected.Load()
	totals := model.Totals{
		AtNanos: atNanos, StallNanos: stallNanos, Arrived: entered + turnedAway, Admitted: entered,
		Cancelled:    left, // what a connection comes to says nothing
		InFlightPeak: g.peak.Swap(entered - left), LimitInForce: g.Limit(), Limited: g.limited.Swap(false),
	}
	totals.Rejected[Normal.class()] = turnedAway
	return totals, true
}
