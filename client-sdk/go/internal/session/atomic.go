package session

import (
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// putTogether puts all of a frame in force or nothing: nothing when one knob cannot take its value, nothing yet while one has to
// wait. A knob that cannot take its value is found before anything is touched, wherever that can be known. Only a refusal by the
// service itself comes late, and then everything is taken back.
func (a *applier) putTogether(frame *wire.Frame, now time.Duration) ([]answerLine, *wire.Frame) {
	refusals := make([]verdict, len(frame.Set))
	sound, mustWait := len(frame.Unsupported) == 0, false
	for i := range frame.Set {
		refused, ok := a.check(&frame.Set[i])
		if !ok {
			refusals[i], sound = refused, false
			continue
		}
		mustWait = mustWait || a.knobs[frame.Set[i].Knob].wouldWait(frame.Set[i].Value, now)
	}
	if sound && mustWait {
		a.adopt(frame, now)
		return linesOf(frame, func(*wire.Setpoint) (verdict, bool) { return deferred, true }), frame
	}
	if sound {
		before := make(map[string]state, len(a.knobs))
		for name, t := range a.knobs {
			before[name] = t.state
		}
		lines := a.putEach(frame, now)
		if a.allTaken(frame, refusals) {
			return lines, nil
		}
		a.each(func(t *tuned) { t.rollBack(before[t.knob.Name]) })
	}
	a.adopt(frame, now)
	return allOrNothing(frame, refusals), nil
}

// allTaken says whether no actuator refused; those that did are noted.
func (a *applier) allTaken(frame *wire.Frame, refusals []verdict) bool {
	all := true
	for i := range frame.Set {
		if said := a.knobs[frame.Set[i].Knob].verdict; said.is(wire.Rejected) {
			refusals[i], all = said, false
		}
	}
	return all
}

// allOrNothing are the lines of a frame that was refused: the culprits say why, the others that it was not their fault.
func allOrNothing(frame *wire.Frame, refusals []verdict) []answerLine {
	i := -1
	return linesOf(frame, func(*wire.Setpoint) (verdict, bool) {
		i++
		if refusals[i].status != 0 {
			return refusals[i], true
		}
		return rejected("another setpoint of this atomic frame was refused"), true
	})
}

// adopt: the frame changed nothing, so what stands in its channel lives on under its version.
func (a *applier) adopt(frame *wire.Frame, now time.Duration) {
	a.each(func(t *tuned) { t.adopt(frame.Channel, frame.Version, now) })
}

// retryWaiting: true when an atomic frame waits no longer.
func (a *applier) retryWaiting(channel wire.Channel, now time.Duration) bool {
	newest := a.newest[channel]
	if newest == nil || newest.waiting == nil {
		return false
	}
	newest.lines, newest.waiting = a.putTogether(newest.waiting, now)
	return newest.waiting == nil
}
