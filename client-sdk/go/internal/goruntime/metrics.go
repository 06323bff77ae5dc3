package goruntime

import (
	"math"
	"runtime/metrics"
	"time"
)

// Reading is what the runtime says of itself at one instant. Bytes; totals since process start.
type Reading struct {
	At                              time.Duration
	Total, Released, Objects, Free  uint64
	Live, Goal, Stacks, Globals     uint64
	Allocated, Cycles, LimiterCycle uint64
	// GCCPUSeconds is without idle marking; the runtime brings it up to date at the end of each cycle.
	GCCPUSeconds float64
	Goroutines   uint64
	Threads      uint64
	Procs        uint64
	Percent      int32 // negative: off
	MemoryLimit  int64
	// Waits of runnable goroutines for a thread, by bucket.
	waits *metrics.Float64Histogram
}

// Governed is the memory that a soft limit counts.
func (r *Reading) Governed() uint64 { return r.Total - min(r.Released, r.Total) }

// Overhead is the governed memory that is neither object nor free heap.
func (r *Reading) Overhead() uint64 {
	governed, heap := r.Governed(), r.Objects+r.Free
	return governed - min(heap, governed)
}

// Roots are marked besides the heap.
func (r *Reading) Roots() uint64 { return r.Stacks + r.Globals }

// Reader reads the runtime's metrics. It is for one goroutine.
type Reader struct {
	samples []metrics.Sample
	fields  []func(*Reading, metrics.Value)
	newest  Reading
}

func count(into func(*Reading) *uint64) func(*Reading, metrics.Value) {
	return func(r *Reading, value metrics.Value) { *into(r) = value.Uint64() }
}

// NewReader knows the metrics that this runtime has; what it lacks stays zero.
func NewReader() *Reader {
	reader := new(Reader)
	known := make(map[string]metrics.ValueKind)
	for _, description := range metrics.All() {
		known[description.Name] = description.Kind
	}
	for _, it := range wanted {
		if known[it.name] == it.kind {
			reader.samples = append(reader.samples, metrics.Sample{Name: it.name})
			reader.fields = append(reader.fields, it.take)
		}
	}
	return reader
}

var wanted = [...]struct {
	name string
	kind metrics.ValueKind
	take func(*Reading, metrics.Value)
}{
	{"/memory/classes/total:bytes", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Total })},
	{"/memory/classes/heap/released:bytes", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Released })},
	{"/memory/classes/heap/objects:bytes", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Objects })},
	{"/memory/classes/heap/free:bytes", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Free })},
	{"/gc/heap/live:bytes", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Live })},
	{"/gc/heap/goal:bytes", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Goal })},
	{"/gc/scan/stack:bytes", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Stacks })},
	{"/gc/scan/globals:bytes", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Globals })},
	{"/gc/heap/allocs:bytes", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Allocated })},
	{"/gc/cycles/total:gc-cycles", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Cycles })},
	{"/gc/limiter/last-enabled:gc-cycle", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.LimiterCycle })},
	{"/sched/goroutines:goroutines", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Goroutines })},
	{"/sched/threads/total:threads", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Threads })},
	{"/sched/gomaxprocs:threads", metrics.KindUint64, count(func(r *Reading) *uint64 { return &r.Procs })},
	{"/gc/gogc:percent", metrics.KindUint64, func(r *Reading, v metrics.Value) { r.Percent = percentOf(v.Uint64()) }},
	{"/gc/gomemlimit:bytes", metrics.KindUint64, func(r *Reading, v metrics.Value) { r.MemoryLimit = int64(min(v.Uint64(), math.MaxInt64)) }},
	{"/cpu/classes/gc/total:cpu-seconds", metrics.KindFloat64, func(r *Reading, v metrics.Value) { r.GCCPUSeconds += v.Float64() }},
	{"/cpu/classes/gc/mark/idle:cpu-seconds", metrics.KindFloat64, func(r *Reading, v metrics.Value) { r.GCCPUSeconds -= v.Float64() }},
	{"/sched/latencies:seconds", metrics.KindFloat64Histogram, func(r *Reading, v metrics.Value) { r.waits = v.Float64Histogram() }},
}

// percentOf: switched off is -1, which the metric shows as a huge number.
func percentOf(value uint64) int32 {
	if value > math.MaxInt32 {
		return -1
	}
	return int32(value)
}

// Read everything. 2 us, and no allocation after the first time.
func (r *Reader) Read(at time.Duration) Reading {
	metrics.Read(r.samples)
	r.newest = Reading{At: at}
	for i, take := range r.fields {
		take(&r.newest, r.samples[i].Value)
	}
	return r.newest
}
