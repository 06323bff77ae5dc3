package service

import (
	"io"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
)

func TestTiDBsFormula(t *testing.T) {
	for _, test := range []struct {
		inuse, threshold float64
		expected         int
	}{{100, 400, 300}, {100, 250, 150}, {100, 150, 100}, {100, 90, 100}, {10, 400, 500}, {0, 400, 100}, {300, 1000, 233}} {
		if got := tidbPercent(test.inuse, test.threshold); got != test.expected {
			t.Errorf("%v of %v: %d", test.inuse, test.threshold, got)
		}
	}
}

func TestWhatIsKeptFollowsTheWorkload(t *testing.T) {
	for _, test := range []struct {
		shape    plan.Shape
		at       float64
		expected float64
	}{
		{plan.Shape{LiveMiB: 60, GrowToMiB: 300, GrowOver: 10 * time.Second}, 5, 180},
		{plan.Shape{LiveMiB: 60, GrowToMiB: 300, GrowOver: 10 * time.Second}, 50, 300},
		{plan.Shape{LiveMiB: 60, LeakMiBPerSecond: 16}, 10, 220},
		{plan.Shape{LiveMiB: 60, BurstMiB: 100, BurstEvery: 4 * time.Second}, 1.9, 60},
		{plan.Shape{LiveMiB: 60, BurstMiB: 100, BurstEvery: 4 * time.Second}, 2.5, 160},
		{plan.Shape{LiveMiB: 60, BurstMiB: 100, BurstEvery: 4 * time.Second}, 3.5, 60},
		{plan.Shape{LiveMiB: 60, BurstMiB: 100, BurstEvery: 4 * time.Second}, 6.5, 160},
	} {
		at := time.Duration(test.at * float64(time.Second))
		if got := kept(&test.shape, at); math.Abs(got-test.expected) > 1e-9 {
			t.Errorf("%+v at %v: %v MiB", test.shape, at, got)
		}
	}
}

func TestACacheGrowsAndShrinks(t *testing.T) {
	c := newCache()
	for _, mibs := range []float64{2, 5, 1} {
		c.resize(mibs)
		if size := c.size.Load(); size != int64(mibs*mib/entryBytes) || c.entries[size-1].Load() == nil || c.entries[size].Load() != nil {
			t.Errorf("%v MiB: %d entries", mibs, size)
		}
	}
	before := c.entries[0].Load()
	for range 20_000 {
		c.replace()
	}
	if c.entries[0].Load() == before {
		t.Error("nothing is replaced")
	}
}

func TestEachPolicyIsKnownToTheService(t *testing.T) {
	if _, err := install("none of these"); err == nil {
		t.Error("an unknown policy must not measure as plain Go")
	}
	if guard, err := install("static100"); guard != nil || err != nil {
		t.Error(err)
	}
}

func TestTheServiceAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	w, _ := plan.Find("w6")
	w.Service.LiveMiB, w.Service.Hold = 1, time.Millisecond
	p, _ := plan.FindPolicy("static100")
	go func() {
		_ = Run(Options{Workload: w, Policy: p, Socket: socket, Begun: true}, io.Discard) // until the test process ends
	}()
	dial := func(string, string) (net.Conn, error) { return net.Dial("unix", socket) }
	caller := &http.Client{Transport: &http.Transport{Dial: dial}}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		response, err := caller.Get("http://service/work")
		if err == nil {
			_ = response.Body.Close() // it is empty
			if response.StatusCode != http.StatusOK {
				t.Error(response.Status)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
