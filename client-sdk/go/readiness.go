package setpoint

import (
	"net/http"
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Readiness is the answer of a readiness check, knob health.ready: an http.Handler that answers 200, or 503 with retry-after while the
// service should not be sent requests. Make it with Setpoint.Readiness.
//
// A sidecar may turn it while the runtime pauses for too long; without one it is always ready. It is one voice among others: combine it
// with what the service itself knows. It is for readiness and never for liveness: a restart cures no pause.
type Readiness struct {
	ready atomic.Bool
	slot  *actuator.Slot
}

func newReadiness(sdk *Setpoint, spec *knobSpec) *Readiness {
	r := &Readiness{slot: actuator.NewSlot(spec.declare(sdk.log))}
	r.ready.Store(true)
	return r
}

func readinessSpec() knobSpec {
	spec := newSpec("", "health.ready", model.KindSwitch, 0, 1, 1)
	spec.knob.Restrictive = model.RestrictiveLower
	return spec
}

// IsReady says whether requests should come. One load.
func (r *Readiness) IsReady() bool { return r.ready.Load() }

// ServeHTTP answers the check.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if !r.IsReady() {
		w.Header().Set("Retry-After", "10")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// Pin holds the answer, whatever is pushed, until Unpin.
func (r *Readiness) Pin(ready bool) {
	// The only kind of value that a switch takes cannot be refused.
	_, _ = r.slot.Pin(model.Switch(ready), r.put)
}

// Unpin gives the answer back to what is pushed.
func (r *Readiness) Unpin() { r.slot.Unpin(r.put) }

func (r *Readiness) put(value model.Value, on bool) { r.ready.Store(!on || value.Number != 0) }

// readinessTuning is the session's side.
type readinessTuning struct {
	slotTuning
	it *Readiness
}

func (r *Readiness) tuning() *readinessTuning {
	return &readinessTuning{slotTuning{slot: r.slot, put: r.put}, r}
}
