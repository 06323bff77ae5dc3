// Package plan says what is played: the workloads, each a service, its load and what happens around it.
//
// They are short and need well under one CPU, because the machine that they run on is seldom idle: what tells policies apart here is
// memory, kills and numbers of collections, none of which a busy machine changes much.
package plan

import "time"

// Workload is one service under one limit, and what happens to it. Times count from the beginning of what is measured.
type Workload struct {
	Name, Title string
	// LimitMiB of memory; Cores is the CPU quota, 0 for none.
	LimitMiB int
	Cores    float64
	// Warm is how long the load runs before anything is measured, Lasts how long it is measured.
	Warm, Lasts time.Duration
	// Learn is how long it runs where there is a sidecar: a new one raises nothing in its first ten seconds.
	Learn time.Duration
	// PerSecond requests arrive (Poisson); in a surge that many times as many.
	PerSecond float64
	Surge     Surge
	Service   Shape
	// CompanionPerSecond requests go to a second process of the same kind under the same limit; 0: there is none. It is not started again.
	CompanionPerSecond float64
	Neighbour          Neighbour
	// Resize changes the memory limit, in this order.
	Resize []Resize
	// Dips of the memory limit, again and again, to see how long it takes until GOMEMLIMIT follows.
	Dips Dips
	// Alone: no other run at the same time, since it takes all CPUs under some policies.
	Alone bool
	// Policies that are of interest; nil: MemoryPolicies.
	Policies []string
}

// Surge multiplies the load for a while.
type Surge struct {
	From, To time.Duration
	Times    float64
}

// Shape is what a service does with its memory and its time.
type Shape struct {
	// LiveMiB of small objects with pointers are kept, and one of them is replaced by each request.
	LiveMiB int
	// GarbageKiB each request leaves behind, and HeldKiB it keeps alive while it waits for Hold.
	GarbageKiB, HeldKiB int
	Hold                time.Duration
	// Work is CPU time; Stall is time in the kernel that keeps a thread.
	Work, Stall time.Duration
	// GrowToMiB is where what is kept grows to over GrowOver.
	GrowToMiB int
	GrowOver  time.Duration
	// BurstMiB more is kept for a second, every BurstEvery.
	BurstMiB   int
	BurstEvery time.Duration
	// LeakMiBPerSecond is kept for ever.
	LeakMiBPerSecond float64
}

// Neighbour takes memory under the same limit: as Kind process, mmap (of the service itself), tmpfs or pagecache.
type Neighbour struct {
	Kind string
	MiB  int
	From time.Duration
	Over time.Duration
}

// Resize of the memory limit.
type Resize struct {
	At  time.Duration
	MiB int
}

// Dips of the limit by so many MiB, that much apart at least.
type Dips struct {
	MiB  int
	Rest time.Duration
}

const (
	limit   = 512
	seconds = time.Second
)

// steady is a service that all others are variations of: a tenth of a CPU without collections.
var steady = Shape{LiveMiB: 150, GarbageKiB: 640}

func workload(name, title string, lasts time.Duration, edit func(*Workload)) Workload {
	w := Workload{Name: name, Title: title, LimitMiB: limit, Warm: 3 * seconds, Lasts: lasts, PerSecond: 200, Service: steady}
	edit(&w)
	return w
}

func live(mib int) func(*Workload) {
	return func(w *Workload) { w.Service.LiveMiB = mib }
}

func neighbour(kind string) func(*Workload) {
	return func(w *Workload) {
		w.Neighbour, w.Policies = Neighbour{kind, 4 * limit / 10, 3 * seconds, 2 * seconds}, ChangePolicies
	}
}

func cores(quota float64) func(*Workload) {
	return func(w *Workload) {
		w.Cores, w.Policies = quota, ThreadPolicies
		w.PerSecond, w.Service = 100*quota, Shape{LiveMiB: 60, GarbageKiB: 256, Work: 6 * time.Millisecond}
	}
}

func overload(times float64) func(*Workload) {
	return func(w *Workload) {
		w.Learn = 12 * seconds
		w.PerSecond, w.Surge = 250, Surge{3 * seconds, 13 * seconds, times}
		w.Service = Shape{LiveMiB: 100, GarbageKiB: 64, HeldKiB: 1024, Hold: 500 * time.Millisecond}
		w.Alone, w.Policies = true, CallPolicies
	}
}

