package session

import (
	"log/slog"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// applier says which knobs the sidecar wants where: frames in, acks out.
//
// A frame is the complete state of one channel, so there is nothing to merge: what it names is wanted, what it names no more goes
// back to its baseline, and everything older is void. Only a newer seq counts within a stream. A new stream starts afresh, but
// what is in force stays until a frame or the end of its lease says otherwise, which is why a restarted sidecar causes no jump.
type applier struct {
	log      *slog.Logger
	knobs    map[string]*tuned
	inOrder  []*tuned // of their names
	epoch    uint64
	streams  bool
	newest   map[wire.Channel]*newest
	disabled bool
	// The latencies that the sidecar's policies watch.
	watched []model.Watch
}

// newest is the newest frame of a channel, as far as its ack needs it.
type newest struct {
	version wire.Version
	nonce   uint64
	lines   []answerLine
	// An atomic frame that waits until none of its knobs has to.
	waiting *wire.Frame
}

func newApplier(log *slog.Logger) *applier {
	return &applier{log: log, knobs: make(map[string]*tuned), newest: make(map[wire.Channel]*newest)}
}

// sync takes the knobs that exist now, wire.MaxKnobs at most. Returns what came and went.
func (a *applier) sync(actuators []actuator.Actuator) (add []*model.Knob, remove []string) {
	present := make(map[string]actuator.Actuator, len(actuators))
	for _, it := range actuators {
		present[it.Knob().Name] = it
	}
	for name, tuned := range a.knobs {
		if present[name] != tuned.actuator {
			delete(a.knobs, name)
			remove = append(remove, name)
		}
	}
	sort.Strings(remove)
	for _, it := range actuators {
		name := it.Knob().Name
		if a.knobs[name] != nil {
			continue
		}
		if len(a.knobs) >= wire.MaxKnobs {
			a.log.Warn("too many knobs: this one is not announced", "knob", name, "most", wire.MaxKnobs)
			continue
		}
		add = append(add, it.Knob())
		a.knobs[name] = newTuned(it, a.log)
		a.countSlow(a.knobs[name])
	}
	a.inOrder = slices.SortedFunc(maps.Values(a.knobs), func(x, y *tuned) int { return strings.Compare(x.knob.Name, y.knob.Name) })
	return add, remove
}

// each calls for every knob, in order.
func (a *applier) each(call func(*tuned)) {
	for _, it := range a.inOrder {
		call(it)
	}
}

// startStream: what was pushed on the last one stays in force, but orders nothing. What another sidecar watched is of no use to this one.
func (a *applier) startStream(epoch uint64) {
	if a.streams && a.epoch != epoch {
		a.watch(nil)
	}
	a.epoch, a.streams = epoch, true
	clear(a.newest)
}

// frame puts a frame in force and answers it.
func (a *applier) frame(frame *wire.Frame, now time.Duration) wire.Ack {
	if why := a.void(frame); why != "" {
		lines := linesOf(frame, func(*wire.Setpoint) (verdict, bool) { return rejected(why), true })
		return a.answer(frame.Channel, frame.Nonce, lines)
	}
	if frame.Channel == wire.Safety {
		a.watch(frame.Watched)
	}
	it := &newest{version: frame.Version, nonce: frame.Nonce}
	switch {
	case frame.Shadow:
		it.lines = a.shadow(frame)
	case frame.Atomic:
		it.lines, it.waiting = a.putTogether(frame, now)
	default:
		it.lines = a.putEach(frame, now)
	}
	a.newest[frame.Channel] = it
	return a.answer(frame.Channel, frame.Nonce, it.lines)
}

// void says why a frame does not count.
func (a *applier) void(frame *wire.Frame) string {
	if !a.streams || a.epoch != frame.Version.Epoch {
		return "of another epoch than the stream"
	}
	if newest := a.newest[frame.Channel]; newest != nil && frame.Version.Seq <= newest.version.Seq {
		return "not newer than the frame before"
	}
	return ""
}

// watch these latencies and no others.
func (a *applier) watch(watched []model.Watch) {
	if !slices.Equal(a.watched, watched) {
		a.watched = watched
		a.each(a.countSlow)
	}
}

func (a *applier) countSlow(t *tuned) {
	_, resource, _ := strings.Cut(t.knob.Name, ".")
	var own []time.Duration
	for _, it := range a.watched {
		if it.Resource == resource {
			own = append(own, it.After)
		}
	}
	t.guard(func() { t.actuator.CountSlowerThan(own) })
}

func (a *applier) shadow(frame *wire.Frame) []answerLine {
	return linesOf(frame, func(setpoint *wire.Setpoint) (verdict, bool) {
		if refused, ok := a.check(setpoint); !ok {
			return refused, true
		}
		return shadowed, true
	})
}

func (a *applier) check(setpoint *wire.Setpoint) (verdict, bool) {
	tuned := a.knobs[setpoint.Knob]
	if tuned == nil {
		return notSupported("no knob of this name"), false
	}
	return tuned.check(setpoint.Value)
}

func (a *applier) putEach(frame *wire.Frame, now time.Duration) []answerLine {
	a.releaseAbsent(frame, now)
	return linesOf(frame, func(setpoint *wire.Setpoint) (verdict, bool) {
		tuned := a.knobs[setpoint.Knob]
		if refused, ok := a.check(setpoint); !ok {
			if tuned != nil {
				tuned.adopt(frame.Channel, frame.Version, now)
			}
			return refused, true
		}
		tuned.push, tuned.pushed = pushOf(frame, setpoint, now), true
		tuned.settle(now, now, true)
		return verdict{}, false
	})
}

// releaseAbsent lets go of knobs that this channel held and names no more. One that it names unreadably is left to the end of its
// lease.
func (a *applier) releaseAbsent(frame *wire.Frame, now time.Duration) {
	named := make(map[string]bool, len(frame.Set))
	for i := range frame.Set {
		named[frame.Set[i].Knob] = true
	}
	for _, it := range frame.Unsupported {
		named[it.Knob] = true
	}
	a.each(func(t *tuned) {
		if t.pushed && t.push.channel == frame.Channel && !named[t.knob.Name] {
			t.pushed = false
			t.settle(now, now, true)
		}
	})
}

// releaseAll puts every knob at its baseline at once: the session is over.
func (a *applier) releaseAll(now time.Duration) {
	a.each(func(t *tuned) { t.abandon(now) })
}

// renew starts the leases of these versions again.
func (a *applier) renew(renewals []wire.Renewal, now time.Duration) {
	for _, renewal := range renewals {
		a.each(func(t *tuned) {
			if t.holds(renewal) {
				t.push.lease.renew(now)
			}
		})
	}
}

// lapsed says whether the value of one of these versions was let go because its lease had run out.
func (a *applier) lapsed(renewals []wire.Renewal) bool {
	found := false
	for _, renewal := range renewals {
		a.each(func(t *tuned) { found = found || t.lapsed(renewal) })
	}
	return found
}

// tick moves every knob to where it should be now. Returns the acks that have changed.
func (a *applier) tick(now, judgeAt time.Duration) []wire.Ack {
	var changed [wire.Custom + 1]bool
	a.each(func(t *tuned) {
		if t.settle(now, judgeAt, false) && t.pushed {
			changed[t.push.channel] = true
		}
	})
	var acks []wire.Ack
	for _, channel := range wire.Channels {
		again := a.retryWaiting(channel, now)
		if newest := a.newest[channel]; newest != nil && (changed[channel] || again) {
			acks = append(acks, a.answer(channel, newest.nonce, newest.lines))
		}
	}
	return acks
}

// acks are the answers to every channel's newest frame, as things stand now.
func (a *applier) acks() []wire.Ack {
	var acks []wire.Ack
	for _, channel := range wire.Channels {
		if newest := a.newest[channel]; newest != nil {
			acks = append(acks, a.answer(channel, newest.nonce, newest.lines))
		}
	}
	return acks
}

// setDisabled turns the kill switch. The knobs themselves are switched by their actuators, and have been.
func (a *applier) setDisabled(disabled bool) {
	a.disabled = disabled
	a.each(func(t *tuned) { t.readBack = t.actuator.InForce() })
}

func pushOf(frame *wire.Frame, setpoint *wire.Setpoint, now time.Duration) push {
	return push{
		channel: frame.Channel, version: frame.Version, wanted: setpoint.Value, admission: setpoint.Admission,
		lease: leaseClock{setpoint.Lease, now}, why: setpoint.Why,
	}
}
