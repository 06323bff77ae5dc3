package places

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// shard holds the counters of one processor.
//
// The counters of one event (a count and the sum of its times) must be seen together or not at all: a reader that saw the count
// without the time would be off by the age of the process. So whoever writes or reads claims the shard, with one
// compare-and-swap, and writes plain words. One that is taken is not waited for, the next will do.
type shard struct {
	// Odd while somebody is inside.
	turn atomic.Uint64

	admissions
	releases
	// What is left of the squares below one unit, square microseconds.
	squareRest uint64
	histogram  [Buckets]uint64
	pulse

	// Alone of all these it stands for itself, so it is simply added to.
	rejected [model.Priorities]atomic.Uint64
	_        [128]byte
}

type admissions struct{ admitted, admitTimeSum uint64 }

type releases struct {
	completed, dropped, failed, cancelled, late uint64
	releaseTimeSum, latencySum                  uint64
	successLatencySum, successLatencySqSum      uint64
	slow                                        [model.MostWatched]uint64
}

func (r *releases) count() uint64 { return r.completed + r.dropped + r.failed + r.cancelled }

const squareUnitMicros = (model.SquareUnitNanos / 1000) * (model.SquareUnitNanos / 1000)

func (s *shard) tryClaim() bool {
	turn := s.turn.Load()
	return turn&1 == 0 && s.turn.CompareAndSwap(turn, turn+1)
}

func (s *shard) unclaim() { s.turn.Add(1) }

// Watched latencies: a success that takes longer than the deadline is late; calls slower than each of After are counted.
type Watched struct {
	Deadline uint64
	After    [model.MostWatched]uint64
	Count    int
}

// Watch the latencies of at most four durations; a deadline of 0 is none.
func Watch(deadline time.Duration, after []time.Duration) Watched {
	w := Watched{Deadline: math.MaxUint64}
	if deadline > 0 {
		w.Deadline = uint64(deadline)
	}
	for _, latency := range after {
		if latency > 0 && w.Count < model.MostWatched {
			w.After[w.Count] = uint64(latency)
			w.Count++
		}
	}
	return w
}

// release counts a release that was timed. For whoever has claimed the shard.
func (p *Places) release(s *shard, outcome model.Outcome, admittedAt, at uint64) {
	latency := at - admittedAt
	if outcome == model.OutcomeSuccess {
		s.success(latency, p.watched.Deadline, 1)
	}
	p.countSlow(s, outcome, latency, 1)
	s.end(outcome, admittedAt, at)
}

// end counts what every release has.
func (s *shard) end(outcome model.Outcome, admittedAt, at uint64) {
	switch outcome {
	case model.OutcomeSuccess:
		s.completed++
	case model.OutcomeDropped:
		s.dropped++
	case model.OutcomeFailure:
		s.failed++
	default:
		s.cancelled++
	}
	s.releaseTimeSum += at
	s.latencySum += at - admittedAt
}

// countSlow: a call that was cancelled says nothing.
func (p *Places) countSlow(s *shard, outcome model.Outcome, latency, times uint64) {
	if p.watched.Count == 0 || outcome == model.OutcomeIgnore {
		return
	}
	for i, after := range p.watched.After[:p.watched.Count] {
		if latency > after {
			s.slow[i] += times
		}
	}
}

// The longest latency whose square fits.
const maxMicros = math.MaxUint32

// success counts so many successes of that latency, but for their number.
func (s *shard) success(latency, deadline, times uint64) {
	s.successLatencySum += latency * times
	micros := min(latency/1000, maxMicros)
	// The rest is carried: a service that answers in 50 us has squares below one unit.
	squares := micros*micros*times + s.squareRest
	s.squareRest = squares % squareUnitMicros
	s.successLatencySqSum += squares / squareUnitMicros
	s.histogram[bucket(latency)] += times
	if latency > deadline {
		s.late += times
	}
}
