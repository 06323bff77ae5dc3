package rig

import "testing"

// trace of four points a second, the setting of each as it is after that many seconds.
func trace(seconds float64, at func(float64) (percent int64, memoryLimit float64)) []Point {
	var points []Point
	for t := 0.0; t < seconds; t += 0.25 {
		percent, limit := at(t)
		points = append(points, Point{Seconds: t, Limit: 512, Percent: percent, MemoryLimit: limit})
	}
	return points
}

func TestW11_TheSettingIsSafeFromWhenItStaysSo(t *testing.T) {
	settings := func(from float64, percent int64, limit float64) func(float64) (int64, float64) {
		return func(t float64) (int64, float64) {
			if t < from {
				return 300, 480
			}
			return percent, limit
		}
	}
	// steps from one limit to the next at 12 and 14 s.
	steps := func(limits ...float64) func(float64) (int64, float64) {
		return func(t float64) (int64, float64) { return 100, limits[min(max(int(t-10)/2, 0), 2)] }
	}
	for name, test := range map[string]struct {
		at       func(float64) (int64, float64)
		expected float64
	}{
		"after a lease":        {settings(15, 100, 440), 5},
		"never":                {settings(99, 100, 440), -1},
		"too large a limit":    {settings(15, 100, 470), -1},
		"no limit":             {settings(15, 100, 0), -1},
		"another percentage":   {settings(15, 200, 440), -1},
		"looser in between":    {steps(480, 500, 440), -1},
		"only now and then":    {steps(440, 480, 440), -1},
		"stricter than before": {steps(480, 470, 440), 4},
		"as safe as it can be": {settings(0, 100, 440), 0},
	} {
		if got := safeAfter(trace(20, test.at), 10); got != test.expected {
			t.Errorf("%s: %v, expected %v", name, got, test.expected)
		}
	}
	if safeAfter(nil, 10) != -1 || safeAfter(trace(5, settings(0, 100, 440)), 10) != -1 {
		t.Error("nothing was seen after the fault")
	}
}

func TestW11_NothingIsTouchedOnlyIfItNeverWas(t *testing.T) {
	plain := func(float64) (int64, float64) { return 100, 0 }
	once := func(t float64) (int64, float64) { return 100, map[bool]float64{true: 440, false: 0}[t == 3] }
	if !untouched(trace(5, plain)) || untouched(trace(5, once)) || untouched(nil) {
		t.Error("a limit, or nothing seen, is told as untouched")
	}
}

func TestW11_AClockThatJumpsMovesNothing(t *testing.T) {
	after := func(percent int64, limit float64) []Point {
		return trace(20, func(t float64) (int64, float64) {
			if t < 12 {
				return 300, 480
			}
			return percent, limit
		})
	}
	for name, test := range map[string]struct {
		points   []Point
		expected bool
	}{
		"as before":             {after(300, 480), true},
		"another percentage":    {after(280, 470), true},
		"the lease is lost":     {after(100, 440), false},
		"a lower limit":         {after(300, 440), false},
		"no limit":              {after(300, 0), false},
		"nothing seen after it": {trace(5, func(float64) (int64, float64) { return 300, 480 }), false},
		"nothing to be moved":   {trace(20, func(float64) (int64, float64) { return 100, 0 }), false},
	} {
		if got := unmoved(test.points, 10); got != test.expected {
			t.Errorf("%s: %v", name, got)
		}
	}
}
