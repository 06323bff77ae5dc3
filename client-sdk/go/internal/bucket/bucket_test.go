package bucket

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func take(b *Bucket, now time.Duration, tries int) (taken int) {
	for range tries {
		if _, ok := b.Take(now); ok {
			taken++
		}
	}
	return taken
}

func TestC4_ABurstAndThenTheRate(t *testing.T) {
	b := Holding(math.Inf(1), 100, 0, time.Hour)
	if got := take(b, time.Hour, 500); got != 100 {
		t.Errorf("a burst of one second: %d", got)
	}
	if wait, ok := b.Take(time.Hour); ok || wait != 10*time.Millisecond {
		t.Errorf("%v %v", wait, ok)
	}
	if got := take(b, time.Hour+time.Second/2, 500); got != 50 {
		t.Errorf("half a second later: %d", got)
	}
	if got := take(Holding(math.Inf(1), 10, 3, 0), 0, 9); got != 3 {
		t.Errorf("a burst of its own: %d", got)
	}
	if Holding(5, 0, 0, 0) != nil || Holding(5, -1, 0, 0) != nil || Holding(5, math.NaN(), 0, 0) != nil {
		t.Error("a rate of zero lets nothing through")
	}
}

func TestC4_ASwapGivesNothingAwayAndTakesOnlyWhatDoesNotFit(t *testing.T) {
	now := time.Minute
	b := Holding(math.Inf(1), 100, 0, now)
	take(b, now, 60)
	for _, rate := range []float64{1000, 500, 100} {
		b = Holding(b.Tokens(now), rate, 0, now)
	}
	if got := take(b, now, 500); got != 40 {
		t.Errorf("%d of the 40 that were left", got)
	}
	// A slow rate that is pushed ten times a second still comes to a whole call.
	b = Holding(0, 1, 1, now)
	taken := 0
	for range 100 {
		now += 100 * time.Millisecond
		b = Holding(b.Tokens(now), 1, 1, now)
		taken += take(b, now, 1)
	}
	if taken < 9 || taken > 10 {
		t.Errorf("%d in ten seconds", taken)
	}
}

func TestExtremesDoNotOverflow(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 20))
	for range 100_000 {
		rate, burst := math.Exp(dice.Float64()*100-50), math.Exp(dice.Float64()*100-50)
		now := time.Duration(dice.Int64N(1 << 60))
		b := Holding(dice.Float64()*1e9, rate, burst, now)
		wait, ok := b.Take(now)
		if tokens := b.Tokens(now); wait < 0 || ok != (wait == 0) || tokens > float64(b.burst) || math.IsNaN(tokens) {
			t.Fatalf("%v a second, burst %v: %v %v %v", rate, burst, wait, ok, tokens)
		}
	}
}

func TestC4_ManyGoroutinesTakeNoMoreThanThereIs(t *testing.T) {
	b := Holding(math.Inf(1), 1000, 0, 0)
	var taken atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			taken.Add(int64(take(b, 0, 1000)))
		}()
	}
	workers.Wait()
	if taken.Load() != 1000 {
		t.Errorf("%d", taken.Load())
	}
}
