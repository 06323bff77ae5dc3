package bucket

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
)

// rig is a bucket with its clock, an hour after the start.
type rig struct {
	*testing.T
	clock *clock.Clock
	terms *Terms
	spent atomic.Uint64
}

func newRig(t *testing.T, rate, burst float64) *rig {
	hand := clock.ByHand()
	hand.Move(time.Hour)
	return &rig{T: t, clock: hand, terms: Start(rate, burst, hand)}
}

func (r *rig) take(tries int) (taken int) {
	for range tries {
		if _, ok := r.terms.Take(&r.spent, 1); ok {
			taken++
		}
	}
	return taken
}

func (r *rig) push(rate, burst float64) {
	r.terms = r.terms.Followed(rate, burst)
	r.clock.Move(time.Duration(ahead)) // from then on the new rate runs
}

func (r *rig) expect(got, expected int, what string) {
	r.Helper()
	if got != expected {
		r.Errorf("%s: %d, expected %d", what, got, expected)
	}
}

func TestC4_ABurstAndThenTheRate(t *testing.T) {
	r := newRig(t, 100, 0)
	r.expect(r.take(500), 100, "a burst of one second")
	if wait, ok := r.terms.Take(&r.spent, 1); ok || wait != 10*time.Millisecond {
		t.Errorf("%v %v", wait, ok)
	}
	r.clock.Move(time.Second / 2)
	r.expect(r.take(500), 50, "half a second later")
	r = newRig(t, 10, 3)
	r.expect(r.take(9), 3, "a burst of its own")
	for _, rate := range []float64{0, -1, math.NaN()} {
		r := newRig(t, rate, 0)
		if wait, ok := r.terms.Take(&r.spent, 1); ok || wait != NotSoon {
			t.Errorf("%v lets through: %v", rate, wait)
		}
	}
}

func TestC5_AHeavyCallTakesSeveralOrAFullBucket(t *testing.T) {
	r := newRig(t, 100, 10)
	if _, ok := r.terms.Take(&r.spent, 4); !ok {
		t.Error("there are ten")
	}
	if wait, ok := r.terms.Take(&r.spent, 8); ok || wait != 20*time.Millisecond {
		t.Errorf("all or none: %v %v", wait, ok)
	}
	r.expect(r.take(10), 6, "what is left")
	r.clock.Move(100 * time.Millisecond)
	if _, ok := r.terms.Take(&r.spent, 1000); !ok {
		t.Error("heavier than the burst: passes with a full bucket")
	}
	r.expect(r.take(1), 0, "and empties it")
}

func TestC4_ASwapGivesNothingAwayAndTakesOnlyWhatDoesNotFit(t *testing.T) {
	r := newRig(t, 100, 0)
	r.take(60)
	for _, rate := range []float64{1000, 500, 100} {
		r.terms = r.terms.Followed(rate, 0)
	}
	r.clock.Move(time.Millisecond) // a bucket is right to a 256th of a call
	r.expect(r.take(500), 40, "what was left")
	r = newRig(t, 1, 1)
	r.take(1)
	taken := 0
	for range 100 {
		r.clock.Move(100 * time.Millisecond)
		r.terms = r.terms.Followed(1, 1)
		taken += r.take(1)
	}
	if taken < 9 || taken > 10 {
		t.Errorf("%d in ten seconds of a slow rate that is pushed often", taken)
	}
	r = newRig(t, 100, 0)
	r.push(100, 10)
	r.push(100, 1000)
	r.expect(r.take(500), 10, "a larger burst does not give back what ran over")
	r = newRig(t, 100, 0)
	r.push(0, 0)
	r.push(100, 0)
	r.expect(r.take(500), 0, "a rate of zero takes all of it")
}

