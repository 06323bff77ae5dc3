package actuator

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Wish is what is wanted of one knob, by whom.
type Wish struct {
	pushed   model.Value
	pin      model.Value
	pinned   bool
	disabled bool
}

// effective is the value to put in force; false: none, act as if there were no Setpoint.
func (w *Wish) effective() (model.Value, bool) {
	if w.pinned {
		return w.pin, !w.disabled
	}
	return w.pushed, !w.disabled
}

// Put puts a value in force; on is false when nothing is to be enforced.
type Put func(value model.Value, on bool)

// Slot says who decides about a knob: the kill switch, then the owner's pin, then what was pushed. All three voices are
// remembered, so that the one below is in force at once when the one above falls silent.
type Slot struct {
	knob *model.Knob
	mu   sync.Mutex
	wish Wish
}

// NewSlot is a slot at the knob's baseline.
func NewSlot(knob *model.Knob) *Slot {
	return &Slot{knob: knob, wish: Wish{pushed: knob.BaselineValue()}}
}

// Knob is what may be tuned.
func (s *Slot) Knob() *model.Knob { return s.knob }

// Value in force. While nothing is enforced that is the baseline: neither the push nor the pin is.
func (s *Slot) Value() model.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, on := s.wish.effective(); on {
		return value
	}
	return s.knob.BaselineValue()
}

// Pinned says whether the owner holds the knob.
func (s *Slot) Pinned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wish.pinned
}

// Push takes a pushed value; put is called with what is in force from now on, if that changes. Returns the wish before.
func (s *Slot) Push(value model.Value, put Put) (Wish, error) {
	fitted, err := fit(s.knob, value)
	if err != nil {
		return Wish{}, err
	}
	return s.change(func(wish *Wish) { wish.pushed = fitted }, put), nil
}

// Pin holds the knob at a value.
func (s *Slot) Pin(value model.Value, put Put) (Wish, error) {
	fitted, err := fit(s.knob, value)
	if err != nil {
		return Wish{}, err
	}
	return s.change(func(wish *Wish) { wish.pin, wish.pinned = fitted, true }, put), nil
}

// Unpin lets the knob go.
func (s *Slot) Unpin(put Put) Wish {
	return s.change(func(wish *Wish) { wish.pin, wish.pinned = model.Value{}, false }, put)
}

// Enforce turns enforcement off or on.
func (s *Slot) Enforce(on bool, put Put) Wish {
	return s.change(func(wish *Wish) { wish.disabled = !on }, put)
}

// Restore goes back to the wish before, unless something else than what was refused is in force by now.
func (s *Slot) Restore(before Wish, refused model.Value, put Put) {
	s.change(func(wish *Wish) {
		if value, on := wish.effective(); on && value == refused {
			*wish = before
		}
	}, put)
}

func (s *Slot) change(edit func(*Wish), put Put) Wish {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.wish
	edit(&s.wish)
	was, wasOn := before.effective()
	is, isOn := s.wish.effective()
	if is != was && (isOn || wasOn) || isOn != wasOn {
		put(is, isOn)
	}
	return before
}

// fit brings a value within the hard bounds of a knob, which hold whoever asks.
func fit(knob *model.Knob, value model.Value) (model.Value, error) {
	if value.Form != knob.BaselineValue().Form {
		return value, errors.New("a value of another kind")
	}
	if !value.IsQuantity() {
		return value, nil
	}
	scalar, ok := knob.Fit(value.Number)
	if !ok {
		return value, errors.New("not a number")
	}
	if value.HasBurst && !(value.Burst >= 1 && !math.IsInf(value.Burst, 0)) {
		return value, fmt.Errorf("a burst of %v calls", value.Burst)
	}
	value.Number = scalar
	return value, nil
}
