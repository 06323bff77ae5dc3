package main

import (
	"testing"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

func TestABarShowsMemoryAndKills(t *testing.T) {
	for _, test := range []struct {
		point    rig.Point
		expected string
	}{
		{rig.Point{Used: 256, Limit: 512}, "[############............] 256 MiB"},
		{rig.Point{Used: 600, Limit: 512, Kills: 2}, "[########################] 600 MiB, killed: 2"},
		{rig.Point{}, "[........................]   0 MiB"},
	} {
		if got := bar(test.point); got != test.expected {
			t.Errorf("%q", got)
		}
	}
}

func TestTheActKnowsItsWorkloadAndSides(t *testing.T) {
	w, known := plan.Find("w5")
	if !known || (w.Warm+w.Lasts).Seconds() > 25 {
		t.Error("the act is over in half a minute")
	}
	for _, side := range sides {
		if _, known := plan.FindPolicy(side); !known {
			t.Error(side)
		}
	}
}

func TestALineIsDrawnOnceBothSidesAreThere(t *testing.T) {
	w, _ := plan.Find("w5")
	s := newScreen(&w)
	s.seen("setpoint", rig.Point{Seconds: 1.2})
	if s.drawn != -1 {
		t.Error("one side is no comparison")
	}
	s.seen("static100", rig.Point{Seconds: 1.3})
	s.seen("static100", rig.Point{Seconds: 2.1})
	if s.drawn != 1 {
		t.Errorf("drawn up to %d", s.drawn)
	}
}
