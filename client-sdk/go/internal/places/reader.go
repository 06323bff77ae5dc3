package places

import (
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// How often a reader that was overtaken tries again.
const snapshotAttempts = 8

// Count reads the counters of all shards: as of one moment if the limiter is quiet for the microsecond that it takes.
//
// A reader looks at shard after shard, all releases first and then all admissions. A release that it saw was admitted before, so
// the difference, the calls in flight, is never negative. Calls that come and go between the two passes would make it too large;
// so it looks again at the releases, and takes the attempt with the fewest.
func (p *Places) Count(totals *model.Totals) {
	released, closest := p.released(), ^uint64(0)
	var best releases
	var admitted admissions
	for range snapshotAttempts {
		now := p.admissions()
		after := p.released()
		if between := after.count() - released.count(); between < closest {
			closest, best, admitted = between, released, now
		}
		if closest == 0 {
			break
		}
		released = after
	}
	totals.Admitted, totals.AdmitTimeSum = admitted.admitted, admitted.admitTimeSum
	totals.Completed, totals.Dropped, totals.Failed, totals.Cancelled = best.completed, best.dropped, best.failed, best.cancelled
	totals.Late, totals.ReleaseTimeSum, totals.LatencySum = best.late, best.releaseTimeSum, best.latencySum
	totals.SuccessLatencySum, totals.SuccessLatencySqSum = best.successLatencySum, best.successLatencySqSum
	for i := range p.shards {
		for class := range totals.Rejected {
			totals.Rejected[class] += p.shards[i].rejected[class].Load()
		}
	}
	totals.Arrived = totals.Admitted + totals.AllRejected()
	p.thresholds.slowCalls(&best.slow, totals)
}

// Histogram is how many successes fell into each bucket of latency.
func (p *Places) Histogram() (sum [Buckets]uint64) {
	p.visit(func(s *shard) {
		for i, count := range s.histogram {
			sum[i] += count
		}
	})
	return sum
}

func (p *Places) admissions() (sum admissions) {
	p.visit(func(s *shard) {
		sum.admitted += s.admitted
		sum.admitTimeSum += s.admitTimeSum
	})
	return sum
}

func (p *Places) released() (sum releases) {
	p.visit(func(s *shard) {
		sum.add(&s.releases)
		latencies, squares := s.repeated()
		sum.successLatencySum += latencies
		sum.successLatencySqSum += squares
	})
	return sum
}

func (r *releases) add(other *releases) {
	r.completed += other.completed
	r.dropped += other.dropped
	r.failed += other.failed
	r.cancelled += other.cancelled
	r.late += other.late
	r.releaseTimeSum += other.releaseTimeSum
	r.latencySum += other.latencySum
	r.successLatencySum += other.successLatencySum
	r.successLatencySqSum += other.successLatencySqSum
	for i := range r.slow {
		r.slow[i] += other.slow[i]
	}
}

// visit shows each shard at rest, with everything counted.
func (p *Places) visit(see func(*shard)) {
	now := p.clock.Nanos()
	for i := range p.shards {
		s := &p.shards[i]
		s.claim()
		p.fold(s, now)
		see(s)
		s.unclaim()
	}
}
