package session

import (
	"math"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	// The shortest time between two steps of a move that was cut.
	walkEvery = time.Second
	// The share of its range that a knob may move from zero, where a ratio of the present value means nothing.
	fromZero = 0.01
)

// pace says how far a knob may go now.
type pace uint8

const (
	wholeWay pace = iota
	partOfTheWay
	waitFirst
)

// paceOf says how far a knob may go from one value to another, and where to if only part of the way.
//
// A move that sheds load may jump: it protects. Any other move waits until the last one is the dwell ago, and goes no further than
// the ratio of the present value, because a limit that opens too fast is how an overload comes back. When that cuts a move, the
// rest follows by itself: the frame said where the knob should be, and will not say so again.
func paceOf(knob *model.Knob, from, to model.Value, sinceMoved time.Duration, walking bool) (pace, float64) {
	if from == to || tightens(knob, from.Scalar(), to.Scalar()) {
		return wholeWay, 0
	}
	dwell := knob.MinDwell
	if walking {
		dwell = max(dwell, walkEvery)
	}
	if sinceMoved < dwell {
		return waitFirst, 0
	}
	if knob.MaxChangeRatio == 0 || !to.IsQuantity() {
		return wholeWay, 0
	}
	reach := max(math.Abs(from.Number)*knob.MaxChangeRatio, knob.Step)
	if reach == 0 {
		reach = (knob.Max - knob.Min) * fromZero
	}
	if math.Abs(to.Number-from.Number) <= reach {
		return wholeWay, 0
	}
	next, ok := knob.Fit(from.Number + math.Copysign(reach, to.Number-from.Number))
	if !ok {
		return waitFirst, 0
	}
	return partOfTheWay, next
}

func tightens(knob *model.Knob, from, to float64) bool {
	if knob.Kind == model.KindBreaker {
		return to > from
	}
	return knob.Restrictive.Tightens(from, to)
}
