package session

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// steadily is a loop without a stream and with so many knobs that have been pushed.
func steadily(t testing.TB, knobs int) (*loop, *clock.Clock) {
	hand := clock.ByHand()
	l := newLoop(&Session{
		registry: actuator.NewRegistry(),
		options:  Options{Clock: hand, DisableFile: "/nonexistent/disable", Log: slog.New(slog.NewTextHandler(io.Discard, nil))},
	})
	t.Cleanup(l.line.close)
	var all []actuator.Actuator
	var set []to
	for i := range knobs {
		it := limitFake("limit." + string(rune('a'+i)))
		all, set = append(all, it), append(set, to{it.knob.Name, 10})
	}
	l.applier.sync(all)
	l.applier.startStream(epoch)
	l.applier.frame(limits(1, set...), hand.Now())
	// The kill switch is looked at once a second; that is one system call.
	l.lookAt = time.Hour
	return l, hand
}

func TestATickAllocatesNothing(t *testing.T) {
	l, hand := steadily(t, 20)
	if allocations := testing.AllocsPerRun(50, func() {
		hand.Move(tickEvery)
		l.tick(hand.Now())
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// BenchmarkLoopTick is what the loop itself costs in 50 ms, with 20 knobs under a lease; the actuators' own part is BenchmarkTick of the
// SDK.
func BenchmarkLoopTick(b *testing.B) {
	l, hand := steadily(b, 20)
	b.ReportAllocs()
	for range b.N {
		l.applier.renew([]wire.Renewal{{Channel: wire.Limits, Version: wire.Version{Epoch: epoch, Seq: 1}}}, hand.Now())
		hand.Move(tickEvery)
		l.tick(hand.Now())
	}
}
