package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// put puts a value in force, unless it is already or was refused before. One that is pushed again is put in force again where
// something else has changed it meanwhile; the percentage of a GC target changes all the time, and its actuator sees to that.
func (t *tuned) put(value model.Value, why *wire.Why, newly bool, now time.Duration) error {
	if t.refused.stands && t.refused.value == value {
		return errors.New(t.refused.why)
	}
	if value == t.asked && !(newly && value.Form != model.FormGC && t.actuator.InForce() != t.readBack) {
		return nil
	}
	from := t.asked
	if value.Form == model.FormGC {
		from = t.actuator.InForce() // an envelope says what may come out, not what did
	}
	readBack, err := t.apply(value, why)
	if err != nil {
		t.log.Warn("a value was refused", "knob", t.knob.Name, "value", value.Said(), "why", err)
		t.refused = refusal{value, err.Error(), true}
		return err
	}
	t.tellMove(from, readBack, why)
	if value != t.asked {
		t.moved, t.hasMoved = now, true
	}
	t.asked, t.readBack, t.refused = value, readBack, refusal{}
	return nil
}

func (t *tuned) tellMove(from, to model.Value, why *wire.Why) {
	level := slog.LevelDebug
	if t.told.isNews(to, why == whyLeaseOver, t.knob.Baseline) {
		level = slog.LevelInfo
	}
	t.log.Log(context.Background(), level, "a knob was moved", "knob", t.knob.Name,
		"from", from.Said(), "to", to.Said(), "reason", why.Rule, "policy", why.Policy)
}

// apply calls the actuator. A callback of the service's owner may run in there: whatever it does, the session goes on.
func (t *tuned) apply(value model.Value, why *wire.Why) (readBack model.Value, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = errors.New("the callback panicked")
		}
	}()
	return t.actuator.Apply(value, why)
}

func (t *tuned) guard(call func()) {
	defer func() {
		if caught := recover(); caught != nil {
			t.log.Error("an actuator panicked", "knob", t.knob.Name, "panic", caught)
		}
	}()
	call()
}
