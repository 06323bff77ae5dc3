package places

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

var equal = model.Shares{1, 1, 1, 1, 1}

// busy places with a limit, on which most calls are quick.
func busy(t *testing.T, limit float64) (*Places, *clock.Clock) {
	t.Helper()
	hand := clock.ByHand()
	hand.Move(time.Hour)
	places := New(hand, 0, 0)
	places.Set(limit, equal)
	for range 5 {
		places.CloseSlice()
		for range 20_000 {
			hand.Move(slice / 20_000)
			ticket, ok := places.TryEnter(2, 1)
			if !ok {
				t.Fatal("rejected")
			}
			places.Leave(ticket, model.OutcomeSuccess)
		}
	}
	return places, hand
}

func TestMostCallsAreQuickWhereThereIsRoom(t *testing.T) {
	onOneProcessor(t)
	places, hand := busy(t, 1000)
	quicks := 0
	for range 20_000 {
		hand.Move(slice / 20_000)
		ticket, _ := places.TryEnter(2, 1)
		if ticket.kind() == quick {
			quicks++
		}
		places.Leave(ticket, model.OutcomeSuccess)
	}
	if quicks < 19_000 {
		t.Errorf("%d of 20,000", quicks)
	}
	if got := places.InFlight(); got != 0 || places.taken.Load() == 0 {
		t.Errorf("%d in flight, %d taken", got, places.taken.Load())
	}
	for range 2 {
		places.CloseSlice()
	}
	if got := places.taken.Load(); got != 0 {
		t.Errorf("a shard without work gives its spare places back: %d", got)
	}
}

func TestFewSparePlacesDoNotStayFew(t *testing.T) {
	onOneProcessor(t)
	places, hand := busy(t, 1000)
	ticket, _ := places.TryEnter(2, 1)
	for range 2 {
		places.CloseSlice() // without work, the spare places are given back: but for those of calls in flight
	}
	places.Leave(ticket, model.OutcomeSuccess)
	slow := 0
	for range 2000 {
		hand.Move(slice / 20_000)
		before := places.shards[0].turn.Load()
		ticket, _ := places.TryEnter(2, 1)
		places.Leave(ticket, model.OutcomeSuccess)
		if places.shards[0].turn.Load() != before {
			slow++
		}
	}
	if slow > 400 {
		t.Errorf("%d of 2000 calls claimed their shard", slow)
	}
}

func TestC1_NobodyIsRejectedOnAccountOfSparePlaces(t *testing.T) {
	onOneProcessor(t)
	places, _ := busy(t, 100)
	// What other processors hold in spare.
	idle := &places.shards[1]
	idle.claim()
	if !places.take(idle, 1, 100, true) {
		t.Fatal("no room")
	}
	idle.spare++
	idle.unclaim()
	var all []Ticket
	for range 100 {
		ticket, ok := places.TryEnter(2, 1)
		if !ok {
			t.Fatalf("rejected with %d in flight", len(all))
		}
		all = append(all, ticket)
	}
	if _, ok := places.TryEnter(2, 1); ok || places.InFlight() != 100 {
		t.Errorf("%d in flight", places.InFlight())
	}
	if !places.TakeLimited() || places.TakePeak() != 100 {
		t.Error("the limit was reached")
	}
	for i, ticket := range all {
		places.Leave(ticket, model.Outcome(i%4))
	}
	totals := model.Totals{}
	places.Count(&totals)
	if places.InFlight() != 0 || totals.InFlight() != 0 || places.taken.Load() != 0 {
		t.Errorf("%d in flight, %d counted, %d taken", places.InFlight(), totals.InFlight(), places.taken.Load())
	}
}

