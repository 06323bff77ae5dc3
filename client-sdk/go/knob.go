package setpoint

import (
	"errors"
	"log/slog"
	"math"
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// Knob is any other number of a service: a batch size, a pool size, a time-out. Make one with Setpoint.Knob.
//
// The value is put in force first and told after, so that a callback that looks at the knob sees the new value. A callback is
// somebody else's code: when it panics, the push is refused and the previous value is put back; when it hangs, it hangs alone.
type Knob struct {
	bits     atomic.Uint64
	slot     *actuator.Slot
	callback *callback // nil: nobody wants to be told
	log      *slog.Logger
}

func newKnob(sdk *Setpoint, spec *numberSpec) *Knob {
	k := &Knob{slot: actuator.NewSlot(spec.declare(sdk.log)), log: sdk.log}
	baseline := k.slot.Knob().Baseline
	k.bits.Store(math.Float64bits(baseline))
	if spec.onChange != nil {
		k.callback = &callback{call: spec.onChange, told: baseline}
	}
	return k
}

// Value in force. One atomic load.
func (k *Knob) Value() float64 { return math.Float64frombits(k.bits.Load()) }

// Pin holds the knob at a value (within the bounds), whatever is pushed, until Unpin. Returns the value now in force: the previous
// one if it is not a number or the callback panicked.
func (k *Knob) Pin(value float64) float64 {
	err := k.change(&wire.Why{Policy: "owner", Rule: "pinned", Text: "pinned by the service"}, false, func(put actuator.Put) (actuator.Wish, error) {
		return k.slot.Pin(k.value(value), put)
	})
	if err != nil {
		k.log.Error("pin refused", "knob", k.slot.Knob().Name, "why", err)
	}
	return k.Value()
}

// value of this knob's kind.
func (k *Knob) value(number float64) model.Value {
	if k.slot.Knob().Kind == model.KindSwitch && !math.IsNaN(number) {
		return model.Switch(number != 0)
	}
	return model.Number(number)
}

// Unpin gives the knob back to what is pushed.
func (k *Knob) Unpin() {
	err := k.change(&wire.Why{Policy: "owner", Rule: "unpinned", Text: "unpinned by the service"}, false, func(put actuator.Put) (actuator.Wish, error) {
		return k.slot.Unpin(put), nil
	})
	if err != nil {
		k.log.Error("unpin refused", "knob", k.slot.Knob().Name, "why", err)
	}
}

// change makes a change in the slot and tells of it; takes it back when that goes wrong.
func (k *Knob) change(why *wire.Why, bySession bool, edit func(actuator.Put) (actuator.Wish, error)) error {
	var changed bool
	var old, now model.Value
	before, err := edit(func(value model.Value, on bool) {
		now = value
		if !on {
			now = k.slot.Knob().BaselineValue()
		}
		old, changed = model.Number(k.swap(now)), true
	})
	// The slot is not locked any more: a callback may look at this knob, or pin it.
	if err != nil || !changed || old.Number == now.Number || k.callback == nil {
		return err
	}
	if !k.callback.tell(k, telling{to: now.Number, why: why, before: before, asked: now, bySession: bySession}) {
		return errPanicked
	}
	return nil
}

var errPanicked = errors.New("OnChange panicked")

// swap puts a value in force and returns the one before.
func (k *Knob) swap(value model.Value) float64 {
	return math.Float64frombits(k.bits.Swap(math.Float64bits(value.Number)))
}

// knobTuning is the session's side.
type knobTuning struct {
	actuator.Defaults
	it *Knob
}

func (k *knobTuning) Knob() *model.Knob { return k.it.slot.Knob() }
func (k *knobTuning) Pinned() bool      { return k.it.slot.Pinned() }

// InForce is what the callback took last.
func (k *knobTuning) InForce() model.Value {
	if k.it.callback != nil {
		if told, behind := k.it.callback.behind(); behind {
			return model.Number(told)
		}
	}
	return k.it.slot.Value()
}

func (k *knobTuning) Behind() bool {
	if k.it.callback == nil {
		return false
	}
	_, behind := k.it.callback.behind()
	return behind
}

func (k *knobTuning) TakeRefusal() error {
	if k.it.callback != nil && k.it.callback.takeRefusal() {
		return errPanicked
	}
	return nil
}

func (k *knobTuning) Apply(value model.Value, why *wire.Why) (model.Value, error) {
	err := k.it.change(why, true, func(put actuator.Put) (actuator.Wish, error) { return k.it.slot.Push(value, put) })
	if err != nil {
		return model.Value{}, err
	}
	return k.InForce(), nil
}

func (k *knobTuning) Enforce(on bool) {
	// A callback that panics was logged; there is nobody to refuse to.
	_ = k.it.change(&wire.Why{Policy: "operator", Rule: "kill_switch", Text: "kill switch"}, true, func(put actuator.Put) (actuator.Wish, error) {
		return k.it.slot.Enforce(on, put), nil
	})
}
