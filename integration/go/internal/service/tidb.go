package service

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// TiDB's law, re-implemented from what is public of pkg/util/gctuner (tuner.go and memory_limit_tuner.go) with its default settings. Two
// tuners look at each collection, from a finalizer:
//
//	GOGC       = floor((T - in use) / in use x 100), within 100 and 500;  T = 0.6 x server limit
//	GOMEMLIMIT = 0.7 x server limit; when two collections in a row were due to it, 1.1 x server limit for a minute
//
// The server limit is 0.8 of the memory.
const (
	tidbServerShare  = 0.8
	tidbTriggerShare = 0.7
	tidbTunerShare   = 0.6
	tidbFallback     = 1.1
	tidbLeast        = 100
	tidbMost         = 500
)

type tidb struct {
	server  float64
	limited int
	relaxed atomic.Bool
	percent int
}

func tuneAsTiDB(memory uint64) {
	t := &tidb{server: tidbServerShare * float64(memory), percent: 100}
	debug.SetMemoryLimit(int64(tidbTriggerShare * t.server))
	afterEachCollection(t.tune)
}

// tune is called by the runtime, one call after the other.
func (t *tidb) tune() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats) // as the original does
	inuse := float64(stats.HeapInuse)
	t.limit(inuse)
	t.percent = tidbPercent(inuse, tidbTunerShare*t.server)
	debug.SetGCPercent(t.percent)
}

func (t *tidb) limit(inuse float64) {
	if t.relaxed.Load() {
		return
	}
	trigger := tidbTriggerShare * t.server
	if inuse*(1+float64(t.percent)/100) <= trigger {
		t.limited = 0
		return
	}
	if t.limited++; t.limited < 2 {
		return
	}
	t.limited = 0
	t.relaxed.Store(true)
	debug.SetMemoryLimit(int64(tidbFallback * t.server))
	time.AfterFunc(time.Minute, func() {
		debug.SetMemoryLimit(int64(trigger))
		t.relaxed.Store(false)
	})
}

func tidbPercent(inuse, threshold float64) int {
	if inuse <= 0 || threshold <= inuse {
		return tidbLeast
	}
	return int(min(max(math.Floor((threshold-inuse)/inuse*100), tidbLeast), tidbMost))
}

// afterEachCollection calls from a finalizer that sets itself anew.
func afterEachCollection(call func()) {
	type mark struct{ _ [16]byte }
	var again func(*mark)
	again = func(*mark) {
		call()
		runtime.SetFinalizer(&mark{}, again)
	}
	runtime.SetFinalizer(&mark{}, again)
}
