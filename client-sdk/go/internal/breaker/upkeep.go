package breaker

import (
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// What time alone brings about, and what the session wants to know. No call needs any of this to go on.

// Tick ends what is over: a ramp, probes that hang, a stay in half open.
func (m *Machine) Tick() {
	switch w := m.load(); w.state {
	case Recovering:
		if now := m.nowMs(); now >= w.untilMs {
			m.close(w, now)
		}
	case HalfOpen, PushedHalfOpen:
		m.lookAfterProbes(w, m.nowMs())
	}
}

// lookAfterProbes gives up those that hang, and decides a round of which the time is over.
func (m *Machine) lookAfterProbes(w word, nowMs uint64) {
	for {
		lost, ok := m.probes.expired(w.generation, nowMs)
		if !ok {
			break
		}
		m.settleProbe(w, lost, badly, nowMs)
	}
	if w.state == HalfOpen && nowMs >= w.untilMs {
		m.conclude(w, judge(m.tally.probed(w.generation), true), nowMs)
	}
}

// Asked: the callee wants to be left alone for so long, an hour at most.
func (m *Machine) Asked(forSoLong time.Duration) {
	if forSoLong > 0 {
		m.wait.asked(forSoLong, m.nowMs())
	}
}

// RetryAfter is how much longer the callee wants to be left alone; 0: it did not ask.
func (m *Machine) RetryAfter() time.Duration {
	return time.Duration(m.wait.askedMs(m.nowMs())) * time.Millisecond
}

// FailuresInARow while calls pass, for the report.
func (m *Machine) FailuresInARow() uint64 {
	w := m.load()
	if w.state == HalfOpen || w.state == PushedHalfOpen {
		return 0
	}
	return m.tally.row(w.generation)
}

// Probed are the probes of the round that was pushed, while it lasts.
func (m *Machine) Probed() (model.Probed, bool) {
	w := m.load()
	probed := m.tally.probed(w.generation)
	probed.Round = uint32(m.pushed.round.Load())
	return probed, w.state == PushedHalfOpen
}

// Recovery is its generation and the share of calls that passes now; false when there is none.
func (m *Machine) Recovery() (generation uint64, share float64, ok bool) {
	w := m.load()
	if w.state != Recovering {
		return 0, 0, false
	}
	return w.generation, m.ramp.share(w.untilMs, m.nowMs()), true
}

// Limited: a limiter asks this breaker, and will hold its limit at the share of a recovery.
func (m *Machine) Limited() { m.ramp.limited.Store(true) }

// Led: the limiter does so now, in the recovery of this generation.
func (m *Machine) Led(generation uint64) { m.ramp.led.Store(generation) }

// WouldHaveOpened is how often an enforced breaker would have opened by its own rule; in shadow only.
func (m *Machine) WouldHaveOpened() uint64 { return m.wouldHave.Load() }

// WouldReject says whether an enforced breaker would reject calls now, by the sidecar's word; in shadow only.
func (m *Machine) WouldReject() bool { return m.State() == Shadow && m.pushed.wouldReject.Load() }
