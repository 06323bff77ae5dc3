package session

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// collector is a knob like gc: what is in force comes out of an envelope.
type collector struct{ *fake }

func (c collector) Apply(value model.Value, _ *wire.Why) (model.Value, error) {
	c.value.Number = float64(value.GC.Percent)
	return c.value, nil
}

func TestAMoveOfGarbageCollectionIsLoggedWithWhatWasInForce(t *testing.T) {
	it := collector{newFake(model.Knob{Name: "gc", Kind: model.KindGcTarget, Min: 1, Max: model.GcPercentLimit, Baseline: 100})}
	var log bytes.Buffer
	applier := newApplier(slog.New(slog.NewTextHandler(&log, nil)))
	applier.sync([]actuator.Actuator{it})
	applier.startStream(epoch)
	for seq, percent := range []int32{300, 200} {
		frame := limits(uint64(seq + 1))
		frame.Channel = wire.Runtime
		frame.Set = []wire.Setpoint{setpointOf("gc", model.Value{Form: model.FormGC, GC: model.FixedGC(percent)})}
		applier.frame(frame, at(float64(seq)))
	}
	moves := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(moves) != 2 || !strings.Contains(moves[0], "from=100 to=300") || !strings.Contains(moves[1], "from=300 to=200") {
		t.Errorf("%v", moves)
	}
}
