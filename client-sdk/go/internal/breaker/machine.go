// Package breaker holds a circuit breaker's states and transitions, on a handful of atomic words.
//
// One word holds state, generation and the end of the wait, so that every transition is one compare-and-swap. Each transition
// begins a new generation, and a call carries the generation that it was let in under: what a straggler of an earlier generation
// has to say is counted, but never moves the state. Without that, calls that were already hanging when the breaker opened decide
// the fate of the probes.
//
//	state                        calls                   leaves when
//	closed                       pass                    so many hard failures in a row: open
//	open                         rejected                the wait is over and a call comes: half open
//	half open                    at most 2 probes        3 probes succeed: closed. One fails, is dropped or is out for 3 s: open, longer
//	pushed closed, half open,
//	open, forced open            as the sidecar says     it says something else
package breaker

import (
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	// Probes at once when the local breaker is half open, and how many must succeed.
	localProbes   = 2
	probesToClose = 3
)

// Rules say when the local breaker trips and how long it stays open.
type Rules struct {
	// Failures in a row that trip it; 0: it never trips by itself.
	Failures          uint32
	Wait, LongestWait time.Duration
}

// Pass is the right to go through the breaker once: a packed probe, or one without a deadline for a call that is none.
type Pass uint64

func (p Pass) probe() (probe, bool) {
	mine := unpackProbe(uint64(p))
	return mine, mine.deadlineMs != 0
}

// Machine is the state machine of one breaker. It starts closed and does not trip by itself until it is armed.
type Machine struct {
	word atomic.Uint64
	// Failures in a row (closed) or successful probes (half open) of one generation.
	tally atomic.Uint64
	// Hard failures in a row of whatever generation: for the report, never for a decision.
	inARow   atomic.Uint64
	failures atomic.Uint64
	clock    *clock.Clock
	wait     wait
	probes   probes
	pushed   pushed
}

// New machine; the seed spreads its waits.
func New(clock *clock.Clock, seed uint64) *Machine {
	return &Machine{clock: clock, wait: wait{seed: seed}}
}

// Arm sets the rules of the local breaker.
func (m *Machine) Arm(rules Rules) {
	m.wait.set(rules.Wait, max(rules.LongestWait, rules.Wait))
	m.failures.Store(uint64(rules.Failures))
}

// Admit lets a call through, or says when to come back. One load while the breaker is closed.
func (m *Machine) Admit() (Pass, time.Duration, bool) {
	if packed := m.word.Load(); passesAll(packed) {
		return Pass(packed & generationMask), 0, true
	}
	return m.admitSome()
}

// Settle takes the result of a call that was let through. Three loads while all is well.
func (m *Machine) Settle(pass Pass, outcome model.Outcome) {
	if outcome == model.OutcomeSuccess {
		if m.inARow.Load() != 0 {
			m.inARow.Store(0)
		}
	} else if outcome == model.OutcomeFailure {
		m.inARow.Add(1)
	}
	packed := m.word.Load()
	if packed&generationMask != uint64(pass)&generationMask {
		return
	}
	if passesAll(packed) && outcome == model.OutcomeSuccess {
		m.clear(packed)
		return
	}
	m.settleException(unpackWord(packed), pass, outcome)
}

func (m *Machine) settleException(w word, pass Pass, outcome model.Outcome) {
	probe, isProbe := pass.probe()
	switch {
	case w.state == Closed && outcome == model.OutcomeFailure:
		if failures := m.failures.Load(); failures > 0 && m.count(w) >= failures {
			now := m.nowMs()
			m.open(w, m.wait.forgiven(now), now)
		}
	case isProbe && (w.state == HalfOpen || w.state == PushedHalfOpen):
		m.settleProbe(w, probe, outcome)
	}
}

// GiveBack a pass unused.
func (m *Machine) GiveBack(pass Pass) {
	if probe, ok := pass.probe(); ok {
		m.probes.giveBack(probe)
	}
}

