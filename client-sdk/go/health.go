package setpoint

import (
	"runtime"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/session"
)

// Health is how the SDK stands with its sidecar. For a status page; no call ever depends on it.
type Health session.Health

const (
	// HealthBaseline: no sidecar and no lease, every knob is at its baseline.
	HealthBaseline = Health(session.Baseline)
	// HealthSynced: the control loop is alive, and the leases are valid or nothing was pushed.
	HealthSynced = Health(session.Synced)
	// HealthQuiet: no sign of life for two beats, or no connection, but the leases are still valid.
	HealthQuiet = Health(session.Quiet)
	// HealthHeld: the sidecar is lost; the values of the last leases are kept.
	HealthHeld = Health(session.Held)
	// HealthDecaying: the sidecar is lost; values move to their baselines.
	HealthDecaying = Health(session.Decaying)
	// HealthDisabled: switched off, everything is admitted.
	HealthDisabled = Health(session.Disabled)
)

// String is the name in metrics and logs.
func (h Health) String() string { return session.Health(h).String() }

func runtimeVersion() string { return runtime.Version() }
