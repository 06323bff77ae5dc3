// Package wire translates between the messages of the contract and what the SDK works with. What comes in is checked field by
// field; an error names the bad one. Wire types never leave this package but through the transport.
package wire

import "time"

// How much of anything a message may carry: the same numbers at both ends (proto/src/bounds.rs), so that neither sends what the
// other refuses. They are far above what a real service needs and far below what would hurt the receiver.
const (
	// MessageBytes of one message; a longer one ends the stream.
	MessageBytes = 256 * 1024
	// MaxKnobs of one process, and so setpoints of one frame and results of one ack.
	MaxKnobs = 256
	// MaxLabels of one process.
	MaxLabels = 16
	// MaxCapabilities of one end.
	MaxCapabilities = 64
	// MaxResources of one report.
	MaxResources = 256
	// MaxWatched is how many latencies are watched of one process.
	MaxWatched = 1024
	// MaxCustom is how many of the service's own numbers one report carries.
	MaxCustom = 64
	// MaxEvidence is how many numbers stand behind one reason.
	MaxEvidence = 64
	// MaxRenewals is how many versions one beat renews.
	MaxRenewals = 16
	// StringBytes of a name, label, unit or revision.
	StringBytes = 256
	// TextBytes of a text for people.
	TextBytes = 1024
	// LongestDuration of anything.
	LongestDuration = 24 * time.Hour
	// ShortestPeriod of beats and reports.
	ShortestPeriod = 10 * time.Millisecond
	// ProtocolVersion that this build speaks.
	ProtocolVersion = 1
)
