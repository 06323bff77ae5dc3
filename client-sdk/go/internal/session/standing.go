package session

import (
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Health is how the SDK stands with its sidecar. No call ever depends on it.
type Health uint32

// The states of health.
const (
	// Baseline: no sidecar and no lease, every knob is at its baseline.
	Baseline Health = iota
	// Synced: the control loop is alive, and the leases are valid or nothing was pushed.
	Synced
	// Quiet: no sign of life for two beats, or no connection, but the leases are still valid.
	Quiet
	// Held: the sidecar is lost; the values of the last leases are kept.
	Held
	// Decaying: the sidecar is lost; values move to their baselines.
	Decaying
	// Disabled: switched off, everything is admitted.
	Disabled
)

// String is the name in metrics and logs.
func (h Health) String() string {
	names := [...]string{"baseline", "synced", "quiet", "held", "decaying", "disabled"}
	if int(h) < len(names) {
		return names[h]
	}
	return "unknown"
}

// healthCell is the current health, written by the session.
type healthCell struct{ atomic.Uint32 }

// standing is the health at an instant: the least fresh knob tells.
//
//	disabled        the kill switch is on
//	decaying, held  some lease is, whatever else is well
//	synced          the loop lives and the leases are valid, or nothing was pushed
//	quiet           no sign of life for two beats, or no stream, but the leases are still valid
//	baseline        no sidecar and no lease, or every lease is over
func standing(disabled bool, stages []model.Stage, stream *liveness, at time.Duration) Health {
	var seen [model.Over + 1]bool
	for _, stage := range stages {
		seen[stage] = true
	}
	fresh := stream != nil && stream.fresh(at)
	lost := stream == nil || stream.lost(at)
	over, valid := seen[model.Over], seen[model.Valid]
	switch {
	case disabled:
		return Disabled
	case seen[model.Decaying]:
		return Decaying
	case seen[model.Held]:
		return Held
	case fresh && (valid || !over):
		return Synced
	case valid || !(lost || over):
		return Quiet
	default:
		return Baseline
	}
}
