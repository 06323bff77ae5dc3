package breaker

import (
	"math/rand/v2"
	"testing"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

func TestEverythingThatIsPackedComesBack(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 20))
	for range 10_000 {
		w := word{State(dice.IntN(stateCount)), dice.Uint64N(generations), 1 + dice.Uint64N(latestMs)}
		p := probe{w.generation, w.untilMs, dice.IntN(mostProbes)}
		if unpackWord(w.pack()) != w || unpackProbe(p.pack()) != p {
			t.Fatalf("%+v %+v", w, p)
		}
		if w.pack()&generationMask != p.pack()&generationMask || passesAll(w.pack()) != (w.state <= Shadow) {
			t.Fatalf("%+v", w)
		}
	}
	if w := unpackWord(word{Open, 5, 1 << 63}.pack()); w != (word{Open, 5, latestMs}) {
		t.Errorf("a time beyond the word stays in its bits: %+v", w)
	}
	p := probe{generation: generations - 1, deadlineMs: 1}
	if !p.isBefore(0) || p.isBefore(generations-1) || (probe{}).isBefore(generations-1) {
		t.Error("generations are ordered across the wrap")
	}
}

func TestASlotOfALaterGenerationIsNeverTaken(t *testing.T) {
	var p probes
	for i, test := range []struct {
		generation uint64
		expected   wished
	}{{7, got}, {5, moved}, {7, everyoneOut}, {8, got}} {
		if wish, _ := p.take(test.generation, 1, 1); wish != test.expected {
			t.Errorf("%d: %v", i, wish)
		}
	}
}

func TestCountsBelongToAGeneration(t *testing.T) {
	m := New(clock.ByHand(), 3)
	at := func(generation uint64) { m.word.Store(word{Closed, generation, 0}.pack()) }
	at(1)
	m.tally.fail(m, 1)
	if row, ok := m.tally.fail(m, 1); row != 2 || !ok {
		t.Errorf("%d %v", row, ok)
	}
	if _, ok := m.tally.fail(m, 9); ok {
		t.Error("of a generation that is not there")
	}
	at(2)
	if row, ok := m.tally.fail(m, 2); row != 1 || !ok {
		t.Errorf("a new one begins at zero: %d", row)
	}
	m.tally.clear(1)
	if m.tally.row(2) != 1 || m.tally.row(1) != 0 {
		t.Error("the old one is over")
	}
	at(7)
	for i, expected := range []bool{true, true, true, false} {
		if granted, moved := m.tally.letOut(m, 7, 3); granted != expected || moved {
			t.Errorf("%d: %v", i, granted)
		}
	}
	m.tally.ended(m, 7, givenBack)
	if granted, _ := m.tally.letOut(m, 7, 3); !granted {
		t.Error("one was given back")
	}
	for _, how := range []ended{well, badly, ignored} {
		m.tally.ended(m, 7, how)
	}
	if probed := m.tally.probed(7); probed != (model.Probed{LetOut: 3, Succeeded: 1, Failed: 1, Ignored: 1}) {
		t.Errorf("%+v", probed)
	}
}

func TestARoundIsDecidedByWhatCameBack(t *testing.T) {
	for _, test := range []struct {
		what                               string
		letOut, succeeded, failed, ignored uint32
		early, late                        verdict
	}{
		{"nobody called", 0, 0, 0, 0, undecided, undecided},
		{"still out", 2, 0, 0, 0, undecided, undecided},
		{"eight of ten", 8, 8, 0, 0, recovered, recovered},
		{"eight of ten, two bad", 10, 8, 2, 0, recovered, recovered},
		{"eight cannot be reached", 3, 0, 3, 0, failed, failed},
		{"few but good", 3, 3, 0, 0, undecided, recovered},
		{"one good, one bad", 2, 1, 1, 0, undecided, failed},
		{"four good, one bad", 5, 4, 1, 0, undecided, recovered},
		{"one bad", 1, 0, 1, 0, undecided, failed},
		{"all say nothing", 10, 0, 0, 10, recovered, recovered},
		{"some say nothing", 4, 0, 0, 3, undecided, recovered},
		{"all back, seven good", 10, 7, 0, 3, recovered, recovered},
		{"all back, two bad", 10, 7, 2, 1, failed, failed},
		{"nine back, one out", 10, 7, 0, 2, undecided, recovered},
	} {
		probes := model.Probed{LetOut: test.letOut, Succeeded: test.succeeded, Failed: test.failed, Ignored: test.ignored}
		if early, late := judge(probes, false), judge(probes, true); early != test.early || late != test.late {
			t.Errorf("%s: %v %v", test.what, early, late)
		}
	}
}
