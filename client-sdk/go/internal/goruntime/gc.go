package goruntime

import (
	"errors"
	"math"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

const (
	// How often the memory of the container is looked at although no collection has ended.
	lookEvery = time.Second
	// Moves smaller than this are not made.
	samePercent, sameBytes = 0.05, 0.01
	// Pages are given back no more often than this: it takes a whole collection.
	returnEvery = 30 * time.Second
)

// World is what the actuators touch; tests bring their own.
type World interface {
	// Read the runtime's metrics, on the session's goroutine only.
	Read(at time.Duration) Reading
	SetGCPercent(percent int)
	SetMemoryLimit(bytes int64)
	// Procs is GOMAXPROCS in force.
	Procs() int
	SetProcs(threads int)
	// DefaultProcs hands GOMAXPROCS back to the runtime; false: this runtime cannot take it back.
	DefaultProcs() bool
	Collect()
	ReturnMemory()
	// Memory of the container, and the CPUs that it may use (0: no quota).
	Memory(now time.Duration, governed uint64) Memory
	QuotaCores() float64
}

// GC is the actuator of garbage collection: it evaluates the pushed envelope after each collection.
//
//	pushed, lease within its ttl    the envelope
//	past its ttl                    the envelope, as far as it is stricter than the fallback
//	lease over, or let go           the fallback: 0.9 of the memory limit less what others use, and the percentage from the start
//	never pushed, switched off,
//	closed                          what was in force before the SDK came
//
// An environment that sets GOGC or GOMEMLIMIT is respected, unless told otherwise: then nothing is touched, and what would have been
// set is only recommended.
type GC struct {
	actuator.Defaults
	knob      *model.Knob
	world     World
	clock     *clock.Clock
	respected bool
	rates     Rates
	begun     sync.WaitGroup

	mu sync.Mutex
	gcState
}

type gcState struct {
	target             model.GcTarget
	leased, led, fresh bool
	off, closed        bool
	cycles             uint64
	evaluated          time.Duration
	returned           time.Duration
	hasReturned        bool
	start              Setting // percent may be negative: switched off
	wanted             Setting
	newest             Reading
	collecting         bool
}

// NewGC takes the runtime as it finds it. Respected: the environment decides.
func NewGC(world World, clock *clock.Clock, respected bool) *GC {
	now := world.Read(clock.Now())
	start := Setting{now.Percent, now.MemoryLimit}
	baseline := float64(start.Percent)
	if baseline < 1 {
		baseline = 100 // switched off; there is no number for that
	}
	knob := &model.Knob{
		Name: "gc", Kind: model.KindGcTarget, Unit: "percent", Min: 1, Max: model.GcPercentLimit, Baseline: min(baseline, model.GcPercentLimit), ApplyCost: 1,
	}
	return &GC{
		knob: knob, world: world, clock: clock, respected: respected,
		gcState: gcState{target: knob.BaselineValue().GC, start: start, wanted: start, newest: now},
	}
}

// Knob is gc.
func (g *GC) Knob() *model.Knob { return g.knob }

// Pinned where the environment decides.
func (g *GC) Pinned() bool { return g.respected }

// InForce is the percentage read back from the runtime.
func (g *GC) InForce() model.Value {
	g.mu.Lock()
	defer g.mu.Unlock()
	return model.Value{Form: model.FormGC, Number: float64(g.newest.Percent)}
}

// Apply takes an envelope, or the baseline.
func (g *GC) Apply(value model.Value, _ *wire.Why) (model.Value, error) {
	if value.Form != model.FormGC {
		return model.Value{}, errors.New("a value of another kind")
	}
	g.mu.Lock()
	before := g.target
	g.leased = value != g.knob.BaselineValue()
	g.led = g.led || g.leased
	g.target, g.fresh, g.closed = value.GC, true, false
	g.mu.Unlock()
	g.evaluate(true)
	if g.leased && !g.respected {
		g.once(value.GC.Collect && !before.Collect, value.GC.ReturnMemory && !before.ReturnMemory)
	}
	return g.InForce(), nil
}

// Fresh tells whether the lease is within its ttl.
func (g *GC) Fresh(valid bool) {
	g.mu.Lock()
	changed := g.leased && g.fresh != valid
	g.fresh = valid
	g.mu.Unlock()
	if changed {
		g.evaluate(true)
	}
}

// Enforce is the kill switch.
func (g *GC) Enforce(on bool) {
	g.mu.Lock()
	changed := g.off == on
	g.off = !on
	g.mu.Unlock()
	if changed {
		g.evaluate(true)
	}
}

// Tick evaluates when a collection has ended, and every second because others use memory too. About 3 us.
func (g *GC) Tick() bool {
	now := g.world.Read(g.clock.Now())
	g.rates.Add(&now, g.cpus(&now))
	g.mu.Lock()
	g.newest = now
	due := now.Cycles != g.cycles || now.At-g.evaluated >= lookEvery
	g.mu.Unlock()
	if due {
		g.evaluate(false)
	}
	return false
}

// Recommended is what would be in force if the SDK decided, or is.
func (g *GC) Recommended() Setting {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wanted
}

// InForceNow is what the runtime said last.
func (g *GC) InForceNow() Setting {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Setting{g.newest.Percent, g.newest.MemoryLimit}
}

// Close restores what was in force before the SDK came, and waits for a collection that it asked for.
func (g *GC) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.evaluate(true)
	g.begun.Wait()
}

