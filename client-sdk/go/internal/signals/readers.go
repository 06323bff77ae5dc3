package signals

import (
	"path/filepath"
	"time"
)

// memoryReader reads a cgroup's memory, v1 and v2 in the same terms.
//
// The working set (usage less the page cache that would go first) is what cAdvisor and the kubelet use; plain usage grows to the
// limit on any service that reads files.
type memoryReader struct {
	v1                  bool
	usage, stat, events *source
	limits, highs       []*source
	bounds              []bound
	groups              []Maybe // inodes of the levels
	kills               *source // v1 only
	killed              count
	hits, refaults      window
	hierarchicalLimit   count
	nodeTotal           uint64
	values              Sample
}

// bound of one level as it was read last.
type bound struct {
	bytes uint64
	err   error
}

func newMemoryReader(g *group) *memoryReader {
	own := g.levels[0]
	r := &memoryReader{v1: g.v1, stat: table(filepath.Join(own, "memory.stat")), nodeTotal: noBound}
	limit := "memory.max"
	if g.v1 {
		limit = "memory.limit_in_bytes"
		r.usage, r.events, r.kills = small(own, "memory.usage_in_bytes"), small(own, "memory.failcnt"), small(own, "memory.oom_control")
	} else {
		r.usage, r.events = small(own, "memory.current"), small(own, "memory.events")
	}
	for _, level := range g.levels {
		r.limits = append(r.limits, small(level, limit))
		r.groups = append(r.groups, inodeOf(level))
		if !g.v1 {
			r.highs = append(r.highs, small(level, "memory.high"))
		}
	}
	r.bounds = make([]bound, len(r.limits))
	return r
}

// readStat is the part that is read once a second; before read. The limits of ancestors are in it: they seldom change, and there are many.
func (r *memoryReader) readStat(now time.Duration) {
	for level := 1; level < len(r.limits); level++ {
		r.readLimit(level, now)
	}
	if r.v1 {
		r.killed, _ = reading(r.kills, now, v1OOMKills)
	}
	parse := memoryStatV2
	if r.v1 {
		parse = memoryStatV1
	}
	stat, err := reading(r.stat, now, parse)
	r.values.InactiveFileBytes = Maybe{}
	r.hierarchicalLimit = stat.hierarchicalLimit
	if err == nil {
		r.values.InactiveFileBytes = known(float64(stat.inactiveFile))
	}
	r.values.RefaultsPerSecond = rate(&r.refaults, now, stat.refaults, err)
	high, err := tightest(len(r.highs), noBound, func(level int) (uint64, error) { return reading(r.highs[level], now, memoryMax) })
	r.values.HighBytes = Maybe{float64(high), err == nil && high != noBound}
}

func (r *memoryReader) read(now time.Duration) {
	usage, usageErr := reading(r.usage, now, memoryUsage)
	// Read in any case, so that after a group has gone all its files are tried again at the same time.
	limit, group, limitErr := r.limit(now)
	r.values.LimitBytes = Maybe{float64(limit), usageErr == nil && limitErr == nil && limit != noBound}
	r.values.LimitGroup = Maybe{}
	if r.values.LimitBytes.Known && group >= 0 {
		r.values.LimitGroup = r.groups[group]
	}
	r.values.WorkingSetBytes = Maybe{}
	if usageErr == nil && r.values.InactiveFileBytes.Known {
		r.values.WorkingSetBytes = known(max(float64(usage)-r.values.InactiveFileBytes.Value, 0))
	}
	r.readEvents(now)
}

// limit is the smallest one there is, and whose it is; negative: one that cannot be seen, or the node's.
func (r *memoryReader) limit(now time.Duration) (limit uint64, group int, err error) {
	r.readLimit(0, now)
	limit, err = tightest(len(r.limits), noBound, func(level int) (uint64, error) {
		it := &r.bounds[level]
		if it.err == nil && it.bytes < r.bounds[group].bytes {
			group = level
		}
		return it.bytes, it.err
	})
	outside := r.nodeTotal
	if r.hierarchicalLimit.seen {
		outside = min(outside, r.hierarchicalLimit.value)
	}
	if outside < limit || limit == noBound {
		return outside, -1, err
	}
	return limit, group, err
}

func (r *memoryReader) readLimit(level int, now time.Duration) {
	parse := memoryMax
	if r.v1 {
		parse = v1Limit
	}
	it := &r.bounds[level]
	if it.bytes, it.err = reading(r.limits[level], now, parse); it.err != nil {
		it.bytes = noBound
	}
}

func (r *memoryReader) readEvents(now time.Duration) {
	var hits, kills count
	var err error
	if r.v1 {
		var failures uint64
		failures, err = reading(r.events, now, v1Failcnt)
		hits = count{failures, err == nil}
		kills = r.killed
	} else {
		var events memoryEvents
		events, err = reading(r.events, now, parseMemoryEvents)
		hits, kills = count{events.hits, err == nil}, events.kills
		kills.seen = kills.seen && err == nil
	}
	r.values.LimitHitsPerSecond = rate(&r.hits, now, hits, err)
	r.values.OOMKills = Maybe{float64(kills.value), kills.seen}
}

