package places

// What most calls do, and what makes it right.
//
// A shard that is claimed (by one call in so many, and by the session) grants a quota of admissions, out of the places that it has in
// spare: as many as until the next reading of the clock is due. Until the quota is used up, an admission is one atomic addition to the
// word "open", and the end of such a call, if it was a success, one to the word "closed":
//
//	open      time of the quota, microseconds (40 bits)      admissions left, from quotaEmpty up (24 bits)
//	closed    sum of the times of those that ended           how many have ended
//
// The time of a quota is that of its middle, as it is expected; each call takes it along and gives it to "closed" at its end, so that the
// sums of times stay in step with the counts, whatever the estimate was worth: the calls in flight and their total age cannot drift.
// Times lose their highest bits; the sum of a few of them, compared with now, gets them back (sumOf). Whoever claims the shard next
// folds both words into its counters.
//
// Nobody is rejected on account of spare places: as soon as the gauge is within an eighth of the limit, the limit gets small, or somebody
// waits, whoever notices turns sparing off and collects what all shards have in spare, before it answers. A call that ends looks whether
// sparing is off, after it was counted, and then collects its shard itself: whoever comes second of the two sees what the first one did.
const (
	quotaBits = 24
	quotaMask = 1<<quotaBits - 1
	// No admission is left at this number or below it: a few that come too late may take more.
	quotaEmpty = 1 << (quotaBits - 1)
	// Most admissions of a quota.
	mostQuota = 256
	// So many ends are folded by whoever counts the last of them: the sum of their ages fits up to 9 minutes each.
	foldAt = 1 << 10
)

// quickAt is when a quick call came, nanoseconds, given the time now.
func (t Ticket) quickAt(now uint64) uint64 { return sumOf(t.at, 1, now) }

// sumOf so many times, nanoseconds, from the sum of their lower 40 bits in microseconds: all together they are within 2^39 of now.
func sumOf(low, count, now uint64) uint64 {
	micros := now / 1000
	off := int64((low-count*micros)<<quotaBits) >> quotaBits
	return (count*micros + uint64(off)) * 1000
}

// mostSpare is how many places one shard may have in spare: all of them an eighth of the limit.
func (p *Places) mostSpare() uint64 {
	return min(p.largest.Load()>>3/uint64(len(p.shards)), mostQuota)
}

// take places for a call, out of those in spare or from the gauge, with some more to have in spare when there are few: a shard that has
// given its own back, but for those of calls in flight, would else have to be claimed for each call. For whoever has claimed the shard and
// folded it.
func (p *Places) take(s *shard, places, limit uint64, sparing bool) bool {
	if !sparing {
		return p.Gauge.tryEnter(places, limit)
	}
	most := p.mostSpare()
	more := most - min(most, s.spare)
	if s.spare-s.granted < places {
		if limit == 0 || !p.Gauge.tryTake(places+more, limit-limit/8) {
			return false
		}
		s.spare += more
		return true
	}
	if p.taken.Load() >= limit {
		return false
	}
	if more > most/2 && p.Gauge.tryTake(more, limit-limit/8) {
		s.spare += more
	}
	s.spare -= places
	return true
}

// enterExactly collects what is in spare before it looks for room.
func (p *Places) enterExactly(places, limit uint64) bool {
	p.tighten()
	return p.Gauge.tryEnter(places, limit)
}

// left of the quota that was granted last.
func (s *shard) left() uint64 { return leftOf(s.open.Load()) }

func leftOf(word uint64) uint64 {
	low := word & quotaMask
	return low - min(low, quotaEmpty)
}

// grant admissions until the next reading of the clock is due, the first of them, if there is one, to a call that has taken its place out
// of those in spare. For whoever has claimed the shard, and folded it.
func (p *Places) grant(s *shard, first uint64) bool {
	if !p.sparing.Load() || s.granted > 0 || s.admitted >= s.due {
		return false
	}
	quota := min(s.due-s.admitted, s.spare+first, mostQuota)
	if quota == 0 {
		return false
	}
	s.spare += first
	// Its middle: each of them comes and goes. Half a step less than the middle up to the next reading, as fold has it for the ends.
	s.openedAt = (s.now + quota*s.step + s.step/2 + 500) / 1000
	s.granted = quota
	s.open.Store(s.openedAt<<quotaBits | quotaEmpty + quota - first)
	return true
}

