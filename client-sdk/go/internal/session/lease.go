package session

import (
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// leaseClock is the lease of one setpoint and when it was last renewed.
type leaseClock struct {
	lease   model.Lease
	renewed time.Duration
}

func (l *leaseClock) renew(now time.Duration) { l.renewed = max(l.renewed, now) }

func (l *leaseClock) stage(at time.Duration) (model.Stage, float64) {
	return l.lease.Stage(max(at-l.renewed, 0))
}

// left of the ttl.
func (l *leaseClock) left(at time.Duration) time.Duration {
	return max(l.lease.TTL-max(at-l.renewed, 0), 0)
}

// liveness says whether the control loop at the other end of a stream moves.
//
// An open stream proves nothing. A stopped sidecar keeps its sockets open for as long as it likes, and a sidecar whose loop hangs
// can go on sending beats from another thread. So leases start again only with a beat whose loop tick has advanced.
type liveness struct {
	beatEvery, lostAfter time.Duration
	// The newest tick of the loop, if any was heard of, and when.
	tick     uint64
	heard    bool
	advanced time.Duration
}

// beat takes a beat. True when the loop has moved since the one before, so that leases may start again.
func (l *liveness) beat(beat *wire.Beat, now time.Duration) bool {
	moved := beat.LoopAge < l.lostAfter && (!l.heard || beat.LoopTick > l.tick)
	if moved {
		l.tick, l.heard, l.advanced = beat.LoopTick, true, now
	}
	return moved
}

// fresh: a sign of life within the last two beats.
func (l *liveness) fresh(at time.Duration) bool { return at-l.advanced <= 2*l.beatEvery }

// lost: no sign of life for so long that it is as good as dead, although the stream is up.
func (l *liveness) lost(at time.Duration) bool { return at-l.advanced >= l.lostAfter }