func (r *memoryReader) fill(sample *Sample) {
	v := &r.values
	sample.LimitBytes, sample.HighBytes, sample.WorkingSetBytes, sample.InactiveFileBytes = v.LimitBytes, v.HighBytes, v.WorkingSetBytes, v.InactiveFileBytes
	sample.LimitGroup = v.LimitGroup
	sample.OOMKills, sample.LimitHitsPerSecond, sample.RefaultsPerSecond = v.OOMKills, v.LimitHitsPerSecond, v.RefaultsPerSecond
}

func (r *memoryReader) close() {
	for _, sources := range [][]*source{{r.usage, r.stat, r.events}, r.limits, r.highs} {
		for _, source := range sources {
			source.close()
		}
	}
	if r.kills != nil {
		r.kills.close()
	}
}

func rate(w *window, now time.Duration, total count, err error) Maybe {
	if err != nil || !total.seen {
		w.clear()
		return Maybe{}
	}
	w.push(now, [3]uint64{total.value})
	return w.perSecond()
}

// cpuReader reads a cgroup's CPU use, throttling and quota, v1 and v2 in the same terms.
type cpuReader struct {
	v1             bool
	stat           *source // nil without the controller
	acct           *source // v1 only
	quotas, period []*source
	used           window
	throttled      window
	values         Sample
}

func newCPUReader(cpu, cpuacct *group) *cpuReader {
	r := &cpuReader{v1: cpu.v1}
	if cpu.found() {
		r.stat = small(cpu.levels[0], "cpu.stat")
	}
	if cpuacct.found() {
		r.acct = small(cpuacct.levels[0], "cpuacct.usage")
	}
	for _, level := range cpu.levels {
		if cpu.v1 {
			r.quotas = append(r.quotas, small(level, "cpu.cfs_quota_us"))
			r.period = append(r.period, small(level, "cpu.cfs_period_us"))
		} else {
			r.quotas = append(r.quotas, small(level, "cpu.max"))
		}
	}
	return r
}

// readQuota is the part that is read once a second.
func (r *cpuReader) readQuota(now time.Duration) {
	quota, err := tightest(len(r.quotas), 0, func(level int) (float64, error) {
		if !r.v1 {
			return reading(r.quotas[level], now, cpuMax)
		}
		quota, err := reading(r.quotas[level], now, cfsQuota)
		if err != nil || quota == 0 {
			return 0, err
		}
		period, err := reading(r.period[level], now, cfsPeriod)
		return float64(quota) / float64(max(period, 1)), err
	})
	r.values.QuotaCores = Maybe{quota, err == nil && quota > 0}
}

func (r *cpuReader) read(now time.Duration) {
	var stat cpuStat
	var statErr error = errAbsent
	if r.stat != nil {
		parse := cpuStatV2
		if r.v1 {
			parse = cpuStatV1
		}
		stat, statErr = reading(r.stat, now, parse)
	}
	usage, usageErr := stat.usage, statErr
	if r.acct != nil {
		var nanos uint64
		nanos, usageErr = reading(r.acct, now, cpuacctUsage)
		usage = count{nanos / 1000, true}
	}
	r.values.UsedCores = rate(&r.used, now, usage, usageErr)
	r.values.UsedCores.Value /= 1e6
	r.throttling(now, &stat, statErr)
}

func (r *cpuReader) throttling(now time.Duration, stat *cpuStat, err error) {
	r.values.ThrottledRatio, r.values.ThrottledTimeRatio = Maybe{}, Maybe{}
	if err != nil || !stat.periods.seen || !stat.throttled.seen {
		r.throttled.clear()
		return
	}
	r.throttled.push(now, [3]uint64{stat.periods.value, stat.throttled.value, stat.throttledMicros.value})
	if by, over, ok := r.throttled.growth(); ok {
		// Without a period there was nothing to throttle: that is known, not missing.
		r.values.ThrottledRatio = known(float64(by[1]) / float64(max(by[0], 1)))
		// Summed over CPUs, so it can exceed the time that passed.
		r.values.ThrottledTimeRatio = known(min(float64(by[2])/1e6/over.Seconds(), 1))
	}
}

func (r *cpuReader) fill(sample *Sample) {
	sample.QuotaCores, sample.UsedCores = r.values.QuotaCores, r.values.UsedCores
	sample.ThrottledRatio, sample.ThrottledTimeRatio = r.values.ThrottledRatio, r.values.ThrottledTimeRatio
}

func (r *cpuReader) close() {
	for _, source := range append(append([]*source{r.stat, r.acct}, r.quotas...), r.period...) {
		if source != nil {
			source.close()
		}
	}
}

// pressureReader reads one pressure file.
type pressureReader struct {
	source     *source
	some, full window
}

func (r *pressureReader) read(now time.Duration) (some, full Maybe) {
	psi, err := reading(r.source, now, parsePressure)
	return share(rate(&r.some, now, psi.some, err)), share(rate(&r.full, now, psi.full, err))
}

// share: totals are read a moment before or after our clock, so it can come out a hair above 1.
func share(microsPerSecond Maybe) Maybe {
	microsPerSecond.Value = min(microsPerSecond.Value/1e6, 1)
	return microsPerSecond
}
