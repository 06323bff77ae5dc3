// Package goruntime holds the Go runtime to what was pushed: garbage collection and GOMAXPROCS. It reads runtime/metrics only, which
// stops nothing, and uses no finalizers.
package goruntime

import (
	"math"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	// The share of its limit that the runtime itself leaves to the heap.
	runtimeShare = 0.97
	// A frugal target never goes below this ratio.
	frugalLeast = 0.4
	// No soft limit above this share of what the kernel enforces, whatever is pushed.
	mostOfLimit = 0.95
	// What is left of the kernel's limit without word from the sidecar.
	fallbackOfLimit = 0.9
	// Without word the percentage is at least this.
	fallbackPercent = 50
)

// Heap is what the process knows of its heap when a collection has ended. Bytes.
type Heap struct {
	// Live was found alive by the newest collection; 0 before the first one. Roots are marked besides the heap.
	Live, Roots float64
	// Overhead is memory under the runtime's limit that is neither object nor free heap.
	Overhead float64
	// Cost is the CPU time per second that collections take at 100 percent; below 0 is not known.
	Cost float64
	// CPUs are threads of the runtime or quota, whichever is less; 0 is not known.
	CPUs float64
}

// Setting is what to set in the runtime; zero: as it was when the process started.
type Setting struct {
	Percent          int32
	MemoryLimitBytes int64
}

// Evaluate says what to set now. It is the same pure function in every SDK, in the sidecar's simulator and in embedded mode:
//
//	room    = budget - overhead                                       what heap objects may fill
//	fits    = (0.97 room - live) / (live + roots)                     0.97: the runtime keeps 3 % of its limit free
//	ratio   = min(fits, frugal ? max(cost / (target x cpus), 0.4) : inf), within percent_min to percent_max
//	limit   = budget, or where  live + min (live + roots) > room:
//	          max(budget, min(overhead + live + min (live + roots), memory_limit))
//	percent = floor(100 ratio)
//
// The percentage carries the trade-off; the limit is the guard inside a cycle, where no loop can react. Beyond the budget the
// limit may go as far as memory_limit, and never to memory that does not exist: a limit under the live heap would have the runtime
// collect without end.
func Evaluate(target *model.GcTarget, heap *Heap) Setting {
	if target.Mode == model.GcFixed {
		return Setting{target.Percent, target.MemoryLimitBytes}
	}
	if !(heap.Live > 0 && heap.Roots >= 0 && heap.Overhead >= 0) {
		return Setting{0, target.BudgetBytes}
	}
	least, most := float64(target.PercentMin)/100, float64(target.PercentMax)/100
	marked := heap.Live + heap.Roots
	ratio := most
	if target.BudgetBytes > 0 {
		ratio = (runtimeShare*(float64(target.BudgetBytes)-heap.Overhead) - heap.Live) / marked
	}
	ratio = min(ratio, frugal(target, heap))
	// Not a number is neither above nor below.
	if !(ratio > least) {
		ratio = least
	}
	return Setting{int32(math.Floor(100*min(ratio, most) + 1e-9)), limit(target, heap.Overhead+heap.Live+least*marked)}
}

// frugal is the ratio at which collections take their target share of CPUs; infinite where that does not count.
func frugal(target *model.GcTarget, heap *Heap) float64 {
	if target.Mode != model.GcFrugal || !(heap.Cost >= 0 && heap.CPUs > 0) {
		return math.Inf(1)
	}
	return max(heap.Cost/(target.CPUTarget*heap.CPUs), frugalLeast)
}

func limit(target *model.GcTarget, needed float64) int64 {
	budget := target.BudgetBytes
	if budget == 0 || !(needed > float64(budget)) {
		return budget
	}
	return max(budget, int64(min(math.Ceil(needed), float64(max(target.MemoryLimitBytes, budget)))))
}

// Memory is what the container has, bytes; zero is not known.
type Memory struct{ Limit, External float64 }

// Fallback is what a process sets when its lease has ended: 90 % of the memory limit less what others were last seen to use, and
// the percentage from its start, at least 50. Never the last thing pushed for ever, and never nothing: a collector that was
// tuned for a limit would run into the kernel's.
func Fallback(memory Memory, percentAtStart int32) Setting {
	setting := Setting{Percent: max(percentAtStart, fallbackPercent)}
	if memory.Limit > 0 {
		left := math.Floor(fallbackOfLimit*memory.Limit) - memory.External
		setting.MemoryLimitBytes = int64(max(left, math.Floor(memory.Limit/10), 1))
	}
	return setting
}

// Bounded never leaves a soft limit above 0.95 of what the kernel enforces.
func (s Setting) bounded(memory Memory) Setting {
	if most := int64(mostOfLimit * memory.Limit); most > 0 && s.MemoryLimitBytes > most {
		s.MemoryLimitBytes = most
	}
	return s
}
