package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const ms = uint64(time.Millisecond)

func TestC7_AStandingQueueIsOneWhoseHeadHasAlwaysWaited(t *testing.T) {
	same := func(millis uint64, times int) (heads []uint64) {
		for range times {
			heads = append(heads, millis)
		}
		return heads
	}
	var burst []uint64
	for n := range uint64(30) {
		burst = append(burst, n%8*10)
	}
	for _, test := range []struct {
		heads    []uint64
		expected bool
		why      string
	}{
		{same(0, 30), false, "empty"},
		{same(4, 30), false, "within the target"},
		{same(6, 30), true, "always above it"},
		{burst, false, "it drains now and then"},
		{same(50, 9), false, "not for an interval yet"},
		{append(same(50, 30), same(1, 12)...), false, "over"},
	} {
		var c codel
		c.observe(ms, 0)
		for n, head := range test.heads {
			c.observe(ms+uint64(n+1)*10*ms, head*ms)
		}
		if c.overloaded != test.expected || c.tooLong(11*ms) != test.expected || c.tooLong(10*ms) {
			t.Errorf("%s: %v", test.why, c.overloaded)
		}
	}
}

// gate is a door with so many places; its passes are places.
type gate struct {
	now     atomic.Uint64
	mu      sync.Mutex
	free    int
	waiting int
	refuses error
}

func (g *gate) Now() uint64 { return g.now.Load() }

func (g *gate) TryEnter(_ int, places uint32) (int, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refuses != nil {
		return 0, false, g.refuses
	}
	if g.free < int(places) {
		return 0, false, nil
	}
	g.free -= int(places)
	return int(places), true, nil
}

func (g *gate) BeginWait() { g.wait(1) }
func (g *gate) EndWait()   { g.wait(-1) }

func (g *gate) wait(by int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting += by
}

func (g *gate) leave(places int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free += places
}

type rig struct {
	*testing.T
	*gate
	*Queue[int]
}

func newRig(t *testing.T, room int) *rig {
	g := new(gate)
	g.now.Store(ms)
	r := &rig{t, g, New[int](g, room)}
	r.Attend()
	return r
}

func (r *rig) enter(class int, patience time.Duration) *Waiter[int] {
	r.Helper()
	w, why := r.Enter(class, 1, patience)
	if why != None {
		r.Fatalf("sent away: %v", why)
	}
	return w
}

// said is what a waiter was told: "" for nothing yet.
func (r *rig) said(w *Waiter[int]) string {
	select {
	case <-w.Ready:
		answer := r.Take(w)
		return map[Why]string{None: "in", Full: "full", Late: "late", Refused: "refused"}[answer.Why]
	default:
		return ""
	}
}

func (r *rig) expect(w *Waiter[int], said, when string) {
	r.Helper()
	if got := r.said(w); got != said {
		r.Errorf("%s: %q, expected %q", when, got, said)
	}
}

func TestC8_WhoIsMoreImportantComesFirstAndWithinThatTheOldest(t *testing.T) {
	r := newRig(t, 10)
	low, first, second, high := r.enter(3, -1), r.enter(2, -1), r.enter(2, -1), r.enter(0, -1)
	for i, w := range []*Waiter[int]{high, first, second, low} {
		r.leave(1)
		r.Poke()
		r.expect(w, "in", fmt.Sprint(i))
	}
	if seen := r.Seen(); seen.Waits != 4 || seen.Waiting != 0 || r.waiting != 0 {
		t.Errorf("%+v %d", seen, r.waiting)
	}
}

func TestC7_AStandingQueueServesTheNewestAndSendsTheOldAway(t *testing.T) {
	r := newRig(t, 1000)
	var all []*Waiter[int]
	for range 30 {
		all = append(all, r.enter(2, -1))
		r.now.Add(10 * ms)
		r.Attend()
	}
	newest := r.enter(2, -1)
	r.leave(1)
	r.Poke()
	r.expect(newest, "in", "the newest comes first")
	late := 0
	for _, w := range all {
		if r.said(w) == "late" {
			late++
		}
	}
	if late < 27 {
		t.Errorf("%d of 30 sent away", late)
	}
}

