package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

func runs() []rig.Result {
	point := []rig.Point{{Seconds: 0, Used: 100, Limit: 512}, {Seconds: 1, Used: 200, Limit: 512}}
	return []rig.Result{
		{Workload: "w5", Policy: "static100", OOMKills: 2, Goodput: 90, GCCycles: 9, PeakBytes: 512 << 20, Trace: point},
		{Workload: "w5", Policy: "setpoint", Goodput: 200, GCCycles: 20, P99ms: 30, Trace: point},
		{Workload: "w5", Policy: "setpoint", Goodput: 190, GCCycles: 22, P99ms: 10, Trace: point},
		{Workload: "w5", Policy: "setpoint", OOMKills: 1, Goodput: 100, GCCycles: 30, P99ms: 20, Trace: point},
		{Workload: "w5", Policy: "a policy of before", Goodput: 1},
		{Workload: "w7", Policy: "gogcoff", ResizeSeconds: -1, Trace: point},
	}
}

func TestJSONIsAsDocumented(t *testing.T) {
	text, err := json.Marshal(Of(runs()).JSON())
	if err != nil {
		t.Fatal(err)
	}
	const expected = `"setpoint":{"oom_kills":1,"goodput":190,"p50_ms":0,"p99_ms":20,"gc_cycles":22,"gc_cpu_ratio":0,"peak_bytes":0}`
	if !strings.Contains(string(text), expected) || !strings.HasPrefix(string(text), `{"workloads":{"w5":{"policies":{`) {
		t.Errorf("%s", text)
	}
}

func TestThePageShowsMediansAndRangesAndEveryKill(t *testing.T) {
	text := Of(runs()).Text()
	for _, expected := range []string{
		"### w5: ", "| setpoint | **1** in 1 of 3 | 190 (100 to 200) |", "| static100 | **2** in 1 of 1 | 90 |", "repetitions: 1 to 3", "never in 1 of 1",
	} {
		if !strings.Contains(text, expected) {
			t.Errorf("no %q in\n%s", expected, text)
		}
	}
	if strings.Index(text, "| setpoint") > strings.Index(text, "| static100") {
		t.Error("not in the order of the plan")
	}
}

func TestThePageIsWrittenWithItsPlots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := Of(runs()).Write(path); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(page), "(gc-results-w5.svg)") {
		t.Errorf("%v\n%s", err, page)
	}
	plot, err := os.ReadFile(filepath.Join(filepath.Dir(path), "gc-results-w5.svg"))
	if err != nil || strings.Count(string(plot), "<polyline") != 3 || !strings.HasSuffix(string(plot), "</svg>\n") {
		t.Errorf("%v\n%s", err, plot)
	}
}

func TestALineTellsHowItEnded(t *testing.T) {
	for _, test := range []struct {
		run      rig.Result
		expected string
	}{
		{rig.Result{}, "ok"}, {rig.Result{Drains: 1, FirstEnd: 18}, "drained at 18.0 s"},
		{rig.Result{OOMKills: 2, Drains: 1, FirstEnd: 4}, "2 OOM kills, the first at 4.0 s"},
	} {
		if got := Line(&test.run); !strings.HasSuffix(got, test.expected) {
			t.Error(got)
		}
	}
}

func TestPromisesThatAreNotKeptAreSaidToBeMissed(t *testing.T) {
	w6 := func(policy string, goodput float64) rig.Result {
		return rig.Result{Workload: "w6", Policy: policy, Goodput: goodput, P99ms: 900}
	}
	all := Of(append(runs(), w6("setpoint", 300), w6("automemlimit", 150), w6("automemlimit-limiter", 290), w6("static100", 60),
		rig.Result{Workload: "w1-250", Policy: "setpoint", GCCycles: 6}, rig.Result{Workload: "w1-250", Policy: "static100", OOMKills: 1, GCCycles: 1},
		rig.Result{Workload: "w1", Policy: "setpoint", GCCycles: 6}, rig.Result{Workload: "w1", Policy: "static100", GCCycles: 10},
		rig.Result{Workload: "w1", Policy: "gogcoff", GCCycles: 6},
		rig.Result{Workload: "w9", Policy: "setpoint", GCCPURatio: 0.02, GCCycles: 9},
		rig.Result{Workload: "w9", Policy: "gogcoff-half", GCCPURatio: 0.025, GCCycles: 10},
		rig.Result{Workload: "w11", Policy: "setpoint"}, rig.Result{Workload: "w11", Policy: "setpoint-killed", SafeSeconds: 5.2},
		rig.Result{Workload: "w11", Policy: "setpoint-killed", SafeSeconds: 4.9}, rig.Result{Workload: "w11", Policy: "setpoint-stopped", SafeSeconds: 6.1},
		rig.Result{Workload: "w11", Policy: "setpoint-cut", SafeSeconds: -1}, rig.Result{Workload: "w11", Policy: "setpoint-jumped"}, rig.Result{Workload: "w11", Policy: "setpoint-nofiles"},
		rig.Result{Workload: "sense", Policy: "setpoint", SenseMs: []float64{100, 150}},
		rig.Result{Workload: "sense", Policy: "setpoint", SenseMs: []float64{120, 310}})).promises()
	got := make(map[string]promise)
	for _, p := range all {
		got[p.what] = p
	}
	for what, expected := range map[string]promise{
		"w5: no kill":                             {measured: "1 in 3 runs"},
		"w6: no kill":                             {measured: "0 in 1 runs", kept: true},
		"w6: goodput of the best tuner":           {measured: "2.00 x (automemlimit)", kept: true},
		"w6: p99":                                 {measured: "900 ms", kept: true},
		"w1-250: collections of plain Go":         {measured: "no comparison: it was killed", kept: true},
		"w1: collections of plain Go":             {measured: "0.60 x"},
		"w1: collections of GOGC=off and a limit": {measured: "1.00 x", kept: true},

		"w9: CPU time of collections of half the memory for each": {measured: "0.80 x", kept: true},
		"w9: collections of half the memory for each":             {measured: "0.90 x"},
		"w11: killed, the safe setting after":                     {measured: "5.2 s at most", kept: true},
		"w11: stopped, the safe setting after":                    {measured: "6.1 s at most"},
		"w11: cut, the safe setting after":                        {measured: "never, in one run at least"},
		"w11: the sidecar's clock jumps, touched":                 {measured: "nothing", kept: true},
		"w11: without control group files, touched":               {measured: "nothing", kept: true},
		"sense: from a new limit in the kernel to GOMEMLIMIT":     {measured: "p50 120 ms, p99 310 ms of 4"},
	} {
		if p := got[what]; p.measured != expected.measured || p.kept != expected.kept {
			t.Errorf("%s: %+v", what, p)
		}
	}
}