func TestALowerLimitAndAWaiterCollectWhatIsInSpare(t *testing.T) {
	onOneProcessor(t)
	for name, what := range map[string]func(*Places){
		"a limit below what is taken": func(p *Places) { p.Set(20, equal) },
		"somebody waits":              (*Places).BeginWait,
	} {
		places, _ := busy(t, 1000)
		ticket, _ := places.TryEnter(2, 1)
		for ticket.kind() != quick {
			ticket, _ = places.TryEnter(2, 1)
		}
		before := places.InFlight()
		what(places)
		if places.sparing.Load() || places.taken.Load() != before {
			t.Errorf("%s: %d taken, %d in flight", name, places.taken.Load(), before)
		}
		awaited := places.Leave(ticket, model.OutcomeSuccess)
		if places.taken.Load() != before-1 || awaited != places.Awaited() {
			t.Errorf("%s: %d taken after one has left", name, places.taken.Load())
		}
	}
}

// TestC1_ManyGoroutinesNeverExceedTheLimitAndLoseNoPlace with limits that come and go, callers that wait, and slices that end.
func TestC1_ManyGoroutinesNeverExceedTheLimitAndLoseNoPlace(t *testing.T) {
	before := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(before)
	hand := clock.ByHand()
	places := New(hand, 0, 0)
	places.Set(300, equal)
	var inside, wrong, came atomic.Int64
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			dice := rand.New(rand.NewPCG(20, uint64(worker)))
			var held []Ticket
			for running := true; running || len(held) > 0; {
				select {
				case <-stop:
					running = false
				default:
				}
				if running && dice.IntN(3) > 0 {
					weight := uint64(1)
					if dice.IntN(20) == 0 {
						weight = 3
					}
					if ticket, ok := places.TryEnter(dice.IntN(5), weight); ok {
						// The highest limit there ever is.
						if inside.Add(int64(ticket.Places())) > 300 {
							wrong.Add(1)
						}
						held = append(held, ticket)
						came.Add(1)
					}
				} else if n := len(held); n > 0 {
					ticket := held[n-1]
					held = held[:n-1]
					inside.Add(-int64(ticket.Places()))
					outcome := model.OutcomeSuccess
					if dice.IntN(10) == 0 {
						outcome = model.Outcome(dice.IntN(4))
					}
					places.Leave(ticket, outcome)
				}
			}
		}()
	}
	for n := range 40 {
		for came.Load() < int64(200*n) {
			time.Sleep(100 * time.Microsecond) // until there is something to see
		}
		hand.Move(slice)
		places.CloseSlice()
		switch n % 10 {
		case 3:
			places.BeginWait()
		case 5:
			places.EndWait()
		case 7:
			places.Set(40, equal)
		case 9:
			places.Set(300, equal)
		}
		if n%10 == 0 {
			totals := model.Totals{}
			places.Count(&totals)
			if totals.InFlight() > 100_000 {
				t.Fatalf("%+v", totals)
			}
		}
	}
	close(stop)
	workers.Wait()
	for range 3 {
		places.CloseSlice()
	}
	totals := model.Totals{AtNanos: hand.Nanos()}
	places.Count(&totals)
	if wrong.Load() != 0 || places.taken.Load() != 0 || totals.InFlight() != 0 || totals.Admitted < 1000 {
		t.Errorf("%d times too many, %d places lost, %d in flight, %d admitted", wrong.Load(), places.taken.Load(), totals.InFlight(), totals.Admitted)
	}
	if off := totals.AdmitTimeSum - (totals.ReleaseTimeSum - totals.LatencySum); off != 0 {
		t.Errorf("with nobody in flight the sums of times meet: off by %d", off)
	}
}

func TestTimesGetTheirHighestBitsBack(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 20))
	for range 10_000 {
		now := dice.Uint64N(1 << 62)
		count, sum, low := 1+dice.Uint64N(300), uint64(0), uint64(0)
		for range count {
			// A minute in the past, or a little ahead.
			at := (now/1000 - min(dice.Uint64N(60_000_000), now/1000) + dice.Uint64N(1000))
			sum += at * 1000
			low += at << quotaBits
		}
		if got := sumOf(low>>quotaBits, count, now); got != sum {
			t.Fatalf("%d times around %d: %d, not %d", count, now, got, sum)
		}
	}
}
