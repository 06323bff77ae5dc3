package signals

import (
	"math/rand/v2"
	"testing"
)

// parsers by the name of what they read; each says whether it accepts the bytes.
var parsers = map[string]func([]byte) error{
	"memory usage":   func(b []byte) error { _, err := memoryUsage(b); return err },
	"memory.max":     func(b []byte) error { _, err := memoryMax(b); return err },
	"v1 limit":       func(b []byte) error { _, err := v1Limit(b); return err },
	"failcnt":        func(b []byte) error { _, err := v1Failcnt(b); return err },
	"memory.stat v1": func(b []byte) error { _, err := memoryStatV1(b); return err },
	"memory.stat v2": func(b []byte) error { _, err := memoryStatV2(b); return err },
	"memory.events":  func(b []byte) error { _, err := parseMemoryEvents(b); return err },
	"oom_control":    func(b []byte) error { _, err := v1OOMKills(b); return err },
	"cpu.stat v1":    func(b []byte) error { _, err := cpuStatV1(b); return err },
	"cpu.stat v2":    func(b []byte) error { _, err := cpuStatV2(b); return err },
	"cpuacct":        func(b []byte) error { _, err := cpuacctUsage(b); return err },
	"cpu.max":        func(b []byte) error { _, err := cpuMax(b); return err },
	"cfs quota":      func(b []byte) error { _, err := cfsQuota(b); return err },
	"cfs period":     func(b []byte) error { _, err := cfsPeriod(b); return err },
	"pressure":       func(b []byte) error { _, err := parsePressure(b); return err },
	"schedstat":      func(b []byte) error { _, err := parseSchedStat(b); return err },
	"meminfo":        func(b []byte) error { _, err := memTotal(b); return err },
	"statm":          func(b []byte) error { _, err := anonPages(b); return err },
}

var sound = map[string][]string{
	"memory usage":   {"0\n", "18446744073709551615\n"},
	"memory.max":     {"max\n", "4096\n"},
	"v1 limit":       {"9223372036854771712\n", "4096\n"},
	"failcnt":        {"7\n"},
	"memory.stat v1": {statV1(5, 4096), "inactive_file 4\nhierarchical_memory_limit 9223372036854771712\n"},
	"memory.stat v2": {statV2(5), "inactive_file 1\nworkingset_refault 9\n"},
	"memory.events":  {"low 0\nhigh 12\nmax 34\noom 2\noom_kill 1\noom_group_kill 0\n", "low 0\nhigh 1\nmax 2\noom 3\n"},
	"oom_control":    {"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill_disable 0\nunder_oom 0\n"},
	"cpu.stat v1":    {"nr_periods 100\nnr_throttled 25\nthrottled_time 15\nnr_bursts 0\n"},
	"cpu.stat v2":    {"usage_usec 5\nuser_usec 5\nsystem_usec 0\n", "usage_usec 5\nnr_periods 1\nnr_throttled 0\nthrottled_usec 0\n"},
	"cpuacct":        {"5\n"},
	"cpu.max":        {"max 100000\n", "150000 100000\n"},
	"cfs quota":      {"-1\n", "150000\n"},
	"cfs period":     {"100000\n"},
	"pressure":       {stalls(5, 4), "some avg10=garbage total=1\n", "more total=x\nsome total=1\n"},
	"schedstat":      {"1234567890 4567 89\n"},
	"meminfo":        {"MemTotal:       24684084 kB\nHugePages_Total:       0\n"},
	"statm":          {"1000 300 100 5 0 250 0\n", "1000 100 300 5 0 250 0\n"},
}

