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
	*quota
	// Odd while somebody is inside.
	turn atomic.Uint64
	// Places that are taken from the gauge and used by no call; those of the quota are among them.
	spare uint64
	// Admissions of the quota that were not counted yet, and its time, microseconds.
	granted, openedAt uint64
	// When the slice began.
	admittedBefore uint64

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

// quota of a processor: what most calls read and write, and nothing else. See spare.go.
type quota struct {
	open, closed atomic.Uint64
	_            [112]byte
}

type admissions struct{ admitted, admitTimeSum uint64 }

type releases struct {
	completed, dropped, failed, cancelled, late uint64
	releaseTimeSum, latencySum                  uint64
	successLatencySum, successLatencySqSum      uint64
	slow                                        [model.MostWatched]uint64
}

func (r *releases) count() uint64 { return r.completed + r.dropped + r.failed + r.cancelled }

const (
	// Attempts until somebody's thread seems to be stopped, a few microseconds, and how long to leave it alone then.
	spins   = 1000
	stopped = 20 * time.Microsecond
)

const squareUnitMicros = (model.SquareUnitNanos / 1000) * (model.SquareUnitNanos / 1000)

func (s *shard) tryClaim() bool {
	turn := s.turn.Load()
	return turn&1 == 0 && s.turn.CompareAndSwap(turn, turn+1)
}

// claim waits until nobody is inside. Whoever is stays for some nanoseconds, but for one whose thread the kernel has stopped in there: to
// try again and again would take away what that thread waits for.
func (s *shard) claim() {
	for tries := 0; !s.tryClaim(); tries++ {
		if tries >= spins {
			time.Sleep(stopped)
		}
	}
}

func (s *shard) unclaim() { s.turn.Add(1) }

// release counts a release that was timed. For whoever has claimed the shard.
func (p *Places) release(s *shard, outcome model.Outcome, admittedAt, at uint64) {
	latency := at - admittedAt
	if outcome == model.OutcomeSuccess {
		p.success(s, latency, 1)
	}
	p.end(s, outcome, admittedAt, at)
}

// end counts what every release has. A call that was cancelled says nothing of how slow it was.
func (p *Places) end(s *shard, outcome model.Outcome, admittedAt, at uint64) {
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
	if latency := at - admittedAt; (outcome == model.OutcomeDropped || outcome == model.OutcomeFailure) && at > admittedAt && p.thresholds.exceeded(latency) {
		p.thresholds.count(s, latency, 1, false)
	}
}

// The longest latency whose square fits.
const maxMicros = math.MaxUint32

// success counts so many successes of that latency, but for their number.
func (p *Places) success(s *shard, latency, times uint64) {
	s.successLatencySum += latency * times
	micros := min(latency/1000, maxMicros)
	// The rest is carried: a service that answers in 50 us has squares below one unit.
	squares := micros*micros*times + s.squareRest
	s.squareRest = squares % squareUnitMicros
	s.successLatencySqSum += squares / squareUnitMicros
	s.histogram[bucket(latency)] += times
	if p.thresholds.exceeded(latency) {
		p.thresholds.count(s, latency, times, true)
	}
}