// Push takes a state from outside; local hands the breaker back to its own rules, closed.
func (m *Machine) Push(state model.Breaker) {
	next := m.pushed.takeIn(state)
	for {
		w := unpackWord(m.word.Load())
		if next == Closed && w.state.isLocal() {
			return // a local breaker that is told to be local goes on as it was
		}
		if m.transition(w, next, 0) {
			break
		}
	}
	if next == Closed {
		m.wait.closed(m.nowMs())
	}
}

// State now. An open breaker whose wait is over stays open until a call comes.
func (m *Machine) State() State { return unpackWord(m.word.Load()).state }

// FailuresInARow is for the report.
func (m *Machine) FailuresInARow() uint64 { return m.inARow.Load() }

func (m *Machine) nowMs() uint64 { return m.clock.Nanos() / 1_000_000 }

func (m *Machine) admitSome() (Pass, time.Duration, bool) {
	now := m.nowMs()
	for {
		w := unpackWord(m.word.Load())
		switch w.state {
		case Closed, PushedClosed:
			return Pass(w.generation << timeBits), 0, true
		case Open:
			if now < w.untilMs {
				return 0, time.Duration(w.untilMs-now) * time.Millisecond, false
			}
			// Where a transition loses its race, the winner's word is looked at next.
			m.transition(w, HalfOpen, 0)
		case HalfOpen:
			switch wish, probe := m.probes.take(w.generation, localProbes, now); wish {
			case got:
				return Pass(probe.pack()), 0, true
			case everyoneOut:
				return 0, allOut, false
			case expired:
				m.open(w, m.wait.doublings.Load(), now)
			}
		case PushedHalfOpen:
			if !m.pushed.lotFalls() {
				return 0, allOut, false
			}
			switch wish, probe := m.probes.take(w.generation, m.pushed.probes(), now); wish {
			case got:
				return Pass(probe.pack()), 0, true
			case everyoneOut:
				return 0, allOut, false
			case expired:
				// The sidecar judges here: a probe that hangs only gives its place up.
				m.probes.giveBack(probe)
			}
		default:
			return 0, m.pushed.tell(), false
		}
	}
}

func (m *Machine) settleProbe(w word, mine probe, outcome model.Outcome) {
	if !m.probes.giveBack(mine) || w.state != HalfOpen {
		return
	}
	now := m.nowMs()
	switch {
	case mine.expired(now) || outcome == model.OutcomeDropped || outcome == model.OutcomeFailure:
		m.open(w, m.wait.doublings.Load(), now)
	case outcome == model.OutcomeSuccess && m.count(w) >= probesToClose:
		if m.transition(w, Closed, 0) {
			m.wait.closed(now)
		}
	}
}

// open the breaker, unless it has moved on: then somebody else had the last word.
func (m *Machine) open(from word, doublings, nowMs uint64) {
	length := m.wait.lengthMs(doublings, from.generation)
	if m.transition(from, Open, nowMs+length) {
		m.wait.opened(doublings, length)
	}
}

// transition from exactly that word to a new generation; false when it has moved already.
func (m *Machine) transition(from word, to State, untilMs uint64) bool {
	return m.word.CompareAndSwap(from.pack(), word{to, from.nextGeneration(), untilMs}.pack())
}

// count adds one to the tally of a generation and returns it; 0 when that generation is over.
func (m *Machine) count(w word) uint64 {
	for {
		held := m.tally.Load()
		there := unpackTally(held)
		if there.generation != w.generation {
			if unpackWord(m.word.Load()).generation != w.generation {
				return 0
			}
			there = tally{w.generation, 0}
		}
		there.count++
		if m.tally.CompareAndSwap(held, there.pack()) {
			return there.count
		}
	}
}

// clear sets the tally back, if it is of that generation and not at zero already (the usual case, which writes nothing).
func (m *Machine) clear(packed uint64) {
	held := m.tally.Load()
	there := unpackTally(held)
	if there.count != 0 && there.generation == unpackWord(packed).generation {
		// Lost to another completion: either order of the two is as true as the other.
		m.tally.CompareAndSwap(held, tally{there.generation, 0}.pack())
	}
}
