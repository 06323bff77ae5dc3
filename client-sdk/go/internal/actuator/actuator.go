// Package actuator holds what every tunable thing has: a declaration with hard bounds, a slot that remembers who wants what of
// it, and a place in the list that the session works through.
package actuator

import (
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// Actuator is one knob and what it drives, as the session sees it. All methods but those of the slot's owner are called by the
// session's goroutine.
type Actuator interface {
	// Knob is what may be tuned, and how far.
	Knob() *model.Knob
	// Apply puts a value in force (already within bounds and pace) and returns the value read back. An error is a refusal: the
	// previous value stands.
	Apply(value model.Value, why *wire.Why) (model.Value, error)
	// InForce is read back.
	InForce() model.Value
	// Behind: the service has not taken the newest value yet, and what InForce says is older.
	Behind() bool
	// TakeRefusal is why the service refused a value after Apply had returned, once.
	TakeRefusal() error
	// Pinned says that the service's owner holds this knob; then Apply only remembers.
	Pinned() bool
	// Enforce switches enforcement off (the kill switch) or on again.
	Enforce(on bool)
	// Admit tells that the sidecar has just said something new of this knob, with what goes with the value; nil: its word is
	// worth nothing any more.
	Admit(admission *model.Admission)
	// Fresh tells each tick whether the lease of the value in force is within its ttl.
	Fresh(valid bool)
	// Shares of the limit in force, if they were pushed.
	Shares() (model.Shares, bool)
	// Totals are the counters, if this knob has any.
	Totals(atNanos, stallNanos uint64) (model.Totals, bool)
	// Breaker is what it does with calls now, if it is a breaker; never local.
	Breaker() (model.BreakerState, bool)
	// CountSlowerThan these latencies from now on, and than no others: the sidecar's policies watch them.
	CountSlowerThan(latencies []time.Duration)
	// Tick is called every 50 ms. True: more can happen than can wait for the next one.
	Tick() bool
	// Watch is called every 10 ms while Tick or Watch said true.
	Watch() bool
	// Close: the session is about to end, nobody will watch. Everything goes to where it was before the SDK came.
	Close()
}

// Defaults are the methods of an actuator without anything special. To be embedded.
type Defaults struct{}

// Behind is never anything.
func (Defaults) Behind() bool { return false }

// TakeRefusal there is none.
func (Defaults) TakeRefusal() error { return nil }

// Admit does nothing.
func (Defaults) Admit(*model.Admission) {}

// Fresh does nothing.
func (Defaults) Fresh(bool) {}

// Shares are never pushed.
func (Defaults) Shares() (model.Shares, bool) { return model.Shares{}, false }

// Totals there are none.
func (Defaults) Totals(uint64, uint64) (model.Totals, bool) { return model.Totals{}, false }

// Breaker it is none.
func (Defaults) Breaker() (model.BreakerState, bool) { return model.BreakerLocal, false }

// CountSlowerThan has nothing to count.
func (Defaults) CountSlowerThan([]time.Duration) {}

// Tick has nothing to do.
func (Defaults) Tick() bool { return false }

// Watch has nothing to do.
func (Defaults) Watch() bool { return false }

// Close has nothing to do.
func (Defaults) Close() {}
