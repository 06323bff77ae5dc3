package goruntime

import (
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// fake is a runtime that notes what is done to it.
type fake struct {
	reading   Reading
	memory    Memory
	quota     float64
	canReturn bool
	done      []string
	release   chan struct{}
}

func newFake() *fake {
	return &fake{
		reading: Reading{
			Total: 300 * mib, Released: 20 * mib, Objects: 180 * mib, Free: 20 * mib, Live: 100 * mib, Cycles: 1, Percent: 100,
			MemoryLimit: math.MaxInt64, Procs: 4,
		},
		memory: Memory{Limit: 512 * mib, External: 12 * mib}, canReturn: true,
	}
}

func (f *fake) note(what string) { f.done = append(f.done, what) }
func (f *fake) Read(at time.Duration) Reading {
	f.reading.At = at
	return f.reading
}
func (f *fake) SetGCPercent(percent int) {
	f.note("percent")
	f.reading.Percent = int32(percent)
}
func (f *fake) SetMemoryLimit(bytes int64) {
	f.note("limit")
	f.reading.MemoryLimit = bytes
}
func (f *fake) Procs() int { return int(f.reading.Procs) }
func (f *fake) SetProcs(threads int) {
	f.note("procs")
	f.reading.Procs = uint64(threads)
}
func (f *fake) DefaultProcs() bool {
	if f.canReturn {
		f.note("default")
		f.reading.Procs = 4
	}
	return f.canReturn
}
func (f *fake) Collect()                            { <-f.release }
func (f *fake) ReturnMemory()                       { <-f.release }
func (f *fake) Memory(time.Duration, uint64) Memory { return f.memory }
func (f *fake) QuotaCores() float64                 { return f.quota }
func (f *fake) setting() Setting                    { return Setting{f.reading.Percent, f.reading.MemoryLimit} }
func (f *fake) expect(t *testing.T, when string, s Setting) {
	t.Helper()
	if got := f.setting(); got != s {
		t.Errorf("%s: %v, expected %v", when, got, s)
	}
}

func gcValue(target model.GcTarget) model.Value { return model.Value{Form: model.FormGC, GC: target} }

func push(t *testing.T, gc *GC, target model.GcTarget) {
	t.Helper()
	if _, err := gc.Apply(gcValue(target), nil); err != nil {
		t.Error(err)
	}
}

var untouched = Setting{100, math.MaxInt64}

func TestG1_TheEnvelopeIsEvaluatedAtEachCollection(t *testing.T) {
	world, hand := newFake(), clock.ByHand()
	gc := NewGC(world, hand, false)
	gc.Tick()
	world.expect(t, "nothing was pushed", untouched)
	push(t, gc, budget(mi(450)))
	// Overhead is 280 - 200 MiB; (0.97 (450 - 80) - 100) / 100.
	world.expect(t, "pushed", Setting{258, mi(450)})
	if !slices.Equal(world.done, []string{"limit", "percent"}) {
		t.Errorf("down: the limit first: %v", world.done)
	}
	world.reading.Live = 200 * mib
	hand.Move(50 * time.Millisecond)
	gc.Tick()
	world.expect(t, "no collection has ended", Setting{258, mi(450)})
	world.reading.Cycles++
	hand.Move(50 * time.Millisecond)
	gc.Tick()
	world.expect(t, "one has", Setting{79, mi(450)})
	if got := gc.InForce(); got.Number != 79 {
		t.Errorf("read back: %v", got)
	}
	world.done = nil
	push(t, gc, budget(mi(480)))
	world.expect(t, "more", Setting{94, mi(480)})
	if !slices.Equal(world.done, []string{"percent", "limit"}) {
		t.Errorf("up: the percentage first: %v", world.done)
	}
	push(t, gc, budget(mi(4000)))
	if limit := world.reading.MemoryLimit; limit != mi(0.95*512) {
		t.Errorf("above what the kernel enforces: %d", limit)
	}
	gc.Close()
	world.expect(t, "closed", untouched)
}

func TestG1_SmallMovesAreNotMade(t *testing.T) {
	world, hand := newFake(), clock.ByHand()
	gc := NewGC(world, hand, false)
	push(t, gc, budget(mi(450)))
	world.done = nil
	for range 100 {
		world.reading.Live += mib / 64
		world.reading.Cycles++
		hand.Move(50 * time.Millisecond)
		gc.Tick()
	}
	if len(world.done) > 2 {
		t.Errorf("%v", world.done)
	}
}

func TestW11_WithoutWordTheSettingIsSafeAndStatic(t *testing.T) {
	world, hand := newFake(), clock.ByHand()
	gc := NewGC(world, hand, false)
	target := budget(mi(480))
	push(t, gc, target)
	gc.Fresh(true)
	world.expect(t, "leased", Setting{288, mi(480)})
	safe := int64(math.Floor(0.9*512*mib)) - 12*mib
	gc.Fresh(false)
	if world.reading.MemoryLimit != safe {
		t.Errorf("past its ttl: %v", world.setting())
	}
	world.memory.External = 100 * mib
	hand.Move(time.Second)
	gc.Tick()
	if world.reading.MemoryLimit != safe-88*mib {
		t.Errorf("others use more: %v", world.setting())
	}
	gc.Fresh(true)
	world.expect(t, "the sidecar is back", Setting{288, mi(480)})
	world.memory.External = 12 * mib
	if _, err := gc.Apply(gc.Knob().BaselineValue(), nil); err != nil {
		t.Error(err)
	}
	gc.Fresh(false)
	world.expect(t, "lease over", Setting{100, safe})
	world.memory.Limit = 256 * mib
	hand.Move(time.Second)
	gc.Tick()
	world.expect(t, "the limit was lowered in place", Setting{100, int64(math.Floor(0.9*256*mib)) - 12*mib})
	world.memory = Memory{}
	hand.Move(time.Second)
	gc.Tick()
	world.expect(t, "no limit is known", untouched)
	gc.Close()
	world.expect(t, "closed", untouched)
}

func TestG1_TheServicesOwnSettingsAreKept(t *testing.T) {
	world := newFake()
	world.reading.Percent, world.reading.MemoryLimit = -1, mi(300)
	gc := NewGC(world, clock.ByHand(), false)
	push(t, gc, budget(mi(450)))
	if _, err := gc.Apply(gc.Knob().BaselineValue(), nil); err != nil {
		t.Error(err)
	}
	world.expect(t, "its limit is stricter than the fallback, and it wants no percentage", Setting{-1, mi(300)})
	push(t, gc, model.FixedGC(60))
	world.expect(t, "a percentage alone leaves the limit", Setting{60, mi(300)})
	if got := gc.Recommended(); got != (Setting{60, mi(300)}) {
		t.Errorf("recommended is what is in force: %v", got)
	}
	gc.Enforce(false)
	world.expect(t, "switched off", Setting{-1, mi(300)})
	gc.Enforce(true)
	world.expect(t, "and on again", Setting{60, mi(300)})
	gc.Close()
	world.expect(t, "closed", Setting{-1, mi(300)})
}

func TestG1_AnEnvironmentThatDecidesIsRespected(t *testing.T) {
	world := newFake()
	gc := NewGC(world, clock.ByHand(), true)
	procs := NewProcs(world, 8, true)
	push(t, gc, budget(mi(450)))
	if _, err := procs.Apply(model.Value{Form: model.FormThreads, Number: 2}, nil); err != nil {
		t.Error(err)
	}
	if !gc.Pinned() || !procs.Pinned() || len(world.done) != 0 {
		t.Errorf("%v", world.done)
	}
	if gc.Recommended() != (Setting{258, mi(450)}) || procs.Recommended() != 2 {
		t.Errorf("%v %v", gc.Recommended(), procs.Recommended())
	}
	gc.Close()
	procs.Close()
	if len(world.done) != 0 {
		t.Errorf("%v", world.done)
	}
}

func TestG1_ACollectionIsAskedForOnceAndWaitedForAtTheEnd(t *testing.T) {
	world, hand := newFake(), clock.ByHand()
	world.release = make(chan struct{})
	gc := NewGC(world, hand, false)
	target := budget(mi(450))
	target.Collect, target.ReturnMemory = true, true
	push(t, gc, target)
	push(t, gc, target)
	world.release <- struct{}{}
	gc.begun.Wait()
	target.ReturnMemory, target.Collect = false, false
	push(t, gc, target)
	target.ReturnMemory = true
	push(t, gc, target)
	gc.begun.Wait()
	hand.Move(returnEvery)
	target.ReturnMemory = false
	push(t, gc, target)
	target.ReturnMemory = true
	push(t, gc, target)
	closed := make(chan struct{})
	go func() {
		gc.Close()
		close(closed)
	}()
	select {
	case <-closed:
		t.Error("pages were to be given back again, 30 s later")
	case world.release <- struct{}{}:
	}
	<-closed
}

func TestG4_GomaxprocsMovesRarelyAndIsHandedBack(t *testing.T) {
	world := newFake()
	procs := NewProcs(world, 8, false)
	apply := func(threads float64) {
		t.Helper()
		if _, err := procs.Apply(model.Value{Form: model.FormThreads, Number: threads}, nil); err != nil {
			t.Error(err)
		}
	}
	apply(2)
	apply(2)
	if world.reading.Procs != 2 || len(world.done) != 1 || procs.InForce().Number != 2 {
		t.Errorf("%v", world.done)
	}
	procs.Enforce(false)
	procs.Enforce(true)
	if !slices.Equal(world.done, []string{"procs", "default", "procs"}) {
		t.Errorf("%v", world.done)
	}
	procs.Admit(nil)
	procs.Admit(nil)
	if world.reading.Procs != 4 || world.done[len(world.done)-1] != "default" {
		t.Errorf("handed back to the runtime: %v", world.done)
	}
	world.canReturn, world.reading.Procs = false, 6 // the service has changed its mind
	apply(3)
	procs.Close()
	if world.reading.Procs != 6 || world.done[len(world.done)-1] != "procs" {
		t.Errorf("to what was found: %v", world.done)
	}
}

func TestG4_WhatTheRuntimeDoesByItselfIsReadBackAndNotTakenForWhatWasSet(t *testing.T) {
	world := newFake()
	procs := NewProcs(world, 8, false)
	world.reading.Procs = 2 // the quota was lowered, and the runtime follows it
	procs.Tick()
	if procs.InForce().Number != 2 {
		t.Errorf("in force: %v", procs.InForce())
	}
	world.reading.Procs = 3
	read, err := procs.Apply(model.Value{Form: model.FormThreads, Number: 4}, nil)
	if err != nil || read.Number != 4 || world.reading.Procs != 4 {
		t.Errorf("pushed 4, the value it was found with: %v %v, %d in force", read, err, world.reading.Procs)
	}
}

func TestG4_WhatTheEnvironmentSetIsNotHandedBackToTheRuntime(t *testing.T) {
	found := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(found)
	world := live()
	world.FromEnvironment = true
	world.SetProcs(found + 1)
	if world.DefaultProcs() {
		t.Error("the runtime would change it from now on, whatever the environment says")
	}
}

func live() *Live {
	return &Live{
		Reader: NewReader(), Container: func(time.Duration, uint64) Memory { return Memory{} }, Quota: func() float64 { return 0 },
	}
}

func TestG1_TheRealRuntimeIsTunedAndRestored(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	world, clock := live(), clock.Start()
	gc := NewGC(world, clock, false)
	runtime.GC()
	gc.Tick()
	push(t, gc, model.FixedGC(60))
	gc.Tick()
	if got := gc.InForceNow(); got.Percent != 60 {
		t.Errorf("%v", got)
	}
	target := budget(1 << 30)
	target.Mode, target.Collect, target.ReturnMemory = model.GcThroughput, true, true
	push(t, gc, target)
	gc.begun.Wait()
	gc.Tick()
	if got := gc.InForceNow(); got.MemoryLimitBytes != 1<<30 || got.Percent < 15 || got.Percent > 800 {
		t.Errorf("%v", got)
	}
	gc.Close()
	if percent, limit := debug.SetGCPercent(77), debug.SetMemoryLimit(-1); percent != 77 || limit != math.MaxInt64 {
		t.Errorf("%d %d", percent, limit)
	}
	procs := NewProcs(live(), runtime.NumCPU(), false)
	found := runtime.GOMAXPROCS(0)
	if _, err := procs.Apply(model.Value{Form: model.FormThreads, Number: 1}, nil); err != nil {
		t.Error(err)
	}
	if got := runtime.GOMAXPROCS(0); got != 1 {
		t.Errorf("%d", got)
	}
	procs.Close()
	if got := runtime.GOMAXPROCS(0); got != found {
		t.Errorf("%d", got)
	}
}

func TestS6_RatesOfTheRealRuntime(t *testing.T) {
	reader, rates, clock := NewReader(), Rates{}, clock.Start()
	var kept [][]byte
	for start := time.Now(); time.Since(start) < 1300*time.Millisecond; {
		for range 100 {
			kept = append(kept, make([]byte, 10_000))
		}
		if len(kept) > 2000 {
			kept = nil
		}
		reading := reader.Read(clock.Now())
		rates.Add(&reading, float64(reading.Procs))
		runtime.Gosched()
	}
	runtime.KeepAlive(kept)
	reading := reader.Read(clock.Now())
	share, hasShare := rates.GCShare()
	if !hasShare || share < 0 || share > 1 || rates.Cost() <= 0 || reading.Live == 0 || reading.Overhead() == 0 || reading.Governed() < reading.Live {
		t.Errorf("share %v %v, cost %v, %+v", share, hasShare, rates.Cost(), reading)
	}
	if allocations := testing.AllocsPerRun(100, func() {
		reading := reader.Read(clock.Now())
		rates.Add(&reading, 2)
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
