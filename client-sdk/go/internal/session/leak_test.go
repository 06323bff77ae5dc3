package session

import (
	"testing"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

func TestB3_ATaskLeakIsNewsOnceForEachTrip(t *testing.T) {
	var watch leakWatch
	for i, step := range []struct {
		rule            string
		state           model.BreakerState
		epoch, decision uint64
		shadow, news    bool
	}{
		{"failure_rate", model.BreakerOpen, 1, 6, false, false},
		{taskLeak, model.BreakerOpen, 1, 7, true, false},
		{taskLeak, model.BreakerOpen, 1, 7, false, true},
		{taskLeak, model.BreakerOpen, 1, 7, false, false},
		{taskLeak, model.BreakerHalfOpen, 1, 8, false, false},
		{taskLeak, model.BreakerOpen, 1, 7, false, false},
		{taskLeak, model.BreakerOpen, 1, 9, false, true},
		{taskLeak, model.BreakerOpen, 2, 9, false, true},
	} {
		frame := &wire.Frame{Version: wire.Version{Epoch: step.epoch}, Shadow: step.shadow, Set: []wire.Setpoint{{
			Knob: "breaker.inbound", Why: &wire.Why{Rule: step.rule, Text: "601 tasks"}, DecisionID: step.decision,
			Value: model.Value{Form: model.FormBreaker, Breaker: model.Breaker{State: step.state}},
		}}}
		why, news := watch.heard(frame)
		if news != step.news || news && why != "601 tasks" {
			t.Errorf("step %d: %v %q", i, news, why)
		}
	}
}
