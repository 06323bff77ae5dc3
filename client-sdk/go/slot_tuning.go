package setpoint

import (
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// slotTuning is the session's side of whatever is a slot and a way to put its value in force.
type slotTuning struct {
	actuator.Defaults
	slot *actuator.Slot
	put  actuator.Put
}

func (t *slotTuning) Knob() *model.Knob    { return t.slot.Knob() }
func (t *slotTuning) InForce() model.Value { return t.slot.Value() }
func (t *slotTuning) Pinned() bool         { return t.slot.Pinned() }
func (t *slotTuning) Enforce(on bool)      { t.slot.Enforce(on, t.put) }

func (t *slotTuning) Apply(value model.Value, _ *wire.Why) (model.Value, error) {
	if _, err := t.slot.Push(value, t.put); err != nil {
		return model.Value{}, err
	}
	return t.InForce(), nil
}
