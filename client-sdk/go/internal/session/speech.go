package session

import (
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// speech is what is said to the sidecar, and when.
//
// The queue to the sidecar is short and never waited for. What does not fit is either kept, because it must be said (the newest
// ack of each channel, knobs that came or went), or left out, because the next one says it better (reports and beats).
type speech struct {
	unsaid      [wire.Custom + 1]*wire.Ack
	add         []*model.Knob
	remove      []string
	beats       uint64
	beat        due
	report      due
	reportedAt  time.Duration
	hasReported bool
}

// due is something periodic.
type due struct{ every, next time.Duration }

// take says whether it is due at this tick; if so, the next one is planned. Ones that were missed are not made up for.
func (d *due) take(tick time.Duration) bool {
	if tick+tickEvery/2 < d.next {
		return false
	}
	d.next = max(d.next+d.every, tick+tickEvery/2)
	return true
}

// start: a stream is up, with the periods that the sidecar wants.
func (s *speech) start(welcome *wire.Welcome, now time.Duration) {
	clear(s.unsaid[:])
	s.beats, s.hasReported = 0, false
	s.beat = due{welcome.BeatEvery, now + welcome.BeatEvery}
	s.report = due{welcome.ReportEvery, now + welcome.ReportEvery}
}

// acks are answers to be given; the newest of each channel counts.
func (s *speech) acks(acks ...wire.Ack) {
	for i := range acks {
		s.unsaid[acks[i].Channel] = &acks[i]
	}
}

// knobs came or went.
func (s *speech) knobs(add []*model.Knob, remove []string) {
	s.add = slices.DeleteFunc(s.add, func(knob *model.Knob) bool { return slices.Contains(remove, knob.Name) })
	s.add = append(s.add, add...)
	s.remove = append(s.remove, remove...)
}

// flush says what must be said, as far as there is room.
func (s *speech) flush(line *line) {
	for channel, ack := range s.unsaid {
		if ack == nil {
			continue
		}
		if !line.send(wire.EncodeAck(*ack)) {
			return
		}
		s.unsaid[channel] = nil
	}
	if len(s.add)+len(s.remove) > 0 && line.send(wire.EncodeKnobs(s.add, s.remove)) {
		s.add, s.remove = nil, nil
	}
}

func (s *speech) sayBeat(line *line, stall time.Duration) {
	s.beats++
	line.send(wire.EncodeBeat(s.beats, stall))
}

// sayReport says the counters of every limiter and what the process sees of itself.
func (s *speech) sayReport(line *line, applier *applier, options *Options, now time.Duration, stallNanos uint64) {
	report := &wire.Report{AtNanos: uint64(now), StallNanos: stallNanos, Breakers: map[string]model.BreakerState{}}
	if s.hasReported {
		report.Window = now - s.reportedAt
	}
	s.reportedAt, s.hasReported = now, true
	applier.each(func(t *tuned) {
		t.guard(func() {
			if state, ok := t.actuator.Breaker(); ok {
				report.Breakers[t.knob.Name] = state
			}
			if totals, ok := t.actuator.Totals(uint64(now), stallNanos); ok {
				report.Resources = append(report.Resources, wire.Resource{Knob: t.knob.Name, Totals: totals})
			}
		})
	})
	report.Container, report.Runtime = options.Own.Sample(now)
	if options.Custom != nil {
		report.Custom = options.Custom()
	}
	line.send(wire.EncodeReport(report))
}
