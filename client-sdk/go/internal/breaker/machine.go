// Package breaker holds a circuit breaker's states and transitions, on a handful of atomic words.
//
// One word holds state, generation and the end of what the state waits for, so that every transition is one compare-and-swap. Each
// transition begins a new generation, and a call carries the generation that it was let in under: what a straggler of an earlier
// generation has to say never moves the state. Without that, calls that were already hanging when the breaker opened decide the fate of
// the probes.
//
//	state                        calls                    leaves when
//	closed                       pass                     so many hard failures in a row: open
//	open                         rejected                 the wait is over and a call comes: half open
//	half open                    a few probes (budget)    they failed, or did not come back: open, longer. They succeeded: recovering
//	recovering                   more and more (ramp)     so many failures in a row: open, longer. The ramp is over: closed
//	pushed closed, half open,
//	open, forced open, disabled  as the sidecar or the    it says something else
//	                             owner says
//	shadow                       pass; what the rule      it says something else
//	                             would do is only told
//
// A stay in half open ends also when its probes say nothing or never come back; see judge. What time alone brings about, the next call
// does or the session's goroutine, whichever comes first (Tick). It is the same law, with the same constants, as that of the Rust SDK.
package breaker

import (
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Rules say when the local breaker trips, how long it stays open, and how long all calls take to come back.
type Rules struct {
	// Failures in a row that trip it; 0: it never trips by itself.
	Failures          uint32
	Wait, LongestWait time.Duration
	// Ramp of 0: all at once.
	Ramp time.Duration
}

// DefaultRules are what holds where the service says nothing.
func DefaultRules() Rules {
	return Rules{Failures: 7, Wait: time.Second, LongestWait: 30 * time.Second, Ramp: 10 * time.Second}
}

// Pass is the right to go through the breaker once: a packed probe, or one without a deadline for a call that is none.
type Pass uint64

func (p Pass) probe() (probe, bool) {
	mine := unpackProbe(uint64(p))
	return mine, mine.deadlineMs != 0
}

// Machine is the state machine of one breaker. It starts closed and does not trip by itself until it is armed.
type Machine struct {
	word     atomic.Uint64
	tally    tally
	failures atomic.Uint64
	// Times that its rule would have tripped it, in shadow.
	wouldHave atomic.Uint64
	clock     *clock.Clock
	wait      wait
	probes    probes
	pushed    pushed
	ramp      ramp
}

// New machine; the seed spreads its waits.
func New(clock *clock.Clock, seed uint64) *Machine {
	m := &Machine{clock: clock, wait: wait{seed: seed}}
	rules := DefaultRules()
	m.wait.set(rules.Wait, rules.LongestWait)
	m.ramp.ownMs.Store(millis(rules.Ramp))
	m.ramp.led.Store(nobody)
	return m
}

// Arm sets the rules of the local breaker.
func (m *Machine) Arm(rules Rules) {
	m.wait.set(rules.Wait, max(rules.LongestWait, rules.Wait))
	ramp := uint64(0)
	if rules.Ramp > 0 {
		ramp = millis(rules.Ramp)
	}
	m.ramp.ownMs.Store(ramp)
	m.failures.Store(uint64(rules.Failures))
	// What failed before there was a rule breaks none.
	m.tally.clear(m.load().generation)
}

// Admit lets a call through, or says when to come back. One load while every call passes.
func (m *Machine) Admit() (Pass, time.Duration, bool) {
	if packed := m.word.Load(); passesAll(packed) {
		return Pass(packed), 0, true
	}
	return m.admitUnlessShut()
}

// AdmitAll lets a call through while every call passes. False: Admit knows.
func (m *Machine) AdmitAll() (Pass, bool) {
	packed := m.word.Load()
	return Pass(packed), passesAll(packed) // it waits for nothing then, so its time is 0: no probe
}

// IsWell says that Settle has nothing to do for a success: every call passes, and no failures are in a row.
func (m *Machine) IsWell(pass Pass) bool {
	packed := m.word.Load()
	return packed == uint64(pass) && passesAll(packed) && m.tally.word.Load()>>generationBits == 0
}

// Push takes a state from outside; local hands the breaker back to its own rules.
func (m *Machine) Push(state model.Breaker) {
	asked, now := m.pushed.takeIn(state), m.nowMs()
	for {
		w := m.load()
		next, until := asked, uint64(0)
		switch {
		case asked == Closed && w.state.isLocal():
			return // a local breaker that is told to be local goes on as it was
		case asked == Closed && m.armed() && w.state.wasRejecting():
			// It was shut for a reason. Rules of its own can find out whether that still holds.
			next, until = HalfOpen, now+budgetPatienceMs
		case asked == Recovering:
			m.ramp.runningMs.Store(millis(state.Ramp))
			until = now + millis(state.Ramp)
		}
		if next == Closed {
			m.wait.closed(now)
		}
		if m.transition(w, next, until) {
			return
		}
	}
}

// State now. An open breaker whose wait is over stays open until a call comes.
func (m *Machine) State() State { return m.load().state }

func (m *Machine) load() word { return unpackWord(m.word.Load()) }

func (m *Machine) armed() bool { return m.failures.Load() > 0 }

func (m *Machine) nowMs() uint64 { return m.clock.Nanos() / 1_000_000 }

// admitUnlessShut reads the clock only where the answer depends on it.
func (m *Machine) admitUnlessShut() (Pass, time.Duration, bool) {
	w := m.load()
	if w.state.isShut() {
		return 0, m.pushed.tell(), false
	}
	for now := m.nowMs(); ; w = m.load() {
		switch w.state {
		case Closed, PushedClosed, Disabled, Shadow:
			return w.free(), 0, true
		case Recovering:
			if now >= w.untilMs {
				m.close(w, now)
				continue
			}
			return w.free(), allOut, m.ramp.passes(w, now)
		case Open:
			if now < w.untilMs {
				return 0, time.Duration(w.untilMs-now) * time.Millisecond, false
			}
			// Where a transition loses its race, the winner's word is looked at next.
			m.transition(w, HalfOpen, now+budgetPatienceMs)
		case HalfOpen, PushedHalfOpen:
			m.lookAfterProbes(w, now)
			if pass, ok, moved := m.probe(w, now); !moved {
				return pass, allOut, ok
			}
		default:
			return 0, m.pushed.tell(), false
		}
	}
}

// free is the pass of a call that is no probe.
func (w word) free() Pass { return Pass(w.generation << timeBits) }

// probe lets one out, if the budget has one left.
func (m *Machine) probe(w word, nowMs uint64) (pass Pass, ok, movedOn bool) {
	most, total, deadline := budgetConcurrent, uint32(budgetTotal), uint64(budgetDeadlineMs)
	if w.state == PushedHalfOpen {
		most, total, deadline = m.pushed.budget()
	}
	wish, mine := m.probes.take(w.generation, most, nowMs+deadline)
	if wish != got {
		return 0, false, wish == moved
	}
	granted, movedOn := m.tally.letOut(m, w.generation, total)
	if !granted {
		m.probes.giveBack(mine)
		return 0, false, movedOn
	}
	return Pass(mine.pack()), true, false
}

// transition from exactly that word to a new generation; false when it has moved already.
func (m *Machine) transition(from word, to State, untilMs uint64) bool {
	return m.word.CompareAndSwap(from.pack(), word{to, from.nextGeneration(), untilMs}.pack())
}