func TestC7_WhoeverCouldNotMeetItsDeadlineIsSentAway(t *testing.T) {
	r := newRig(t, 10)
	if _, why := r.Enter(2, 1, 0); why != Late {
		t.Errorf("no time at all: %v", why)
	}
	short, long := r.enter(2, 3*time.Millisecond), r.enter(2, 50*time.Millisecond)
	r.now.Add(3 * ms)
	r.leave(1)
	r.Poke()
	r.expect(short, "late", "a place that comes too late")
	r.expect(long, "in", "goes to the next one")
}

func TestAFullQueueMakesRoomForTheMoreImportant(t *testing.T) {
	r := newRig(t, 2)
	first, second := r.enter(3, -1), r.enter(3, -1)
	if _, why := r.Enter(3, 1, -1); why != Full {
		t.Errorf("%v", why)
	}
	high := r.enter(1, -1)
	r.expect(second, "full", "whoever would come last")
	r.expect(first, "", "waits on")
	r.leave(1)
	r.Poke()
	r.expect(high, "in", "the more important")
	if r.waiting != 1 {
		t.Errorf("%d", r.waiting)
	}
	r.Abandon(first)
}

func TestWithoutASessionNobodyWaits(t *testing.T) {
	g := new(gate)
	g.now.Store(ms)
	q := New[int](g, 10)
	if _, why := q.Enter(2, 1, -1); why != Late {
		t.Errorf("never attended: %v", why)
	}
	r := newRig(t, 10)
	w := r.enter(2, -1)
	r.Close()
	r.expect(w, "late", "closed")
	if _, why := r.Enter(2, 1, -1); why != Late {
		t.Errorf("closed: %v", why)
	}
	r.Attend()
	r.now.Add(1001 * ms)
	if _, why := r.Enter(2, 1, -1); why != Late || r.waiting != 0 {
		t.Errorf("not looked at for a second: %v", why)
	}
}

func TestWhoGivesUpGivesItsPlaceOn(t *testing.T) {
	r := newRig(t, 10)
	first, second := r.enter(2, -1), r.enter(2, -1)
	r.leave(1)
	r.Poke()
	answer, answered := r.Abandon(first)
	if !answered || answer.Pass != 1 {
		t.Errorf("%+v", answer)
	}
	r.leave(answer.Pass)
	r.Poke()
	r.expect(second, "in", "the next one")
	third := r.enter(2, -1)
	if _, answered := r.Abandon(third); answered || r.waiting != 0 {
		t.Error("it had no answer")
	}
	r.refuses = errors.New("the breaker is open")
	if w := r.enter(2, -1); r.said(w) != "refused" {
		t.Error("a door that is shut")
	}
}

func TestNobodyIsForgottenAndNoPlaceIsLost(t *testing.T) {
	r := newRig(t, 100)
	r.leave(3)
	stop, attendant := make(chan struct{}), sync.WaitGroup{}
	attendant.Add(1)
	go func() {
		defer attendant.Done()
		for {
			select {
			case <-stop:
				return
			default:
				r.now.Add(ms / 100)
				r.Attend()
			}
		}
	}()
	var callers sync.WaitGroup
	var in atomic.Int64
	for caller := range 8 {
		callers.Add(1)
		go func() {
			defer callers.Done()
			dice := rand.New(rand.NewPCG(20, uint64(caller)))
			for range 500 {
				w, why := r.Enter(dice.IntN(5), 1+dice.Uint32N(3), -1)
				if why != None {
					continue
				}
				var answer Answer[int]
				if dice.IntN(10) == 0 {
					answer, _ = r.Abandon(w)
				} else {
					<-w.Ready
					answer = r.Take(w)
				}
				if answer.Pass > 0 {
					in.Add(1)
					r.leave(answer.Pass)
					r.Poke()
				}
			}
		}()
	}
	callers.Wait()
	close(stop)
	attendant.Wait()
	if r.free != 3 || r.waiting != 0 || r.Seen().Waiting != 0 || in.Load() == 0 {
		t.Errorf("%d free, %d wait, %d came in", r.free, r.waiting, in.Load())
	}
}