// fold what was counted on the quota into the counters; now is the time as far as it is known. For whoever has claimed the shard.
func (p *Places) fold(s *shard, now uint64) {
	if s.closed.Load() != 0 {
		ended, middle := s.closed.Swap(0), s.now+(now-min(now, s.now))/2
		count := ended & quotaMask
		came := sumOf(ended>>quotaBits, count, now)
		// Nobody left before it came.
		went := max(int64(count*middle-came), 0)
		s.completed += count
		s.releaseTimeSum += came + uint64(went)
		s.latencySum += uint64(went)
		s.repeats += count
		s.spare += count
	}
	if s.granted > 0 {
		s.use(s.left())
	}
	s.now = now
}

// use the quota up to what is left of it.
func (s *shard) use(left uint64) {
	used := s.granted - left
	s.admitted += used
	s.admitTimeSum += used * s.openedAt * 1000
	s.spare -= used
	s.granted = left
}

// revoke what is left of the quota, and fold what was used of it.
func (p *Places) revoke(s *shard, now uint64) {
	if s.granted > 0 {
		s.use(leftOf(s.open.Swap(quotaEmpty)))
		s.granted = 0
	}
	p.fold(s, now)
}

// collect what a shard has in spare.
func (p *Places) collect(s *shard) {
	now := p.clock.Nanos()
	s.claim()
	p.revoke(s, now)
	spare := s.spare
	if p.sparing.Load() {
		spare = 0 // folded, and that is all
	} else {
		s.spare = 0
	}
	s.unclaim()
	if spare > 0 {
		p.Gauge.leave(spare)
	}
}

// tighten turns sparing off, and collects what all shards have in spare; whoever comes while another one is at it waits for that.
func (p *Places) tighten() {
	p.upkeep.Lock()
	defer p.upkeep.Unlock()
	p.tightened = true
	if p.sparing.Swap(false) {
		for i := range p.shards {
			p.collect(&p.shards[i])
		}
	}
}

// BeginWait says that one caller more waits for a place: from now on, each one that becomes free is told of.
func (p *Places) BeginWait() {
	p.waiting.Add(1)
	p.tighten()
}

// CloseSlice begins the next slice of 50 ms. Spare places are allowed while there is room and nobody waits.
func (p *Places) CloseSlice() {
	slice := p.sampling.slice.Add(1)
	now := p.clock.Nanos()
	p.upkeep.Lock()
	defer p.upkeep.Unlock()
	rested := !p.tightened
	p.tightened = false
	for i := range p.shards {
		p.closeSlice(&p.shards[i], slice, now)
	}
	largest := p.largest.Load()
	if rested && p.mostSpare() > 0 && p.sampling.every > 1 && p.taken.Load() < largest-largest/4 && !p.Awaited() {
		p.sparing.Store(true)
	}
}

// closeSlice of one shard: what it counted is told, and one without work gives its spare places back.
func (p *Places) closeSlice(s *shard, slice, now uint64) {
	s.claim()
	p.revoke(s, now)
	s.addUp(p)
	spare := uint64(0)
	if s.admitted == s.admittedBefore {
		spare, s.spare = s.spare, 0
	}
	s.admittedBefore = s.admitted
	s.unclaim()
	if spare > 0 {
		p.Gauge.leave(spare)
	}
}

// InFlight are the places that calls take now.
func (p *Places) InFlight() uint64 {
	taken, spare := p.taken.Load(), uint64(0)
	now := p.clock.Nanos()
	for i := range p.shards {
		s := &p.shards[i]
		s.claim()
		p.fold(s, now)
		spare += s.spare
		s.unclaim()
	}
	return taken - min(spare, taken)
}

// TakePeak is the most that were taken at once since the last call; up to an eighth of the limit more where there were spare places.
func (p *Places) TakePeak() uint64 {
	inFlight := p.InFlight()
	spare := p.taken.Load() - min(inFlight, p.taken.Load())
	peak := p.takePeak()
	return max(peak-min(spare, peak), inFlight)
}
