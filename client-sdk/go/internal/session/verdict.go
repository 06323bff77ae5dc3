package session

import "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"

// verdict is what became of a setpoint. Two can be compared with ==.
type verdict struct {
	status wire.Status
	detail string
}

var (
	applied       = verdict{wire.Applied, ""}
	deferred      = verdict{wire.Deferred, "the knob's dwell is not over"}
	behind        = verdict{wire.Deferred, "the callback has not come back"}
	shadowed      = verdict{wire.Shadowed, ""}
	localOverride = verdict{wire.LocalOverride, "the service's owner holds the knob"}
	walks         = verdict{wire.Clamped, "moves no further than max_change_ratio at a time; the rest follows"}
	cutToBounds   = verdict{wire.Clamped, "cut to the knob's bounds and quantum"}
	cutByService  = verdict{wire.Clamped, "cut by the service"}
)

func rejected(why string) verdict       { return verdict{wire.Rejected, why} }
func notSupported(why string) verdict   { return verdict{wire.UnsupportedStatus, why} }
func (v verdict) is(s wire.Status) bool { return v.status == s }
