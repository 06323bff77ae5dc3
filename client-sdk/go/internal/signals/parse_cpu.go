package signals

// cpuStat is CPU time used and refused since the group was made.
type cpuStat struct {
	usage              count // microseconds; in v1 in another file
	periods, throttled count
	throttledMicros    count
}

func cpuStatV2(content []byte) (stat cpuStat, err error) {
	if stat, err = parseCPUStat(content); err == nil {
		err = stat.usage.need("usage_usec")
	}
	return stat, err
}

func cpuStatV1(content []byte) (stat cpuStat, err error) {
	if stat, err = parseCPUStat(content); err == nil {
		err = stat.periods.need("nr_periods")
	}
	return stat, err
}

func parseCPUStat(content []byte) (stat cpuStat, err error) {
	err = scan(content, "cpu.stat", func(key, value []byte) error {
		switch string(key) {
		case "usage_usec":
			return stat.usage.store(value, "usage_usec")
		case "nr_periods":
			return stat.periods.store(value, "nr_periods")
		case "nr_throttled":
			return stat.throttled.store(value, "nr_throttled")
		case "throttled_usec":
			return stat.throttledMicros.store(value, "throttled_usec")
		case "throttled_time":
			err := stat.throttledMicros.store(value, "throttled_time")
			stat.throttledMicros.value /= 1000
			return err
		default:
			return nil
		}
	})
	return stat, err
}

// cpuacctUsage in nanoseconds.
func cpuacctUsage(content []byte) (uint64, error) { return onlyNumber(content, "cpuacct.usage") }

// cpuMax is a number of cores; 0 is no quota.
func cpuMax(content []byte) (float64, error) {
	line, err := singleLine(content, "cpu.max")
	if err != nil {
		return 0, err
	}
	quotaToken, periodToken := keyValue(line)
	period, err := aboveZero(periodToken, "cpu.max period")
	if err != nil || string(quotaToken) == "max" {
		return 0, err
	}
	quota, err := aboveZero(quotaToken, "cpu.max quota")
	return float64(quota) / float64(max(period, 1)), err
}

// cfsQuota in microseconds; 0 is no quota.
func cfsQuota(content []byte) (uint64, error) {
	line, err := singleLine(content, "cpu.cfs_quota_us")
	if err != nil || string(line) == "-1" {
		return 0, err
	}
	return aboveZero(line, "cpu.cfs_quota_us")
}

func cfsPeriod(content []byte) (uint64, error) {
	line, err := singleLine(content, "cpu.cfs_period_us")
	if err != nil {
		return 0, err
	}
	return aboveZero(line, "cpu.cfs_period_us")
}

func aboveZero(token []byte, field string) (uint64, error) {
	value, err := number(token, field)
	if err == nil && value == 0 {
		err = wrong(field, "zero")
	}
	return value, err
}
