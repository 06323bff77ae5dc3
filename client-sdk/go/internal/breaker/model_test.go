package breaker

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// known is what the test itself knows of a generation.
type known struct{ letOut, givenBack int }

// history is what has happened to a machine.
type history struct {
	*rig
	dice *rand.Rand
	out  []Pass
	of   map[uint64]known
	// The budget that was pushed.
	most, total int
	// A probe that was given up before the clock jumped back stays given up.
	latest uint64
}

func generationOf(pass Pass) uint64 { return unpackWord(uint64(pass)).generation }

// TestItIsNeverStuckAndNeverLetsACrowdThrough: whatever happens in whatever order. 10,000 runs of up to 60 steps.
func TestItIsNeverStuckAndNeverLetsACrowdThrough(t *testing.T) {
	for run := range uint64(10_000) {
		h := &history{rig: newRig(t), dice: rand.New(rand.NewPCG(20, run)), of: make(map[uint64]known), most: mostProbes, total: mostInRound}
		rules := DefaultRules()
		rules.Failures = 1 + h.dice.Uint32N(7)
		h.Arm(rules)
		for range h.dice.IntN(60) {
			h.step()
		}
		h.mustRecover()
		if t.Failed() {
			t.Fatalf("in run %d", run)
		}
	}
}

func (h *history) step() {
	h.latest = max(h.latest, h.nowMs())
	switch draw := h.dice.IntN(27); {
	case draw < 3:
		h.clock.Move(time.Duration(h.dice.Int64N(int64(5 * time.Second))))
	case draw < 4:
		back := time.Duration(h.dice.Int64N(int64(20 * time.Second)))
		h.clock.Move(-min(back, h.clock.Now()-time.Second))
	case draw < 14:
		h.ask()
	case draw < 22:
		h.end(model.Outcome(h.dice.IntN(4)))
	case draw < 23:
		if pass, ok := h.anyOut(); ok {
			of := h.of[generationOf(pass)]
			of.givenBack++
			h.of[generationOf(pass)] = of
			h.GiveBack(pass)
		}
	case draw < 26:
		h.Tick()
	default:
		pushes := []model.Breaker{
			local, local, pushedClosed, halfOpen(1, 2, 5), halfOpen(2, 1, 3), open, forcedOpen, recovering(2 * time.Second), disabled, shadow(false),
		}
		push := pushes[h.dice.IntN(len(pushes))]
		if push.State == model.BreakerHalfOpen {
			h.most, h.total = int(push.ProbeMax), int(push.ProbeTotal)
		}
		h.Push(push)
	}
}

func (h *history) anyOut() (Pass, bool) {
	if len(h.out) == 0 {
		return 0, false
	}
	i := h.dice.IntN(len(h.out))
	pass := h.out[i]
	h.out = append(h.out[:i], h.out[i+1:]...)
	return pass, true
}

func (h *history) ask() {
	pass, _, ok := h.Admit()
	if !ok {
		return
	}
	of := h.of[generationOf(pass)]
	of.letOut++
	h.of[generationOf(pass)] = of
	h.out = append(h.out, pass)
	most, total := budgetConcurrent, budgetTotal
	switch h.State() {
	case HalfOpen:
	case PushedHalfOpen:
		most, total = h.most, h.total
	default:
		return
	}
	if of.letOut-of.givenBack > total {
		h.Errorf("%+v let out of %d", of, total)
	}
	atOnce := 0
	for _, it := range h.out {
		if probe, is := it.probe(); is && generationOf(it) == generationOf(pass) && !probe.expired(h.latest) {
			atOnce++
		}
	}
	if atOnce > most {
		h.Errorf("%d at once, at most %d", atOnce, most)
	}
}

func (h *history) end(outcome model.Outcome) {
	pass, ok := h.anyOut()
	if !ok {
		return
	}
	before := h.load()
	h.Settle(pass, outcome)
	if after := h.load(); generationOf(pass) != before.generation && after != before {
		h.Errorf("a straggler moved %+v to %+v", before, after)
	}
}

// mustRecover: the sidecar is gone, the calls that are out never come back, and the callee is well.
func (h *history) mustRecover() {
	h.Push(local)
	// A wait that a clock which jumped back has made longer, a round, a ramp.
	for asked := 0; h.State() != Closed && asked < 400; asked++ {
		h.clock.Move(500 * time.Millisecond)
		h.Tick()
		if pass, _, ok := h.Admit(); ok {
			h.Settle(pass, success)
		}
	}
	h.expect(Closed, "after 200 s")
}
