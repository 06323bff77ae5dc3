package setpoint

import (
	"math"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

func TestPinsAndPushes(t *testing.T) {
	limiter := byHand().Limiter("db", Bounds(4, 400), Baseline(64))
	push := func(limit float64) {
		t.Helper()
		if _, err := limiter.tuning.Apply(model.Concurrency(limit), nil); err != nil {
			t.Error(err)
		}
	}
	push(10)
	if got := limiter.Pin(9999); got != 400 {
		t.Errorf("the bounds hold for the owner too: %v", got)
	}
	push(12)
	if limiter.Limit() != 400 || !limiter.tuning.Pinned() {
		t.Errorf("%v", limiter.Limit())
	}
	limiter.tuning.Enforce(false)
	if limiter.Limit() != 64 {
		t.Errorf("switched off it is at its baseline, not at %v", limiter.Limit())
	}
	limiter.tuning.Enforce(true)
	limiter.Unpin()
	if limiter.Limit() != 12 {
		t.Errorf("what was pushed meanwhile: %v", limiter.Limit())
	}
	shares := model.Shares{1, 1, 0.5, 0.5, 0.5}
	limiter.tuning.Admit(&model.Admission{Shares: shares, HasShares: true})
	if got, ok := limiter.tuning.Shares(); !ok || got != shares || limiter.places.Cap(2) != 6 {
		t.Errorf("%v %v %d", got, ok, limiter.places.Cap(2))
	}
	limiter.tuning.Admit(nil)
	if _, ok := limiter.tuning.Shares(); ok || limiter.places.Cap(2) != 12 {
		t.Errorf("the lease has ended: %d", limiter.places.Cap(2))
	}
}

func TestL2_TheReflexCutsALimiterWhoseCallsAreDropped(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db", Bounds(4, 400), Baseline(100))
	var out []Permit
	for range 40 {
		out = append(out, mustAcquire(t, limiter, Normal))
	}
	for step := 0; step < 40 && limiter.Limit() == 100; step++ {
		for range 4 {
			permit := mustAcquire(t, limiter, Normal)
			permit.Finish(Dropped)
		}
		sdk.clock.Move(10 * time.Millisecond)
		limiter.tuning.Watch()
	}
	if limiter.Limit() >= 100 || limiter.Limit() < 4 || limiter.ReflexCuts() != 1 {
		t.Errorf("%v after %d cuts", limiter.Limit(), limiter.ReflexCuts())
	}
	if totals, _ := limiter.tuning.Totals(0, 0); totals.Reflex != model.ReflexDrops || totals.Reflexes != 1 {
		t.Errorf("%+v", totals)
	}
	limiter.tuning.Close()
	if limiter.Limit() != 100 {
		t.Errorf("nobody will look any more: a bound that stayed would stay for ever: %v", limiter.Limit())
	}
	for step := 0; step < 200 && limiter.Limit() == 100; step++ {
		for range 4 {
			permit := mustAcquire(t, limiter, Normal)
			permit.Finish(Dropped)
		}
		sdk.clock.Move(10 * time.Millisecond)
		limiter.tuning.Watch()
	}
	if limiter.Limit() >= 100 {
		t.Errorf("a session that starts anew looks again: %v", limiter.Limit())
	}
	limiter.tuning.Admit(&model.Admission{})
	if limiter.Limit() != 100 {
		t.Errorf("the sidecar knows more: %v", limiter.Limit())
	}
	for _, permit := range out {
		permit.Finish(Success)
	}
}

func TestTheSameNameIsTheSameObjectAndNonsenseIsCorrected(t *testing.T) {
	sdk := byHand()
	if limiter, rate, knob := sdk.Limiter("db"), sdk.Rate("r"), sdk.Knob("k"); limiter != sdk.Limiter("db", Baseline(5)) || rate != sdk.Rate("r") || knob != sdk.Knob("k") {
		t.Error("registered twice")
	}
	if odd := sdk.Limiter("my db;ä", Bounds(400, 4), Baseline(9999)); odd.tuning.Knob().Name != "limit.my_db__" || odd.Limit() != 400 {
		t.Errorf("%+v", odd.tuning.Knob())
	}
	if sdk.Limiter("my db;ä") != sdk.Limiter("my_db__") {
		t.Error("two knobs of one name")
	}
	// A name of another kind, and names without end: nothing is limited under them.
	sdk.Knob("rate.taken")
	if err := sdk.Rate("taken").TryAcquire(); err != nil {
		t.Error(err)
	}
	for i := range 2 * actuator.MaxKnobs {
		sdk.Limiter("user-" + string(rune('a'+i%26)) + time.Duration(i).String())
	}
	if n := len(sdk.registry.Actuators()); n > actuator.MaxKnobs {
		t.Errorf("%d knobs", n)
	}
	if sdk.Limiter("one more") != sdk.Limiter("and another") {
		t.Error("memory without end")
	}
	for range 3000 {
		mustAcquire(t, sdk.Limiter("one more"), Background)
	}
}

func TestOptionsAreWhatIsDeclared(t *testing.T) {
	sdk := byHand()
	limiter := sdk.Limiter("db", Bounds(2, 20), Baseline(10), Pace(0.5, time.Second), Step(2), Share(Low, 0.3), Share(Background, math.NaN()),
		Share(Exempt, 0), Deadline(time.Second), SampleClocks(8))
	expected := model.Knob{
		Name: "limit.db", Kind: model.KindConcurrencyLimit, Unit: "1", Min: 2, Max: 20, Step: 2, Baseline: 10, Restrictive: model.RestrictiveLower,
		MaxChangeRatio: 0.5, MinDwell: time.Second, Deadline: time.Second, ApplyCost: 1,
	}
	if knob := *limiter.tuning.Knob(); knob != expected {
		t.Errorf("%+v", knob)
	}
	if limiter.places.Cap(3) != 3 || limiter.places.Cap(4) != 5 {
		t.Errorf("%d %d", limiter.places.Cap(3), limiter.places.Cap(4))
	}
	sdk.Knob("n", Unit("bytes"), Restrictive(Higher), Baseline(7))
	sdk.Knob("pool", PoolSize(), Bounds(-5, 9))
	sdk.Knob("wait", Timeout())
	sdk.Rate("r", Bounds(math.Inf(-1), math.NaN()), Step(-1), Pace(math.NaN(), -time.Second))
	knobs := make(map[string]model.Knob)
	for _, it := range sdk.registry.Actuators() {
		knobs[it.Knob().Name] = *it.Knob()
		if err := it.Knob().Check(); err != nil {
			t.Errorf("%+v: %v", it.Knob(), err)
		}
	}
	if n := knobs["n"]; n.Unit != "bytes" || n.Restrictive != model.RestrictiveHigher || n.Baseline != 7 {
		t.Errorf("%+v", n)
	}
	if pool := knobs["pool"]; pool.Kind != model.KindPoolSize || pool.Min != 0 || pool.Step != 1 {
		t.Errorf("%+v", pool)
	}
	if knobs["wait"].Kind != model.KindTimeoutMs || knobs["rate.r"].Max != 1_000_000 {
		t.Errorf("%+v", knobs)
	}
}

func TestG1_G4_WhoDecidesAboutTheRuntime(t *testing.T) {
	for _, test := range []struct {
		gogc      string
		options   []RuntimeOption
		respected bool
	}{{"", nil, false}, {"100", nil, true}, {"100", []RuntimeOption{OverrideEnvironment()}, false}} {
		t.Setenv("GOGC", test.gogc)
		t.Setenv("GOMEMLIMIT", "")
		if got := respected(test.options, "GOGC", "GOMEMLIMIT"); got != test.respected {
			t.Errorf("%+v: %v", test, got)
		}
	}
	t.Setenv("GOMAXPROCS", "2")
	sdk := byHand()
	gc, procs := sdk.GC(OverrideEnvironment()), sdk.Parallelism()
	if gc.it.Pinned() || !procs.it.Pinned() || sdk.GC().it != gc.it || procs.Threads() < 1 || gc.MemoryLimit() <= 0 {
		t.Errorf("%v %v %d", gc.it.Pinned(), procs.it.Pinned(), procs.Threads())
	}
	if percent, _ := gc.Recommended(); percent != gc.Percent() {
		t.Errorf("nothing was pushed: %d", percent)
	}
}

func TestG4_ToRegisterParallelismStopsAndChangesNothing(t *testing.T) {
	before := runtime.GOMAXPROCS(1 + runtime.GOMAXPROCS(0))
	defer runtime.GOMAXPROCS(before)
	pauses := func() (total uint64) {
		samples := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
		metrics.Read(samples)
		for _, count := range samples[0].Value.Float64Histogram().Counts {
			total += count
		}
		return total
	}
	sdk := byHand()
	was := pauses()
	procs := sdk.Parallelism()
	if got := pauses() - was; got != 0 || procs.Threads() != before+1 || runtime.GOMAXPROCS(0) != before+1 {
		t.Errorf("the world was stopped %d times, %d threads", got, procs.Threads())
	}
	t.Setenv("GOMAXPROCS", "2")
	if !sdk.live().FromEnvironment {
		t.Error("what the environment says is not known")
	}
}

func TestASwitchIsToldOfChangesOnly(t *testing.T) {
	sdk := byHand()
	var seen []float64
	drain := sdk.Knob("drain", Switch(), OnChange(func(change Change) { seen = append(seen, change.To) }))
	tuning := &knobTuning{it: drain}
	for _, on := range []bool{false, true, true} {
		if got, err := tuning.Apply(model.Switch(on), &wire.Why{}); err != nil || got != model.Switch(on) {
			t.Errorf("%v: %v %v", on, got, err)
		}
	}
	drain.Pin(0)
	drain.Unpin()
	if drain.Value() != 1 || len(seen) != 3 || seen[0] != 1 || seen[1] != 0 {
		t.Errorf("%v after %v", drain.Value(), seen)
	}
	if _, err := tuning.Apply(model.Number(1), &wire.Why{}); err == nil {
		t.Error("a number is no switch")
	}
}
