package rig

import (
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
	"github.com/setpoint-dev/setpoint/integration/go/internal/service"
)

func TestAPercentileIsALatencyThatWasSeen(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, test := range []struct {
		of       []time.Duration
		share    float64
		expected time.Duration
	}{
		{hundred, 0.50, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
		{[]time.Duration{7}, 0.99, 7}, {[]time.Duration{1, 9}, 0.5, 1}, {nil, 0.5, 0},
	} {
		if got := percentile(test.of, test.share); got != test.expected {
			t.Errorf("%v of %d: %v, expected %v", test.share, len(test.of), got, test.expected)
		}
	}
	if hundred[0] != 100 {
		t.Error("what is given stays in its order")
	}
}

func TestASpreadIsMedianAndRange(t *testing.T) {
	for _, test := range []struct {
		of       []float64
		expected Spread
	}{
		{[]float64{3, 1, 2}, Spread{2, 1, 3}}, {[]float64{4, 1, 2, 3}, Spread{2.5, 1, 4}}, {[]float64{5}, Spread{5, 5, 5}}, {nil, Spread{}},
	} {
		if got := SpreadOf(test.of); got != test.expected {
			t.Errorf("%v: %v", test.of, got)
		}
	}
}

// life of an instance on two threads: a line a second, in each of which collections took so much CPU time.
func life(gc ...float64) []service.Figures {
	lines := []service.Figures{{Threads: 2}}
	for i, seconds := range gc {
		last := lines[i]
		lines = append(lines, service.Figures{
			Seconds: last.Seconds + 1, Cycles: last.Cycles + 2, GCSeconds: last.GCSeconds + seconds, Threads: 2,
		})
	}
	return lines
}

func TestCollectionsAreCountedFromWhereMeasuringBegan(t *testing.T) {
	lines := life(1, 0.1, 0.7, 0.5)
	for _, test := range []struct {
		from, cores float64
		expected    gcSums
	}{
		{0, 0, gcSums{cycles: 8, seconds: 2.3, bad: 2, capacity: 8}},
		{1, 0, gcSums{cycles: 8, seconds: 2.3, bad: 2, capacity: 8}},
		{1.5, 0, gcSums{cycles: 6, seconds: 1.3, bad: 1, capacity: 6}},
		{1.5, 1, gcSums{cycles: 6, seconds: 1.3, bad: 2, capacity: 3}},
		{9, 0, gcSums{}},
	} {
		got := sums(lines, test.from, test.cores)
		if diff := got.seconds - test.expected.seconds; diff > 1e-9 || diff < -1e-9 {
			t.Errorf("from %v: %v s", test.from, got.seconds)
		}
		got.seconds = test.expected.seconds
		if got != test.expected {
			t.Errorf("from %v on %v cores: %+v, expected %+v", test.from, test.cores, got, test.expected)
		}
	}
	if got := sums(nil, 0, 0); got != (gcSums{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestKernelFilesAreRead(t *testing.T) {
	const control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
	if got, err := lineOf(control, "oom_kill"); err != nil || got != 3 {
		t.Errorf("%v %v", got, err)
	}
	for _, malformed := range []string{"", "oom_kill\n", "oom_kill x\n", "oom_kill 1 2\n"} {
		if got, err := lineOf(malformed, "oom_kill"); err == nil {
			t.Errorf("%q: %v", malformed, got)
		}
	}
	if got := busySeconds("cpu  100 20 30 9999 5 6 4 0 0 0\ncpu0 1 1 1 1 1 1 1\n"); got != 1.6 {
		t.Errorf("%v s busy", got)
	}
	for _, malformed := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8"} {
		if got := busySeconds(malformed); got != 0 {
			t.Errorf("%q: %v", malformed, got)
		}
	}
}

func TestRestartsAreThoseOfAKubelet(t *testing.T) {
	for restarts, expected := range []time.Duration{0, 10 * time.Second, 20 * time.Second, 40 * time.Second} {
		if got := backOff(restarts); got != expected {
			t.Errorf("restart %d after %v", restarts, got)
		}
	}
}

func TestAnswersAreSortedByWhatTheyAreWorth(t *testing.T) {
	var load Load
	load.add(200, inTime)
	load.add(200, inTime+1)
	load.add(503, time.Millisecond)
	load.add(500, time.Millisecond)
	load.add(0, time.Millisecond)
	if load.Answered != 2 || load.InTime != 1 || load.Refused != 1 || load.Failed != 2 || len(load.Latencies) != 2 {
		t.Errorf("%+v", load)
	}
}

func TestALoadIsTheSameForEveryPolicy(t *testing.T) {
	w, _ := plan.Find("w6")
	for _, test := range []struct {
		at       time.Duration
		expected float64
	}{{0, 250}, {3 * time.Second, 750}, {13*time.Second - 1, 750}, {13 * time.Second, 250}, {-time.Second, 250}} {
		if got := w.At(test.at); got != test.expected {
			t.Errorf("at %v: %v", test.at, got)
		}
	}
}

func TestTheEnvironmentDecidesNothing(t *testing.T) {
	t.Setenv("GOGC", "50")
	t.Setenv("GOMEMLIMIT", "1GiB")
	t.Setenv("KEPT", "1")
	var kept bool
	for _, variable := range environment("SETPOINT_SOCKET=here") {
		kept = kept || variable == "KEPT=1"
		if variable == "GOGC=50" || variable == "GOMEMLIMIT=1GiB" {
			t.Error(variable)
		}
	}
	if !kept {
		t.Error("the rest stays")
	}
}
