package goruntime

import (
	"runtime"
	"runtime/debug"
	"time"
)

// Live is the runtime of this process.
type Live struct {
	*Reader
	// Container gives the memory of the container, for what the runtime governs; Quota the CPUs that it may use.
	Container func(now time.Duration, governed uint64) Memory
	Quota     func() float64
	// FromEnvironment: GOMAXPROCS is the environment's, so the runtime's own choice is not what to go back to.
	FromEnvironment bool
	// Before the first change: whether GOMAXPROCS was set by somebody.
	explicit, moved bool
}

// SetGCPercent costs some 100 ns; it stops nothing.
func (*Live) SetGCPercent(percent int) { debug.SetGCPercent(percent) }

// SetMemoryLimit costs some 100 ns.
func (*Live) SetMemoryLimit(bytes int64) { debug.SetMemoryLimit(bytes) }

// Procs is GOMAXPROCS. Some 10 ns; it stops nothing.
func (*Live) Procs() int { return runtime.GOMAXPROCS(0) }

// SetProcs stops the world, and waits for a running collection first. The first time it finds out whose number it replaces; no sooner,
// because to find out is to change it.
func (l *Live) SetProcs(threads int) {
	if !l.moved {
		l.moved, l.explicit = true, l.FromEnvironment || procsAreExplicit()
	}
	runtime.GOMAXPROCS(threads)
}

// DefaultProcs hands GOMAXPROCS back to the runtime, where it can be.
func (l *Live) DefaultProcs() bool { return !l.explicit && defaultProcs() }

// Collect takes a whole collection.
func (*Live) Collect() { runtime.GC() }

// ReturnMemory takes a whole collection and gives freed pages back.
func (*Live) ReturnMemory() { debug.FreeOSMemory() }

// Memory of the container.
func (l *Live) Memory(now time.Duration, governed uint64) Memory { return l.Container(now, governed) }

// QuotaCores that the container may use.
func (l *Live) QuotaCores() float64 { return l.Quota() }
