package wire

import (
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Channel orders frames: the lower one is drained first and may overtake. The numbers are those of the wire.
type Channel int32

// The channels.
const (
	Safety Channel = iota + 1
	Limits
	Runtime
	Custom
)

// Channels are all of them, in order.
var Channels = [...]Channel{Safety, Limits, Runtime, Custom}

// Version of a frame; Seq grows per channel inside an epoch.
type Version struct{ Epoch, Seq uint64 }

// Renewal restarts the leases of a version.
type Renewal struct {
	Channel Channel
	Version Version
}

// Evidence is one number behind a reason.
type Evidence struct {
	Signal              string
	Observed, Threshold float64
	Unit                string
}

// Why a value changed.
type Why struct {
	Policy, Rule, Text, Action string
	Evidence                   []Evidence
}

// Setpoint is what the sidecar wants of one knob.
type Setpoint struct {
	Knob      string
	Value     model.Value
	Admission model.Admission
	Lease     model.Lease
	Why       *Why
	// DecisionID tells one decision of an epoch from another.
	DecisionID uint64
}

// Unsupported names a knob whose setpoint this build cannot read, and why.
type Unsupported struct{ Knob, Why string }

// Frame is the complete desired state of one channel.
type Frame struct {
	Channel        Channel
	Nonce          uint64
	Version        Version
	ConfigRevision string
	Set            []Setpoint
	Unsupported    []Unsupported
	Atomic         bool
	Shadow         bool
	// Watched latencies, of a frame of SAFETY.
	Watched []model.Watch
}

// Welcome answers a hello.
type Welcome struct {
	Protocol       uint32
	Epoch          uint64
	BeatEvery      time.Duration
	LostAfter      time.Duration
	ReportEvery    time.Duration
	Unbound        []string
	Missing        []string
	ConfigRevision string
}

// Beat of the sidecar: written by its control loop at the end of a tick.
type Beat struct {
	LoopTick uint64
	LoopAge  time.Duration
	Renew    []Renewal
}

// Drain says that the sidecar goes away.
type Drain struct {
	RetryAfter time.Duration
	Why        string
}

// Status of one setpoint. The numbers are those of the wire.
type Status int32

// What became of a setpoint.
const (
	Applied Status = iota + 1
	Clamped
	Deferred
	Rejected
	UnsupportedStatus
	Shadowed
	LocalOverride
)

// Result is what became of one setpoint, with the value read back.
type Result struct {
	Knob      string
	Status    Status
	Effective float64
	Detail    string
	Version   Version
	// HasVersion is for the state in a hello only.
	HasVersion bool
	LeaseLeft  time.Duration
	Shares     model.Shares
	HasShares  bool
}

// Ack answers one frame.
type Ack struct {
	Channel Channel
	Nonce   uint64
	Results []Result
}
