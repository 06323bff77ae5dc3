package places

import (
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	// Events (admissions and releases) of a shard in a slice from which on it samples: 2560 in a second.
	busyEvents = 128
	// An estimate moves on by at most this for each event, nanoseconds: the mean at busyEvents.
	longestStep = 50_000_000 / busyEvents
	// A timed latency stands for untimed calls when so many more have been timed.
	standingBy = 4
)

// sampling says which calls look at the clock: all of them, or one in so many.
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
// An estimate is only good while calls come fast. So a shard samples only when it is busy, and the first event of each slice of 50 ms
// reads the clock whatever happens. The distance between readings is drawn by lot, since calls in step with it would be judged by
// always the same one of them. It is the same law, with the same constants, as that of the Rust SDK.
type sampling struct {
	// Slices of 50 ms since the start.
	slice atomic.Uint64
	every uint64
}

// pulse is the time as one shard estimates it. All words are written under the shard's claim only.
type pulse struct {
	// The time now, as far as it is known, and the mean time from event to event.
	now, step uint64
	// The slice of the last reading, and whether the one before was busy.
	slice   uint64
	wasBusy bool
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
func (p *Places) admitSampled(s *shard) (at uint64, timed bool) {
	if slice := p.sampling.slice.Load(); s.admitted < s.due && s.pulse.slice == slice {
		at = s.estimate()
	} else {
		at, timed = s.look(p.clock.Nanos(), slice, p), true
	}
	s.admitted++
	s.admitTimeSum += at
	return at, timed
}

// releaseSampled counts the end of a call.
func (p *Places) releaseSampled(s *shard, outcome model.Outcome, admittedAt uint64, timed bool) {
	slice := p.sampling.slice.Load()
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
		if s.latency == 0 {
			s.standBy(latency)
		}
		s.repeats++
		if timed {
			// It counts as one of those that it ends; its own latency stands for later ones.
			s.addUp(p)
			s.standBy(latency)
		}
	}
	p.end(s, outcome, admittedAt, at)
}

// addUp adds the successes that count as the last timed one.
func (s *shard) addUp(p *Places) {
	if s.repeats != 0 {
		p.success(s, s.latency, s.repeats)
		s.repeats = 0
	}
}

// look takes a reading that is due.
func (s *shard) look(now, slice uint64, p *Places) uint64 {
	s.reckon(now)
	events := s.eventsRead
	if s.pulse.slice != slice {
		busy := s.pulse.slice+1 == slice && events-s.eventsBefore >= busyEvents
		// The histogram, the late and the slow ones are at most a slice behind.
		s.addUp(p)
		s.wasBusy, s.eventsBefore, s.pulse.slice = busy, events, slice
	}
	untimed := uint64(0)
	if s.wasBusy || events-s.eventsBefore >= busyEvents {
		untimed = s.lot(p.sampling.every)
	}
	// The one that is admitted with this reading comes on top.
	s.due = s.admitted + 1 + untimed
	return now
}

// reckon works out how fast events come, from those since the last reading.
func (s *shard) reckon(now uint64) {
	all := s.admitted + s.count()
	events := all - s.eventsRead + 1
	s.step = min((now-min(s.readAt, now))/max(events, 1), longestStep)
	s.eventsRead, s.readAt, s.now = all+1, now, now
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