// TestC4_NoSequenceOfSwapsLetsMoreThrough: 10,000 runs.
func TestC4_NoSequenceOfSwapsLetsMoreThrough(t *testing.T) {
	for run := range uint64(10_000) {
		dice := rand.New(rand.NewPCG(20, run))
		rate := math.Exp(dice.Float64() * 8)
		r := newRig(t, rate, 1+dice.Float64()*20)
		level, integral, taken := float64(r.terms.burst), 0.0, 0
		for range 20 {
			step := time.Duration(dice.Int64N(int64(100 * time.Millisecond)))
			r.clock.Move(step)
			integral += rate * step.Seconds()
			taken += r.take(dice.IntN(50))
			if dice.IntN(3) == 0 {
				next := math.Exp(dice.Float64() * 8)
				r.push(next, 1+dice.Float64()*20)
				// The old rate runs until then.
				integral += rate * time.Duration(ahead).Seconds()
				rate = next
			}
		}
		if float64(taken) > level+integral+1 {
			t.Fatalf("run %d: %d of at most %v", run, taken, level+integral)
		}
	}
}

func TestExtremesDoNotOverflow(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 20))
	for range 20_000 {
		hand := clock.ByHand()
		hand.Move(time.Duration(dice.Int64N(1 << 57)))
		terms := Start(math.Exp(dice.Float64()*100-50), math.Exp(dice.Float64()*100-50), hand)
		var spent atomic.Uint64
		for range 5 {
			before := spent.Load()
			wait, ok := terms.Take(&spent, dice.Uint32())
			if wait < 0 || wait > NotSoon || ok != (wait == 0) || spent.Load() < before {
				t.Fatalf("%v %v %d", wait, ok, spent.Load())
			}
			hand.Move(time.Duration(dice.Int64N(1 << 50)))
			terms = terms.Followed(math.Exp(dice.Float64()*100-50), math.Exp(dice.Float64()*100-50))
		}
	}
}

func TestC4_ManyGoroutinesTakeNoMoreThanThereIs(t *testing.T) {
	r := newRig(t, 1000, 0)
	table := NewTable(100)
	var taken, ofKey atomic.Int64
	var workers sync.WaitGroup
	r.terms.TakeKey(table, 7<<24|5, 1) // two that see a new key at once may each give it a bucket
	for range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for range 1000 {
				if _, ok := r.terms.Take(&r.spent, 1); ok {
					taken.Add(1)
				}
				if _, ok := r.terms.TakeKey(table, 7<<24|5, 1); ok {
					ofKey.Add(1)
				}
			}
		}()
	}
	workers.Wait()
	if taken.Load() != 1000 || ofKey.Load() != 999 {
		t.Errorf("%d %d", taken.Load(), ofKey.Load())
	}
}

func (r *rig) takeKey(table *Table, hash uint64, tries int) (taken int) {
	for range tries {
		if _, ok := r.terms.TakeKey(table, hash, 1); ok {
			taken++
		}
	}
	return taken
}

func TestC4_KeysHaveBucketsOfTheirOwn(t *testing.T) {
	r := newRig(t, 10, 5)
	table := NewTable(1000)
	for hash := range uint64(500) {
		r.expect(r.takeKey(table, hash<<24|(hash+1), 9), 5, "a key that was not seen before has a full bucket")
	}
	r.clock.Move(101 * time.Millisecond) // a bucket is right to a 256th of a call
	r.expect(r.takeKey(table, 7<<24|8, 9), 1, "a tenth of a second later")
	r.push(1000, 5)
	r.clock.Move(2 * time.Millisecond)
	r.expect(r.takeKey(table, 7<<24|8, 9), 2, "a push is for all keys")
	r.push(0, 0)
	r.expect(r.takeKey(table, 1<<60, 1), 0, "and so is a rate of zero")
}

func TestC4_MadeUpKeysDoNotMakeItForgetOneThatIsHeldBack(t *testing.T) {
	r := newRig(t, 1, 20)
	table := NewTable(1)
	held := uint64(0xabcdef)
	r.expect(r.takeKey(table, held, 100), 20, "its burst")
	dice := rand.New(rand.NewPCG(20, 20))
	for range 10_000 {
		r.expect(r.takeKey(table, dice.Uint64(), 1), 1, "a made-up key")
		if r.takeKey(table, held, 1) != 0 {
			t.Fatal("forgotten")
		}
	}
	if table.Forgotten() == 0 {
		t.Error("made-up keys push out each other")
	}
	if n := len(NewTable(1 << 40).sets); n != mostSets {
		t.Errorf("%d sets", n)
	}
}