var malformed = map[string][]string{
	"memory usage":   {"", "12", "\n", "-5\n", "+5\n", "1-5\n", "18446744073709551616\n", "12\r\n", "1 2\n", "1\n2\n", "\xff\x00\n", "0x10\n"},
	"memory.max":     {"", "max", "maximum\n", "-1\n"},
	"v1 limit":       {"", "max\n"},
	"failcnt":        {"", "x\n"},
	"memory.stat v1": {"", "anon 1\n", "total_inactive_file 1\ntotal_inactive_file 1\n", "inactive_file  1\n", "inactive_file 12"},
	"memory.stat v2": {"", "inactive_file\n", "inactive_file -1\n", "inactive_file 1\r\n", "inactive_file 1\ninactive_file 1\n", "\xff\xfe\x00\n"},
	"memory.events":  {"", "high 1\nmax 2\noom 3", "high 1\nmax 2\n", "high 1\nmax 2\noom 3\noom 3\n", "high 1\nmax -2\noom 3\n"},
	"oom_control":    {"", "\x00\x01\n", "oom_kill 3", "oom_kill x\n", "oom_kill 1\noom_kill 2\n"},
	"cpu.stat v1":    {"", "usage_usec 1\n", "nr_periods 1", "nr_periods 1\nnr_periods 1\n"},
	"cpu.stat v2":    {"", "nr_periods 1\n", "usage_usec 1\nnr_throttled 1\r\n", "usage_usec 1\nnr_periods -1\n"},
	"cpuacct":        {"", "1 2\n"},
	"cpu.max":        {"", "max", "max\n", "150000\n", "150000 0\n", "0 100000\n", "-1 100000\n", "150000 100000 1\n", "1 1\n1 1\n"},
	"cfs quota":      {"", "-2\n", "0\n", "-1"},
	"cfs period":     {"", "0\n", "x\n"},
	"pressure":       {"", "\n", "full total=12\n", "some avg10=0.00\n", "some\n", "some total=\n", "some total=-1\n", "some total=1 total=2\n", "some total=1\nfull total=1\nfull total=1\n", "some total=12"},
	"schedstat":      {"", "1 2 3", "\n", "1 2\n", "1 2 \n", "1  3\n", "1 2 3 4\n", "1 -2 3\n", "x 2 3\n", "1 2 3\n1 2 3\n"},
	"meminfo":        {"", "MemTotal: 1 kB", "MemFree: 1 kB\n", "MemTotal: 1\n", "MemTotal: 1 MB\n", "MemTotal: -1 kB\n", "MemTotal: 18014398509481984 kB\n", "MemTotal: 1 kB\nMemTotal: 1 kB\n"},
	"statm":          {"", "1000 300 100", "1000\n", "1000 300\n", "1000 x 100 5 0 250 0\n", "1000 300 -1 5 0 250 0\n", "1 2 3 4 5 6 7\n1\n"},
}

func TestTheStateOfAThreadFollowsItsName(t *testing.T) {
	for text, blocked := range map[string]bool{
		"42 (worker) S 1 42\n": false, "42 (worker) D 1 42\n": true, "42 (D) Z 1": false, "42 (a) D 1 (b) S 1": false,
		"42 (a\n) D ) D 1 cut sh": true, "42 () D 1": true,
	} {
		if is, err := threadBlocked([]byte(text)); is != blocked || err != nil {
			t.Errorf("%q: %v, %v", text, is, err)
		}
	}
	for _, text := range []string{
		"", "42 worker D 1", "42 (a very long na", "42 (worker)", "42 (worker) ", "42 (worker) D", "42 (worker) DD 1", "42 (worker) 7 1",
		"42 (worker)\tD 1",
	} {
		if _, err := threadBlocked([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestFilesAreReadAsTheyAre(t *testing.T) {
	for name, parse := range parsers {
		if len(sound[name]) == 0 || len(malformed[name]) == 0 {
			t.Errorf("%s is not tested", name)
		}
		for _, text := range sound[name] {
			if err := parse([]byte(text)); err != nil {
				t.Errorf("%s: %q: %v", name, text, err)
			}
		}
		for _, text := range malformed[name] {
			if err := parse([]byte(text)); err == nil {
				t.Errorf("%s: %q is accepted", name, text)
			}
		}
	}
}

func TestAFileCutWithinALineIsNeverAccepted(t *testing.T) {
	for name, parse := range parsers {
		for _, text := range sound[name] {
			for end := range len(text) {
				if cut := text[:end]; cut == "" || cut[end-1] != '\n' {
					if parse([]byte(cut)) == nil {
						t.Errorf("%s: %q is accepted", name, cut)
					}
				}
			}
		}
	}
}

func TestAnyBytesAreReadWithoutAPanic(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 20))
	for range 20_000 {
		content := make([]byte, dice.IntN(60))
		for i := range content {
			content[i] = "0123456789 \n:=-/max\x00\xff"[dice.IntN(21)]
		}
		for _, parse := range parsers {
			_ = parse(content)
		}
		parseMembership(content)
		parseMounts(append([]byte("1 1 0:1 "), content...))
		unescape(string(content))
	}
}

func TestValuesOfFiles(t *testing.T) {
	if limit, _ := v1Limit([]byte("9223372036854771712\n")); limit != noBound {
		t.Errorf("%d", limit)
	}
	if cores, _ := cpuMax([]byte("150000 100000\n")); cores != 1.5 {
		t.Errorf("%v", cores)
	}
	stat, _ := memoryStatV1([]byte(statV1(10, 4096)))
	if stat.inactiveFile != 64*mib || stat.refaults.value != 15 || stat.hierarchicalLimit.value != 4096 {
		t.Errorf("the total_ keys, which include children: %+v", stat)
	}
	if psi, _ := parsePressure([]byte(stalls(5, 4))); psi.some.value != 5 || psi.full.value != 4 {
		t.Errorf("%+v", psi)
	}
	if total, _ := memTotal([]byte("MemTotal: 2 kB\n")); total != 2048 {
		t.Errorf("%d", total)
	}
	if pages, _ := anonPages([]byte("1000 300 100 5 0 250 0\n")); pages != 200 {
		t.Errorf("%d", pages)
	}
}
