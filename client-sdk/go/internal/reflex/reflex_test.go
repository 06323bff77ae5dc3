package reflex

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const baseline = 20 * time.Millisecond

var allowed = Allowed{Limit: 400, Floor: 4, BaselineLatency: baseline}

// plant is a server with so many workers behind a limiter. One step is 10 ms.
type plant struct {
	reflex Reflex
	totals model.Totals
	// Admission times of calls in flight, oldest first.
	calls []uint64
	work  float64
}

// load is what the plant does for a while.
type load struct {
	arrivals int
	// Calls that end in a step, at most; none before this age; in overload.
	served  float64
	least   time.Duration
	dropped bool
}

// 800 calls a second of 20 ms each, of which half is offered.
var (
	normal   = load{4, 8, baseline, false}
	overload = load{24, 8, baseline, false}
	hung     = load{4, 0, baseline, false}
)

func (p *plant) run(steps int, l load, a Allowed) []float64 {
	caps := make([]float64, steps)
	for i := range caps {
		caps[i] = p.step(l, a)
	}
	return caps
}

// step gives the bound, 0 without one.
func (p *plant) step(l load, a Allowed) float64 {
	p.totals.AtNanos += 10_000_000
	now := p.totals.AtNanos
	for p.work = min(p.work+l.served, max(l.served, 1)); p.work >= 1 && len(p.calls) > 0 && now-p.calls[0] >= uint64(l.least); p.work-- {
		age := now - p.calls[0]
		p.calls = p.calls[1:]
		p.totals.ReleaseTimeSum += now
		p.totals.LatencySum += age
		if l.dropped {
			p.totals.Dropped++
		} else {
			p.totals.Completed++
			p.totals.SuccessLatencySum += age
		}
	}
	limit := a.Limit
	if cut, holds := p.reflex.Cut(); holds {
		limit = min(limit, cut.Cap)
	}
	for range l.arrivals {
		if float64(len(p.calls)) < math.Floor(limit) {
			p.calls = append(p.calls, now)
			p.totals.Admitted++
			p.totals.AdmitTimeSum += now
		} else {
			p.totals.Rejected[2]++
		}
	}
	if cut, holds := p.reflex.Step(&p.totals, &a); holds {
		return cut.Cap
	}
	return 0
}

func shareCut(caps []float64) float64 {
	cut := 0
	for _, bound := range caps {
		if bound > 0 {
			cut++
		}
	}
	return float64(cut) / float64(len(caps))
}

func TestL2_CalmIsLeftAlone(t *testing.T) {
	var p plant
	if share := shareCut(p.run(2000, normal, allowed)); share != 0 || p.reflex.Cuts() != 0 {
		t.Errorf("%v", share)
	}
}

func TestL2_AnOverloadIsCutToWhatTheThroughputNeedsAndTheBoundIsLetGoBySteps(t *testing.T) {
	var p plant
	p.run(100, normal, allowed)
	caps := p.run(300, overload, allowed)
	first := 0
	for caps[first] == 0 {
		first++
	}
	// 80 calls and their root of 9 in 100 ms, 20 ms each, half as much again.
	if caps[first] < 20 || caps[first] >= 30 {
		t.Errorf("%v after %d steps", caps[first], first)
	}
	if cut, holds := p.reflex.Cut(); !holds || cut.Cause != model.ReflexOldCalls {
		t.Errorf("%v %v", cut, holds)
	}
	last := 0.0
	recovered := p.run(600, normal, allowed)
	for _, bound := range recovered {
		if bound != 0 && bound < last {
			t.Errorf("upwards only: %v after %v", bound, last)
		}
		last = max(last, bound)
	}
	if recovered[599] != 0 {
		t.Error("not armed again")
	}
}

func TestL2_WithoutASidecarALastingOverloadIsHeldDown(t *testing.T) {
	var p plant
	p.run(100, normal, allowed)
	p.run(500, overload, allowed)
	before := p.totals
	p.run(3000, overload, allowed)
	done := p.totals.Completed - before.Completed
	mean := float64(p.totals.SuccessLatencySum-before.SuccessLatencySum) / float64(done) / 1e9
	if done < 22_000 || mean >= 0.2 {
		t.Errorf("%d calls of 24000, %v s each", done, mean)
	}
}

func TestP4_ADependencyThatHangsDoesNotLatchTheLimitDown(t *testing.T) {
	var p plant
	p.run(100, normal, allowed)
	caps := p.run(30_000, hung, allowed)
	if share := shareCut(caps); share >= 0.1 {
		t.Errorf("cut for %v of the time", share)
	}
	longest, length := 0, 0
	for _, bound := range caps {
		if length++; bound == 0 {
			length = 0
		}
		longest = max(longest, length)
	}
	if longest > 201 {
		t.Errorf("%d steps without a proof that it helps", longest)
	}
	if share := shareCut(p.run(300, normal, allowed)[250:]); share != 0 {
		t.Error("not well again")
	}
}

func TestL2_DropsCutTooAndWithoutABaselineBlindly(t *testing.T) {
	for _, test := range []struct {
		latency  time.Duration
		from, to float64
	}{{baseline, 4, 25}, {0, 10, 40}} {
		var p plant
		a := Allowed{Limit: 400, Floor: 4, BaselineLatency: test.latency}
		p.run(100, load{8, 8, baseline, false}, Allowed{Limit: 400, Floor: 4})
		for _, bound := range p.run(20, load{8, 8, baseline, true}, a) {
			if bound != 0 && (bound < test.from || bound >= test.to) {
				t.Errorf("%v with %v", bound, test.latency)
			}
		}
		if cut, holds := p.reflex.Cut(); !holds || cut.Cause != model.ReflexDrops {
			t.Errorf("%v %v", cut, holds)
		}
	}
	var few plant
	for range 1000 {
		few.totals.AtNanos += 10_000_000
		few.totals.Admitted += 101
		few.totals.Completed += 100
		few.totals.Dropped++
		if _, holds := few.reflex.Step(&few.totals, &allowed); holds {
			t.Fatal("1 % of the calls is no overload")
		}
	}
}

