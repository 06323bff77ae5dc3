package session

import (
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// answerLine is a line of an ack: what became of one setpoint, or, unless final, whatever that of its knob is when the ack is made.
type answerLine struct {
	knob    string
	verdict verdict
	final   bool
}

// linesOf gives one line for each setpoint of a frame, in the frame's order, the unreadable ones last.
func linesOf(frame *wire.Frame, verdictOf func(*wire.Setpoint) (verdict, bool)) []answerLine {
	lines := make([]answerLine, 0, len(frame.Set)+len(frame.Unsupported))
	for i := range frame.Set {
		verdict, final := verdictOf(&frame.Set[i])
		lines = append(lines, answerLine{frame.Set[i].Knob, verdict, final})
	}
	for _, it := range frame.Unsupported {
		lines = append(lines, answerLine{it.Knob, notSupported(it.Why), true})
	}
	return lines
}

// answer is the ack of a frame with these lines, as its knobs stand now.
func (a *applier) answer(channel wire.Channel, nonce uint64, lines []answerLine) wire.Ack {
	ack := wire.Ack{Channel: channel, Nonce: nonce, Results: make([]wire.Result, 0, len(lines))}
	for _, line := range lines {
		knob := a.knobs[line.knob]
		said := line.verdict
		switch {
		case line.final:
		case knob == nil:
			said = notSupported("withdrawn")
		default:
			said = a.standing(knob)
		}
		ack.Results = append(ack.Results, result(line.knob, knob, said))
	}
	return ack
}

func result(name string, knob *tuned, said verdict) wire.Result {
	result := wire.Result{Knob: name, Status: said.status, Detail: said.detail}
	if knob != nil {
		result.Effective = knob.effective()
		result.Shares, result.HasShares = knob.actuator.Shares()
	}
	return result
}

// standing is the verdict of a knob, or that the kill switch stands above it.
func (a *applier) standing(knob *tuned) verdict {
	if a.disabled {
		return localOverride
	}
	return knob.verdict
}

// refuse completes the answer to a frame that could not be read with what is in force all the same.
func (a *applier) refuse(ack wire.Ack) wire.Ack {
	for i := range ack.Results {
		if knob := a.knobs[ack.Results[i].Knob]; knob != nil {
			ack.Results[i].Effective = knob.effective()
		}
	}
	return ack
}

// inForce is what is in force of every knob, for a hello.
func (a *applier) inForce(at time.Duration) []wire.Result {
	results := make([]wire.Result, 0, len(a.inOrder))
	a.each(func(t *tuned) {
		result := result(t.knob.Name, t, a.standing(t))
		if t.pushed {
			result.Version, result.HasVersion, result.LeaseLeft = t.push.version, true, t.push.lease.left(at)
		}
		results = append(results, result)
	})
	return results
}

// lastApplied is the newest version that a knob holds, for a hello.
func (a *applier) lastApplied() *wire.Version {
	var newest *wire.Version
	a.each(func(t *tuned) {
		if t.pushed && (newest == nil || t.push.version.Seq > newest.Seq) {
			version := t.push.version
			newest = &version
		}
	})
	return newest
}
