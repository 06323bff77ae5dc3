package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// timeUp: waiting or greeting is over.
func (l *loop) timeUp() {
	switch l.line.where {
	case waiting:
		l.line.connect()
	case greeting:
		l.broken(&broken{why: fmt.Sprintf("no answer within %v", greetWithin)})
	}
}

func (l *loop) connected(it dialled) {
	if it.err != nil {
		l.line.connected()
		l.broken(&broken{why: it.err.Error()})
		return
	}
	l.line.connected()
	l.knobsChanged()
	hello := l.hello()
	// A hello names every knob: only what comes or goes from now on is news.
	l.speech.add, l.speech.remove = nil, nil
	l.line.greet(it.conn, wire.EncodeHello(hello))
}

func (l *loop) heard(it heard) {
	if it.end != nil {
		l.broken(it.end)
		return
	}
	message, err := wire.Decode(it.message)
	if l.line.where == greeting {
		l.greeted(message, err)
		return
	}
	if err != nil {
		l.couldNotRead(it, err)
		return
	}
	switch message := message.(type) {
	case *wire.Frame:
		l.speech.acks(l.applier.frame(message, l.now()))
		l.speech.flush(l.line)
		if why, news := l.leaks.heard(message); news && !l.applier.disabled && l.options.OnTaskLeak != nil {
			l.options.OnTaskLeak(why)
		}
	case *wire.Beat:
		l.beat(message)
	case *wire.Drain:
		l.options.Log.Info("the sidecar drains", "retry_after", message.RetryAfter, "why", message.Why)
		l.hangUp(l.backoff.afterDrain(message.RetryAfter))
	case *wire.Welcome:
		l.options.Log.Warn("a second welcome was ignored")
	}
}

// greeted is the first message; some of a kind that this build does not know may precede it.
func (l *loop) greeted(message any, err error) {
	welcome, ok := message.(*wire.Welcome)
	switch {
	case errors.Is(err, wire.ErrUnknownMessage):
	case err != nil:
		l.broken(&broken{why: err.Error()})
	case !ok:
		l.broken(&broken{why: "the first answer was no welcome"})
	case welcome.Protocol != wire.ProtocolVersion:
		l.broken(&broken{true, fmt.Sprintf("the sidecar speaks protocol %d", welcome.Protocol)})
	default:
		l.welcomed(welcome)
	}
}

func (l *loop) welcomed(welcome *wire.Welcome) {
	now, log := l.now(), l.options.Log
	log.Info("in session with the sidecar", "epoch", welcome.Epoch, "protocol", welcome.Protocol, "config", welcome.ConfigRevision)
	for _, knob := range welcome.Unbound {
		log.Info("no policy names this knob", "knob", knob)
	}
	for _, knob := range welcome.Missing {
		log.Warn("a policy names a knob that this process does not have", "knob", knob)
	}
	l.line.welcomed()
	l.complained, l.unreadable, l.beatEvery = false, 0, welcome.BeatEvery
	l.liveness = &liveness{beatEvery: welcome.BeatEvery, lostAfter: welcome.LostAfter, advanced: now}
	if l.hasHeard && l.heardEpoch == welcome.Epoch {
		// A loop that hangs does not live by being called again.
		l.liveness.tick, l.liveness.heard = l.heardTick, true
	}
	l.applier.startStream(welcome.Epoch)
	l.speech.start(welcome, now)
	l.speech.flush(l.line)
	// Policies need counters to decide on: the first setpoints wait for these.
	l.report()
}

// beat of a loop that moves: leases start again.
func (l *loop) beat(beat *wire.Beat) {
	now := l.now()
	if l.liveness == nil || !l.liveness.beat(beat, now) {
		return
	}
	l.stalls.heard()
	l.backoff.reset()
	l.heardEpoch, l.heardTick, l.hasHeard = l.applier.epoch, beat.LoopTick, true
	if l.applier.lapsed(beat.Renew) {
		// The sidecar believes in force what was let go long ago. A new session tells it what is, and it decides anew.
		l.options.Log.Warn("the sidecar is back after its leases ran out: a new session is begun")
		l.hangUp(0)
		return
	}
	l.applier.renew(beat.Renew, now)
}

// couldNotRead: the stream goes on, since a newer sidecar may say what this build does not know.
func (l *loop) couldNotRead(it heard, err error) {
	l.unreadable++
	if l.unreadable&(l.unreadable-1) == 0 {
		l.options.Log.Warn("a message could not be read", "bad", err, "so_far", l.unreadable)
	}
	if ack, ok := wire.Refusal(it.message, err); ok {
		l.speech.acks(l.applier.refuse(ack))
		l.speech.flush(l.line)
	}
}

func (l *loop) broken(it *broken) {
	if !l.complained {
		l.complained = true
		l.options.Log.Warn("no session with the sidecar, values are kept as their leases say", "why", it.why)
	}
	if it.denied {
		l.hangUp(l.backoff.afterDenial())
	} else {
		l.hangUp(l.backoff.afterFailure())
	}
}

// hangUp goes back to waiting. What is in force stays under its leases.
func (l *loop) hangUp(wait time.Duration) {
	l.liveness = nil
	l.line.rest(wait)
}

// hello is what this process is, what of it may be tuned, and what is in force now.
func (l *loop) hello() *wire.Hello {
	o := &l.options
	hello := &wire.Hello{
		Service: o.Service, InstanceID: o.InstanceID, Incarnation: o.Seed, SDK: o.SDK, Runtime: o.Runtime, Labels: o.Labels,
		Capabilities: []string{"atomic_group", "breaker.remote", "knob.gc_target", "knob.parallelism", "lease.decay"},
		LastApplied:  l.applier.lastApplied(), State: l.applier.inForce(l.now()),
	}
	l.applier.each(func(t *tuned) { hello.Knobs = append(hello.Knobs, t.knob) })
	return hello
}
