package signals

import (
	"bytes"
	"errors"
	"time"
)

// From here on a v1 limit means "none": the kernel prints 2^63 rounded down to its page size.
const v1NoLimit = 1 << 62

// noBound is what a limit file says that has none.
const noBound = ^uint64(0)

// memoryStat is the part of memory.stat that says how hard the kernel must work to keep the group within its limit.
type memoryStat struct {
	inactiveFile uint64
	// Pages read again soon after they had been evicted, of files and (since Linux 5.9) anonymous ones.
	refaults count
	// v1 only: the smallest limit of the group and all its ancestors, visible or not.
	hierarchicalLimit count
}

type statKeys struct{ inactiveFile, refault, refaultFile, refaultAnon count }

func (k *statKeys) take(key, value []byte) error {
	switch string(key) {
	case "inactive_file":
		return k.inactiveFile.store(value, "inactive_file")
	case "workingset_refault":
		return k.refault.store(value, "workingset_refault")
	case "workingset_refault_file":
		return k.refaultFile.store(value, "workingset_refault_file")
	case "workingset_refault_anon":
		return k.refaultAnon.store(value, "workingset_refault_anon")
	default:
		return nil
	}
}

func (k *statKeys) finish() (memoryStat, error) {
	stat := memoryStat{inactiveFile: k.inactiveFile.value}
	// Before 5.9 there was one counter, and it counted file pages.
	if !k.refaultFile.seen {
		k.refaultFile = k.refault
	}
	stat.refaults = count{k.refaultFile.value + k.refaultAnon.value, k.refaultFile.seen || k.refaultAnon.seen}
	return stat, k.inactiveFile.need("inactive_file")
}

func memoryStatV2(content []byte) (memoryStat, error) {
	var keys statKeys
	if err := scan(content, "memory.stat", keys.take); err != nil {
		return memoryStat{}, err
	}
	return keys.finish()
}

// memoryStatV1 reads the total_ keys, which include children as usage and limit do, and the plain ones where there are no others.
func memoryStatV1(content []byte) (memoryStat, error) {
	var group, total statKeys
	var limit count
	err := scan(content, "memory.stat", func(key, value []byte) error {
		if rest, ok := bytes.CutPrefix(key, []byte("total_")); ok {
			return total.take(rest, value)
		}
		if string(key) == "hierarchical_memory_limit" {
			return limit.store(value, "hierarchical_memory_limit")
		}
		return group.take(key, value)
	})
	if err != nil {
		return memoryStat{}, err
	}
	for _, pair := range [][2]*count{
		{&total.inactiveFile, &group.inactiveFile}, {&total.refault, &group.refault},
		{&total.refaultFile, &group.refaultFile}, {&total.refaultAnon, &group.refaultAnon},
	} {
		if !pair[0].seen {
			*pair[0] = *pair[1]
		}
	}
	stat, err := total.finish()
	if limit.seen && limit.value < v1NoLimit {
		stat.hierarchicalLimit = limit
	}
	return stat, err
}

// memoryEvents of v2: how often the group ran into a bound, and processes killed (since Linux 4.13).
type memoryEvents struct {
	hits  uint64
	kills count
}

func parseMemoryEvents(content []byte) (memoryEvents, error) {
	var high, most, oom, kills count
	err := scan(content, "memory.events", func(key, value []byte) error {
		switch string(key) {
		case "high":
			return high.store(value, "high")
		case "max":
			return most.store(value, "max")
		case "oom":
			return oom.store(value, "oom")
		case "oom_kill":
			return kills.store(value, "oom_kill")
		default:
			return nil
		}
	})
	if err == nil {
		err = errors.Join(high.need("high"), most.need("max"), oom.need("oom"))
	}
	return memoryEvents{high.value + most.value, kills}, err
}

// v1OOMKills are unknown before Linux 4.13.
func v1OOMKills(content []byte) (count, error) {
	var kills count
	isIt := false
	err := scan(content, "memory.oom_control", func(key, value []byte) error {
		switch string(key) {
		case "oom_kill":
			return kills.store(value, "oom_kill")
		case "under_oom":
			isIt = true
		}
		return nil
	})
	if err == nil && !isIt && !kills.seen {
		err = wrong("under_oom", "missing")
	}
	return kills, err
}

func memoryUsage(content []byte) (uint64, error) { return onlyNumber(content, "memory usage") }

