package goruntime

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const mib = 1 << 20

func mi(n float64) int64 { return int64(n * mib) }

func budget(bytes int64) model.GcTarget {
	target := model.FixedGC(0)
	target.Mode, target.BudgetBytes = model.GcThroughput, bytes
	return target
}

func heapOf(live, roots, overhead float64) *Heap {
	return &Heap{Live: live * mib, Roots: roots * mib, Overhead: overhead * mib, Cost: -1}
}

// The same cases as those of the sidecar's own evaluation (policies/src/envelope/tests.rs).
func TestG1_AllOfTheBudgetIsUsedAndNoMore(t *testing.T) {
	target := budget(mi(480))
	target.MemoryLimitBytes = mi(500)
	for _, test := range []struct {
		live, roots, overhead float64
		percent               int32
		limit                 float64
	}{
		{100, 0, 80, 288, 480},
		{100, 10, 80, 261, 480},
		{300, 0, 80, 29, 480},
		{10, 0, 80, 800, 480},
		// The live heap does not fit any more: the limit goes up as far as it may.
		{350, 0, 80, 15, 482.5},
		{390, 0, 80, 15, 500},
		{900, 0, 80, 15, 500},
	} {
		got := Evaluate(&target, heapOf(test.live, test.roots, test.overhead))
		if expected := (Setting{test.percent, mi(test.limit)}); got != expected {
			t.Errorf("live %v: %v, expected %v", test.live, got, expected)
		}
	}
}

func TestG1_AFrugalTargetHoldsAShareOfCPUTime(t *testing.T) {
	target := budget(mi(480))
	target.Mode = model.GcFrugal
	for _, test := range []struct {
		cost, cpus float64
		percent    int32
		why        string
	}{
		{0.2, 2, 200, "0.2 / (0.05 x 2)"},
		{0.9, 2, 288, "no more than there is"},
		{0.001, 2, 40, "never under 0.4"},
		{-1, 2, 288, "cost unknown: as for throughput"},
		{math.NaN(), 2, 288, "no number"},
		{0.2, 0, 288, "CPUs unknown"},
	} {
		heap := heapOf(100, 0, 80)
		heap.Cost, heap.CPUs = test.cost, test.cpus
		if got := Evaluate(&target, heap).Percent; got != test.percent {
			t.Errorf("%s: %d, expected %d", test.why, got, test.percent)
		}
	}
	target.BudgetBytes = 0
	heap := heapOf(100, 0, 80)
	heap.Cost, heap.CPUs = 0.2, 2
	if got := Evaluate(&target, heap); got != (Setting{200, 0}) {
		t.Errorf("without a budget: %v", got)
	}
}

func TestG1_BeforeTheFirstCollectionOnlyTheLimitIsKnown(t *testing.T) {
	target := budget(mi(480))
	for _, heap := range []*Heap{heapOf(0, 0, 8), heapOf(math.NaN(), 0, 8), heapOf(100, 0, math.NaN())} {
		if got := Evaluate(&target, heap); got != (Setting{0, mi(480)}) {
			t.Errorf("%v", got)
		}
	}
}

func TestG1_AFixedTargetIsWhatItSays(t *testing.T) {
	target := model.FixedGC(60)
	target.MemoryLimitBytes = 7
	if got := Evaluate(&target, heapOf(100, 1, 1)); got != (Setting{60, 7}) {
		t.Errorf("%v", got)
	}
}

func TestW11_ALeaseThatHasEndedLeavesASafeStaticSetting(t *testing.T) {
	for _, test := range []struct {
		memory   Memory
		start    int32
		expected Setting
	}{
		{Memory{1000, 0}, 100, Setting{100, 900}},
		{Memory{1000, 300}, 30, Setting{50, 600}},
		{Memory{1000, 5000}, 100, Setting{100, 100}},
		{Memory{}, 100, Setting{100, 0}},
	} {
		if got := Fallback(test.memory, test.start); got != test.expected {
			t.Errorf("%v: %v, expected %v", test.memory, got, test.expected)
		}
	}
	if got := (Setting{100, 990}).bounded(Memory{Limit: 1000}); got.MemoryLimitBytes != 950 {
		t.Errorf("never above 0.95 of the kernel's limit: %v", got)
	}
}

func TestG1_AnEvaluationStaysWithinItsBoundsWhateverTheNumbers(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 20))
	any := func() float64 { return math.Float64frombits(dice.Uint64()) }
	for range 100_000 {
		target := budget(1 + dice.Int64N(model.GcBytesLimit))
		target.MemoryLimitBytes = dice.Int64N(model.GcBytesLimit)
		target.PercentMin = 1 + dice.Int32N(2000)
		target.PercentMax = target.PercentMin + dice.Int32N(2000)
		if dice.IntN(2) == 0 {
			target.Mode = model.GcFrugal
		}
		got := Evaluate(&target, &Heap{any(), any(), any(), any(), any()})
		if got.Percent != 0 && (got.Percent < target.PercentMin || got.Percent > target.PercentMax) {
			t.Fatalf("%+v: %v", target, got)
		}
		if most := max(target.BudgetBytes, target.MemoryLimitBytes); got.MemoryLimitBytes < target.BudgetBytes || got.MemoryLimitBytes > most {
			t.Fatalf("%+v: %v", target, got)
		}
	}
}

func TestG1_MoreBudgetNeverGivesLess(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 21))
	for range 100_000 {
		less, heap := budget(1+dice.Int64N(1<<40)), &Heap{1 + dice.Float64()*1e12, dice.Float64() * 1e9, dice.Float64() * 1e10, -1, 0}
		more := less
		more.BudgetBytes += dice.Int64N(1 << 40)
		a, b := Evaluate(&less, heap), Evaluate(&more, heap)
		if a.Percent > b.Percent || a.MemoryLimitBytes > b.MemoryLimitBytes {
			t.Fatalf("%+v: %v, with more %v", heap, a, b)
		}
	}
}
