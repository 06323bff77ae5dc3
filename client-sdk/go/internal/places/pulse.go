package places

import (
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	// At most one call in so many reads the clock, unless told otherwise.
	defaultEvery = 512
	// So many calls of a shard read it in a slice, if there are as many: 1280 in a second.
	wantedReadings = 64
	// An estimate moves on by at most this for each event, nanoseconds: the mean where every other call reads the clock.
	longestStep = 50_000_000 / (4 * wantedReadings)
	// A timed latency stands for untimed calls when so many more have been timed.
	standingBy = 4
)

// sampling says which calls look at the clock: all of them, or only some.
//
// Two readings of the clock are most of what a permit costs. With sampling only one call in so many reads it, and what the sidecar
// learns stays true:
//
//	of a call that does not read              is
//	that it came, and how it ended            counted, exactly
//	the times of its admission and release    the last reading of its shard, moved on by the mean time between events there
//	its latency, when it succeeds             that of a success on its shard that was timed shortly before
//
// Every call adds its two times once and takes the first one along, so the sums stay in step with the counts: the integral of calls
// in flight and their total age cannot drift. The latencies counted are a fair draw, each standing for some that end later, so means,
// squares, the histogram and the late ones are unbiased. (Not for those that end next: after a short call it takes longer until the
// next timed one ends, so short ones would count for more.)
//
// An estimate is only good while calls come fast, and a mean only as good as the calls behind it. So a shard reads the clock as often as
// it takes to time wantedReadings calls in a slice of 50 ms, and the first event of each slice reads it whatever happens. The distance
// between readings is drawn by lot, since calls in step with it would be judged by always the same one of them.
type sampling struct {
	// Slices of 50 ms since the start.
	slice atomic.Uint64
	every uint64
}

// pulse is the time as one shard estimates it. All words are written under the shard's claim only.
type pulse struct {
	// The time now, as far as it is known, and the mean time from event to event.
	now, step uint64
	// One call in so many reads the clock now.
	every uint64
	// The slice of the last reading, and the events of the one before.
	slice, eventsThen uint64
	// The next reading is due when so many calls have been admitted.
	due uint64
	// Successes that were not timed and have not been added up yet, and what each of them counts as (0: none was timed yet).
	repeats, latency uint64
	// Of the successes timed last, in turn: a new one takes the place of the oldest.
	timed     [standingBy]uint64
	successes uint64
	readAt    uint64
	// Events there had been at the last reading, and at the beginning of the slice.
	eventsRead, eventsBefore uint64
	readings                 uint64
}

// admitSampled counts an admission and gives its time, and whether it was read.
func (p *Places) admitSampled(s *shard) (at uint64, how kind) {
	if slice := p.sampling.slice.Load(); s.admitted < s.due && s.pulse.slice == slice {
		at, how = s.estimate(), estimated
	} else {
		at = s.look(p.clock.Nanos(), slice, p)
	}
	s.admitted++
	s.admitTimeSum += at
	return at, how
}

// releaseSampled counts the end of a call.
func (p *Places) releaseSampled(s *shard, outcome model.Outcome, admittedAt uint64, timed bool) {
	slice := p.sampling.slice.Load()
	p.fold(s, s.guess())
	var at uint64
	switch {
	case timed:
		// Another core's clock can be a little behind.
		at = max(p.clock.Nanos(), admittedAt)
		if s.pulse.slice == slice {
			s.now = at
		} else {
			s.look(at, slice, p)
		}
	case s.pulse.slice == slice:
		at = s.estimate()
	default:
		at = s.look(p.clock.Nanos(), slice, p)
	}
	if outcome == model.OutcomeSuccess {
		latency := max(at, admittedAt+1) - admittedAt
		p.succeed(s, latency, timed)
	}
	p.end(s, outcome, admittedAt, at)
}

// succeed counts a success.
func (p *Places) succeed(s *shard, latency uint64, timed bool) {
	if s.latency == 0 {
		s.standBy(latency)
	}
	switch {
	case !timed:
		s.repeats++
	case s.every <= 1 && s.repeats == 0:
		p.success(s, latency, 1)
		s.standBy(latency)
	default:
		// It counts as one of those that it ends; its own latency stands for later ones.
		s.repeats++
		s.addUp(p)
		s.standBy(latency)
	}
}

// addUp adds the successes that count as the last timed one.
func (s *shard) addUp(p *Places) {
	if s.repeats != 0 && s.latency != 0 {
		p.success(s, s.latency, s.repeats)
		s.repeats = 0
	}
}

// look takes a reading that is due.
func (s *shard) look(now, slice uint64, p *Places) uint64 {
	s.reckon(now)
	events := s.eventsRead
	if s.pulse.slice != slice {
		s.eventsThen = 0
		if s.pulse.slice+1 == slice {
			s.eventsThen = events - s.eventsBefore
		}
		// The histogram, the late and the slow ones are at most a slice behind.
		s.addUp(p)
		s.eventsBefore, s.pulse.slice = events, slice
	}
	// A call is two events.
	every := max(s.eventsThen, events-s.eventsBefore) / (2 * wantedReadings)
	s.every = min(max(every, 1), p.sampling.every)
	untimed := s.lot(s.every)
	// The one that is admitted with this reading comes on top.
	s.due = s.admitted + 1 + untimed
	return s.now
}

// reckon works out how fast events come, from those since the last reading.
func (s *shard) reckon(now uint64) {
	all := s.admitted + s.count()
	events := all - s.eventsRead + 1
	s.step = min((now-min(s.readAt, now))/max(events, 1), longestStep)
	s.eventsRead, s.readAt, s.now = all+1, now, now
}

// guess the time now, from what was counted on the quota since it was known.
func (s *shard) guess() uint64 {
	events := s.closed.Load() & quotaMask
	if s.granted > 0 {
		events += s.granted - s.left()
	}
	return s.now + events*s.step
}

func (s *pulse) estimate() uint64 {
	s.now += s.step
	return s.now
}

func (s *pulse) standBy(latency uint64) {
	index := s.successes
	s.successes++
	s.timed[index%standingBy] = latency
	if s.latency = s.timed[(index+1)%standingBy]; s.latency == 0 {
		s.latency = latency
	}
}

// lot from 0 to twice every, less two: every in the mean, with the reading itself.
func (s *pulse) lot(every uint64) uint64 {
	s.readings++
	x := s.readings + 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	x ^= x >> 31
	// 31 bits; every has at most 32, so the product fits.
	return ((x >> 33) * (2*every - 1)) >> 31
}

// repeated is what the successes that have not been added up yet make of the sum of latencies and of the squares.
func (s *pulse) repeated() (latencies, squares uint64) {
	micros := min(s.latency/1000, maxMicros)
	return s.latency * s.repeats, micros * micros * s.repeats / squareUnitMicros
}