// memoryMax is v2's memory.max and memory.high.
func memoryMax(content []byte) (uint64, error) {
	line, err := singleLine(content, "memory limit")
	if err != nil {
		return 0, err
	}
	if string(line) == "max" {
		return noBound, nil
	}
	return number(line, "memory limit")
}

func v1Limit(content []byte) (uint64, error) {
	limit, err := onlyNumber(content, "memory.limit_in_bytes")
	if err == nil && limit >= v1NoLimit {
		limit = noBound
	}
	return limit, err
}

func v1Failcnt(content []byte) (uint64, error) { return onlyNumber(content, "memory.failcnt") }

// pressure is stall time in microseconds since the group was made. Only total= is read: the averages follow a 2 s clock and show
// 18 % of a step after their first second.
type pressure struct{ some, full count }

func parsePressure(content []byte) (psi pressure, err error) {
	err = scan(content, "pressure", func(key, rest []byte) error {
		switch string(key) {
		case "some":
			return storeTotal(&psi.some, rest, "some total")
		case "full":
			return storeTotal(&psi.full, rest, "full total")
		default:
			return nil
		}
	})
	if err == nil {
		err = psi.some.need("some total")
	}
	return psi, err
}

func storeTotal(into *count, rest []byte, field string) error {
	for more := true; more; {
		var token []byte
		token, rest, more = bytes.Cut(rest, []byte{' '})
		if digits, ok := bytes.CutPrefix(token, []byte("total=")); ok {
			if err := into.store(digits, field); err != nil {
				return err
			}
		}
	}
	return into.need(field)
}

// schedStat is what one thread ran, what it waited for a CPU, and how often it got one.
type schedStat struct {
	delay  time.Duration
	slices uint64
}

func parseSchedStat(content []byte) (stat schedStat, err error) {
	line, err := singleLine(content, "schedstat")
	if err != nil {
		return stat, err
	}
	_, rest := keyValue(line)
	delayToken, slicesToken := keyValue(rest)
	delay, delayErr := number(delayToken, "delay")
	slices, slicesErr := number(slicesToken, "slices")
	run, _ := keyValue(line)
	_, runErr := number(run, "run")
	return schedStat{time.Duration(min(delay, 1<<62)), slices}, errors.Join(runErr, delayErr, slicesErr)
}

// threadBlocked says whether a thread is in state D: it waits, and nothing can interrupt that (a disk, a network file system, memory
// that is read back). content is the beginning of stat: a number, the thread's name in parentheses, a letter. The name may hold
// anything, parentheses too; no field after it does.
func threadBlocked(content []byte) (bool, error) {
	end := bytes.LastIndexByte(content, ')')
	if end < 0 {
		return false, wrong("name", "missing")
	}
	rest := content[end+1:]
	if len(rest) < 3 || rest[0] != ' ' || rest[2] != ' ' || !isLetter(rest[1]) {
		return false, wrong("state", "missing")
	}
	return rest[1] == 'D', nil
}

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// memTotal of meminfo, bytes.
func memTotal(content []byte) (uint64, error) { return kilobytes(content, "MemTotal:", "meminfo") }

// anonPages of /proc/PID/statm: those in RAM that are of no file and not shared. The same number as RssAnon of status, at a third of the cost.
func anonPages(content []byte) (uint64, error) {
	line, err := singleLine(content, "statm")
	if err != nil {
		return 0, err
	}
	_, rest := keyValue(line)
	residentToken, rest := keyValue(rest)
	sharedToken, _ := keyValue(rest)
	resident, residentErr := number(residentToken, "resident")
	shared, sharedErr := number(sharedToken, "shared")
	return resident - min(shared, resident), errors.Join(residentErr, sharedErr)
}

func kilobytes(content []byte, wanted, field string) (uint64, error) {
	var value count
	err := scan(content, field, func(key, rest []byte) error {
		if string(key) != wanted {
			return nil
		}
		digits, ok := bytes.CutSuffix(bytes.TrimLeft(rest, " "), []byte(" kB"))
		if !ok {
			return wrong(wanted, "not in kB")
		}
		return value.store(digits, wanted)
	})
	if err == nil {
		err = value.need(wanted)
	}
	if err == nil && value.value > noBound/1024 {
		err = wrong(wanted, "does not fit into 64 bits")
	}
	return value.value * 1024, err
}