// Workloads in the order of the evaluation plan.
var Workloads = []Workload{
	workload("w1", "steady, 100 MiB alive", 12*seconds, func(w *Workload) {
		w.Service.LiveMiB, w.Service.GarbageKiB = 100, 1280 // so many collections that they can be compared
	}),
	workload("w1-20", "steady, 20 MiB alive", 12*seconds, live(20)),
	workload("w1-250", "steady, 250 MiB alive", 12*seconds, live(250)),
	workload("w2", "a cache grows from 60 MiB to 65 % of the limit", 14*seconds, func(w *Workload) {
		w.Service.LiveMiB, w.Service.GrowToMiB, w.Service.GrowOver = 60, limit*65/100, 9*seconds
	}),
	workload("w3", "bursts of 25 % of the limit for 1 s, every 4 s", 14*seconds, func(w *Workload) {
		w.Service.BurstMiB, w.Service.BurstEvery = limit/4, 4*seconds
	}),
	workload("w4", "a leak of 16 MiB/s", 30*seconds, func(w *Workload) {
		w.Service.LiveMiB, w.Service.LeakMiBPerSecond = 60, 16
	}),
	workload("w5", "a neighbour takes 40 % of the limit in 2 s", 13*seconds, neighbour("process")),
	workload("w5-mmap", "the process itself maps 40 % of the limit, outside the heap", 13*seconds, neighbour("mmap")),
	workload("w5-tmpfs", "files in memory take 40 % of the limit", 13*seconds, neighbour("tmpfs")),
	workload("w5-pagecache", "a neighbour writes files of 40 % of the limit", 13*seconds, neighbour("pagecache")),
	workload("w6", "overload x3 for 10 s, 1 MiB held by each request", 15*seconds, overload(3)),
	workload("w6-15", "overload x1.5 for 10 s, 1 MiB held by each request", 15*seconds, overload(1.5)),
	workload("w7", "limit resized 512, 384, 768 MiB", 18*seconds, func(w *Workload) {
		w.Policies = ChangePolicies
		w.Resize = []Resize{{3 * seconds, 384}, {11 * seconds, 768}}
	}),
	workload("w8", "a quota of half a CPU", 14*seconds, cores(0.5)),
	workload("w8-1", "a quota of one CPU", 14*seconds, cores(1)),
	// So busy that a second thread uses the quota up early in many periods, and so long before that ours has noticed.
	workload("w8-busy", "a quota of one CPU, 85 % of it used", 14*seconds, func(w *Workload) {
		cores(1)(w)
		w.PerSecond, w.Warm = 140, 12*seconds
	}),
	workload("w8-stall", "a quota of one CPU, requests hang in the kernel", 14*seconds, func(w *Workload) {
		cores(1)(w)
		w.Service.Work, w.Service.Stall = time.Millisecond, 8*time.Millisecond
	}),
	workload("w9", "two processes under one limit, of which one allocates ten times as much", 14*seconds, func(w *Workload) {
		// So long that the one which allocates less has filled what it believes to have, under all policies.
		w.Policies, w.Warm = SharePolicies, 14*seconds
		w.Service.LiveMiB, w.Service.GarbageKiB, w.CompanionPerSecond = 100, 1280, w.PerSecond/10
	}),
	workload("w10", "idle at 5 a second, then a spike of 300", 16*seconds, func(w *Workload) {
		w.PerSecond, w.Surge = 5, Surge{8 * seconds, 13 * seconds, 60}
	}),
	workload("w11", "faults of the sidecar at 10 s", 18*seconds, func(w *Workload) { w.Policies = FaultPolicies }),
	workload("sense", "the limit dips again and again, and GOMEMLIMIT follows", 20*seconds, func(w *Workload) {
		w.Policies, w.Learn, w.PerSecond = []string{"setpoint"}, 12*seconds, 50
		w.Service.LiveMiB, w.Dips = 60, Dips{24, 700 * time.Millisecond}
	}),
}

// Find a workload by its name.
func Find(name string) (Workload, bool) {
	for _, w := range Workloads {
		if w.Name == name {
			return w, true
		}
	}
	return Workload{}, false
}

// Of the policies that are of interest in a workload.
func (w *Workload) Of() []string {
	if w.Policies != nil {
		return w.Policies
	}
	return MemoryPolicies
}

// WarmUp is how long the load runs before anything is measured.
func (w *Workload) WarmUp(p *Policy) time.Duration {
	if p.File != "" {
		return max(w.Warm, w.Learn)
	}
	return w.Warm
}

// At is the load then.
func (w *Workload) At(t time.Duration) float64 {
	if w.Surge.Times > 0 && t >= w.Surge.From && t < w.Surge.To {
		return w.PerSecond * w.Surge.Times
	}
	return w.PerSecond
}
