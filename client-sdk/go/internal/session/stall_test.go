//go:build go1.25

package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
)

// halting is a knob at which the session stands still for a while.
type halting struct {
	*fake
	ticks, haltAt int
	halt          time.Duration
}

func (h *halting) Tick() bool {
	if h.ticks++; h.ticks == h.haltAt {
		time.Sleep(h.halt)
	}
	return false
}

func TestL2_AStallWithinATickIsAStall(t *testing.T) {
	for _, c := range []struct {
		halt, least, most time.Duration
		stalls            uint64
	}{
		{90 * time.Millisecond, 0, 0, 0},
		{time.Second, 900 * time.Millisecond, time.Second, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			it := &halting{fake: limitFake("limit.a"), haltAt: 5, halt: c.halt}
			l := newLoop(&Session{
				registry: actuator.NewRegistry(),
				options: Options{
					Clock: clock.Start(), DisableFile: "/nonexistent/disable", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
					Dial: func(context.Context) (net.Conn, error) { return nil, errors.New("nobody there") },
				},
			})
			l.registry.Register("limit.a", func() actuator.Actuator { return it })
			done := make(chan struct{})
			go func() {
				defer close(done)
				l.run(ctx)
			}()
			time.Sleep(3 * time.Second)
			cancel()
			<-done
			l.line.close()
			if l.stalls.stalls != c.stalls || l.stalls.total < c.least || l.stalls.total > c.most {
				t.Errorf("halted for %v: %d stalls, %v", c.halt, l.stalls.stalls, l.stalls.total)
			}
		})
	}
}
