package breaker

import "github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"

// Settle takes the result of a call that was let through. Two loads while all is well.
func (m *Machine) Settle(pass Pass, outcome model.Outcome) {
	packed := m.word.Load()
	if packed&generationMask != uint64(pass)&generationMask {
		return
	}
	if passesAll(packed) && outcome == model.OutcomeSuccess {
		m.tally.clear(packed & generationMask >> timeBits)
		return
	}
	m.settleException(unpackWord(packed), pass, outcome)
}

// GiveBack a pass unused.
func (m *Machine) GiveBack(pass Pass) {
	if mine, ok := pass.probe(); ok && m.probes.giveBack(mine) {
		// Of a generation that is over it does not matter.
		m.tally.ended(m, mine.generation, givenBack)
	}
}

func (m *Machine) settleException(w word, pass Pass, outcome model.Outcome) {
	mine, isProbe := pass.probe()
	switch {
	case isProbe && (w.state == HalfOpen || w.state == PushedHalfOpen):
		now := m.nowMs()
		how := badly
		switch {
		case mine.expired(now):
		case outcome == model.OutcomeSuccess:
			how = well
		case outcome == model.OutcomeIgnore:
			how = ignored
		}
		m.settleProbe(w, mine, how, now)
	case w.state == Recovering && outcome == model.OutcomeSuccess:
		m.tally.clear(w.generation)
	case !isProbe && outcome == model.OutcomeFailure:
		m.failed(w)
	}
}

// failed hard, while calls pass.
func (m *Machine) failed(w word) {
	row, current := m.tally.fail(m, w.generation)
	failures := m.failures.Load()
	if !current || failures == 0 || row < failures {
		return
	}
	switch w.state {
	case Closed:
		now := m.nowMs()
		m.open(w, m.wait.forgiven(now), now)
	case Recovering:
		m.reopen(w, m.nowMs())
	case Shadow:
		m.wouldHave.Add(1)
		m.tally.clear(w.generation)
	}
}

// settleProbe: one has come back, or is given up.
func (m *Machine) settleProbe(w word, mine probe, how ended, nowMs uint64) {
	if !m.probes.giveBack(mine) {
		return // it was given up before
	}
	probed, current := m.tally.ended(m, w.generation, how)
	if current && w.state == HalfOpen {
		m.conclude(w, judge(probed, nowMs >= w.untilMs), nowMs)
	}
}

// conclude a round of the local breaker's probes.
func (m *Machine) conclude(w word, said verdict, nowMs uint64) {
	switch {
	case said == failed:
		m.reopen(w, nowMs)
	case said == recovered && m.ramp.ownMs.Load() == 0:
		m.close(w, nowMs)
	case said == recovered:
		length := m.ramp.ownMs.Load()
		m.ramp.runningMs.Store(length)
		m.transition(w, Recovering, nowMs+length)
	}
}

func (m *Machine) close(w word, nowMs uint64) {
	if m.transition(w, Closed, 0) {
		m.wait.closed(nowMs)
	}
}

func (m *Machine) reopen(w word, nowMs uint64) { m.open(w, m.wait.doublings.Load(), nowMs) }

// open the breaker, unless it has moved on: then somebody else had the last word.
func (m *Machine) open(from word, doublings, nowMs uint64) {
	length := m.wait.lengthMs(doublings, from.generation, nowMs)
	if m.transition(from, Open, nowMs+length) {
		m.wait.opened(doublings, length)
	}
}