func (g *GC) cpus(now *Reading) float64 {
	cpus := float64(now.Procs)
	if quota := g.world.QuotaCores(); quota > 0 {
		cpus = min(cpus, quota)
	}
	return cpus
}

// evaluate works out what should be in force, and puts it in force. News: also where it is nearly the same.
func (g *GC) evaluate(news bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	g.cycles, g.evaluated = g.newest.Cycles, now
	next := g.setting(now)
	// What a setting leaves out is as it was at the start.
	if next.Percent == 0 {
		next.Percent = g.start.Percent
	}
	if next.MemoryLimitBytes == 0 {
		next.MemoryLimitBytes = g.start.MemoryLimitBytes
	}
	g.wanted = next
	is := Setting{g.newest.Percent, g.newest.MemoryLimit}
	if g.respected || next == is || !news && g.nearly(is, next) {
		return
	}
	g.put(is, next)
	g.newest.Percent, g.newest.MemoryLimit = next.Percent, next.MemoryLimitBytes
}

// setting that should be in force.
func (g *GC) setting(now time.Duration) Setting {
	if g.closed || g.off || !g.led {
		return g.start
	}
	memory := g.world.Memory(now, g.newest.Governed())
	fallback := Fallback(memory, g.start.Percent)
	if g.start.Percent < 0 {
		fallback.Percent = g.start.Percent // switched off: the limit alone guards it, as the service wanted
	}
	if fallback.MemoryLimitBytes == 0 || g.start.MemoryLimitBytes < fallback.MemoryLimitBytes {
		fallback.MemoryLimitBytes = g.start.MemoryLimitBytes
	}
	if !g.leased {
		return fallback.bounded(memory)
	}
	target := g.target
	if !g.fresh && memory.Limit > 0 {
		if target.BudgetBytes > 0 {
			target.BudgetBytes = min(target.BudgetBytes, fallback.MemoryLimitBytes)
		}
		if target.MemoryLimitBytes > 0 {
			target.MemoryLimitBytes = min(target.MemoryLimitBytes, fallback.MemoryLimitBytes)
		}
	}
	return Evaluate(&target, &Heap{
		Live: float64(g.newest.Live), Roots: float64(g.newest.Roots()), Overhead: float64(g.newest.Overhead()),
		Cost: g.rates.Cost(), CPUs: g.cpus(&g.newest),
	}).bounded(memory)
}

func (g *GC) nearly(is, next Setting) bool {
	same := func(a, b, share float64) bool { return math.Abs(a-b) <= share*math.Abs(a) }
	return same(float64(is.Percent), float64(next.Percent), samePercent) &&
		same(float64(is.MemoryLimitBytes), float64(next.MemoryLimitBytes), sameBytes)
}

// put: on the way down the limit first, then the percentage; on the way up the other way round.
func (g *GC) put(is, next Setting) {
	down := next.MemoryLimitBytes < is.MemoryLimitBytes
	if down {
		g.world.SetMemoryLimit(next.MemoryLimitBytes)
	}
	if next.Percent != is.Percent {
		g.world.SetGCPercent(int(next.Percent))
	}
	if !down && next.MemoryLimitBytes != is.MemoryLimitBytes {
		g.world.SetMemoryLimit(next.MemoryLimitBytes)
	}
}

// once does what is asked for once, beside the session: it takes as long as a collection.
func (g *GC) once(collect, giveBack bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	giveBack = giveBack && !(g.hasReturned && now-g.returned < returnEvery)
	if !collect && !giveBack || g.collecting || g.closed || g.off {
		return
	}
	if giveBack {
		g.returned, g.hasReturned = now, true
	}
	g.collecting = true
	g.begun.Add(1)
	go func() {
		defer g.begun.Done()
		if giveBack {
			g.world.ReturnMemory() // collects as well
		} else {
			g.world.Collect()
		}
		g.mu.Lock()
		g.collecting = false
		g.mu.Unlock()
	}()
}
