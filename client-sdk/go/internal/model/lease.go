package model

import "time"

// OnExpiry says what happens when a lease runs out. The numbers are those of the wire.
type OnExpiry int32

// What happens when a lease runs out.
const (
	HoldThenDecay OnExpiry = iota
	ToBaseline
	ToSafe
	Keep
)

// Lease is the life of one setpoint, measured on the receiver's monotonic clock from the last renewal.
type Lease struct {
	// TTL: valid for this long after the last renewal.
	TTL time.Duration
	// Hold: then kept for this long.
	Hold time.Duration
	// Decay: then moved to the baseline over this long.
	Decay     time.Duration
	OnExpiry  OnExpiry
	SafeValue float64
}

// DefaultLease is what holds where the sidecar says nothing.
func DefaultLease() Lease {
	return Lease{TTL: 5 * time.Second, Hold: 30 * time.Second, Decay: 60 * time.Second}
}

// Stage is where in its life a lease is.
type Stage uint8

// The stages of a lease.
const (
	// Valid: renewed within its ttl.
	Valid Stage = iota
	// Held: past its ttl, value kept.
	Held
	// Decaying: on its way to the baseline.
	Decaying
	// Over: the baseline (or the safe value) is in force.
	Over
)

// Stage returns the stage at an age since the last renewal and, while decaying, the share of the way already gone.
func (l Lease) Stage(age time.Duration) (Stage, float64) {
	if age < l.TTL {
		return Valid, 0
	}
	switch l.OnExpiry {
	case Keep:
		return Held, 0
	case HoldThenDecay:
		late := age - l.TTL
		if late < l.Hold {
			return Held, 0
		}
		if gone := late - l.Hold; gone < l.Decay {
			return Decaying, gone.Seconds() / l.Decay.Seconds()
		}
	}
	return Over, 0
}