func TestL2_APushLiftsTheBoundAndTheReflexStandsBack(t *testing.T) {
	var p plant
	p.run(100, normal, allowed)
	for p.step(overload, allowed) == 0 {
	}
	p.reflex.Pushed(time.Duration(p.totals.AtNanos))
	if share := shareCut(p.run(49, overload, allowed)); share != 0 {
		t.Errorf("%v", share)
	}
}

func TestL2_AProcessThatWasStoppedIsNotTakenForOverloaded(t *testing.T) {
	var p plant
	p.run(100, overload, Allowed{Limit: 400, Floor: 4, BaselineLatency: 0})
	p.totals.AtNanos += 3_000_000_000
	if share := shareCut(p.run(40, overload, allowed)); share != 0 {
		t.Errorf("%v", share)
	}
}

func TestTheLocalBaselineIsLearntInQuietAndNotPoisonedByARamp(t *testing.T) {
	var p plant
	var local LocalBaseline
	run := func(steps int, l load) time.Duration {
		for range steps {
			p.step(l, Allowed{Limit: 400, Floor: 4, BaselineLatency: 0})
			local.Learn(&p.totals)
		}
		return local.Latency()
	}
	if got := run(5, normal); got != 0 {
		t.Errorf("too little: %v", got)
	}
	if quiet := run(500, normal); quiet < 15*time.Millisecond || quiet >= 25*time.Millisecond {
		t.Errorf("%v", quiet)
	}
	for arrivals := 5; arrivals < 12; arrivals++ {
		if ramped := run(300, load{arrivals, 8, baseline, false}); ramped >= 2*baseline {
			t.Errorf("%v at %d", ramped, arrivals)
		}
	}
	if overloaded := run(1000, overload); overloaded >= 2*baseline {
		t.Errorf("%v", overloaded)
	}
}

func TestC1_WhateverIsCountedTheBoundStaysBetweenFloorAndLimit(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 20))
	for range 500 {
		a := Allowed{Limit: dice.Float64() * 500, Floor: dice.Float64() * 20, BaselineLatency: time.Duration(dice.IntN(2)*dice.IntN(2000)) * time.Millisecond}
		var r Reflex
		var totals model.Totals
		for range 300 {
			totals.AtNanos += dice.Uint64N(200) * 1_000_000
			totals.Admitted += dice.Uint64N(50)
			completed := min(dice.Uint64N(50), totals.InFlight())
			totals.Completed += completed
			totals.Dropped += min(dice.Uint64N(50), totals.InFlight())
			totals.Rejected[0] += dice.Uint64N(50)
			totals.AdmitTimeSum += dice.Uint64N(2000) * 1_000_000
			if cut, holds := r.Step(&totals, &a); holds && !(cut.Cap < a.Limit && cut.Cap >= min(max(a.Floor, 1), a.Limit)) {
				t.Fatalf("%+v within %+v", cut, a)
			}
		}
	}
}

func TestL2_AfterAnyTroubleTheLimitIsWholeAgain(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 22))
	for range 100 {
		var p plant
		for range 1 + dice.IntN(20) {
			p.run(1+dice.IntN(100), load{dice.IntN(40), dice.Float64() * 20, time.Duration(dice.IntN(500)) * time.Millisecond, dice.IntN(2) == 0}, allowed)
		}
		if share := shareCut(p.run(1500, normal, allowed)[1000:]); share != 0 {
			t.Fatalf("cut for %v of the time", share)
		}
	}
}

func TestC1_AQueueThatEveryCallSurvivesIsLeftToTheSidecar(t *testing.T) {
	// 400 calls in flight and 800 done per second: each takes 500 ms, and is 250 ms old on average.
	for _, test := range []struct {
		deadline time.Duration
		cut      bool
	}{{0, true}, {time.Second, false}, {300 * time.Millisecond, true}} {
		var p plant
		with := allowed
		with.Deadline = test.deadline
		p.run(100, normal, with)
		first := 0.0
		for _, bound := range p.run(200, overload, with) {
			if first == 0 {
				first = bound
			}
		}
		if (first > 0) != test.cut {
			t.Errorf("deadline %v: %v", test.deadline, first)
		}
		// What is done in 0.35 of it, and the root of a count more.
		if enough := 0.35 * 800 * test.deadline.Seconds(); test.cut && test.deadline > 0 && (first < enough || first > 1.2*enough) {
			t.Errorf("deadline %v: %v where %v are enough", test.deadline, first, enough)
		}
	}
}

func TestC1_WhileASidecarSteersACutOnlyBridgesTheTimeThatItNeeds(t *testing.T) {
	var p plant
	with := allowed
	with.Steered = true
	p.run(100, normal, with)
	bounds := p.run(6000, overload, with)
	longest, now, first := 0, 0, false
	for n, bound := range bounds {
		if now++; bound == 0 {
			now = 0
		}
		longest, first = max(longest, now), first || bound > 0 && n < 100
	}
	if share := shareCut(bounds); !first || longest > 31 || share > 0.05 {
		t.Errorf("cut in the first second: %v, at most %d steps of 10 ms in a row, %v of the time", first, longest, share)
	}
}
