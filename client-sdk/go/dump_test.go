package setpoint

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// told is an SDK whose dumps arrive on a channel.
func told() (*Setpoint, chan *Dump) {
	sdk, heard := byHand(), make(chan *Dump)
	sdk.dumps.hook = func(dump *Dump) { heard <- dump }
	return sdk, heard
}

// settled waits until a dump that has been told is over.
func settled(sdk *Setpoint) {
	for sdk.dumps.busy() {
		time.Sleep(time.Millisecond)
	}
}

func (d *dumps) busy() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.running
}

func leaking(until chan struct{}) { <-until }

func TestB3_ADumpSaysWhereGoroutinesAreAndWhatIsInFlight(t *testing.T) {
	sdk, heard := told()
	db := sdk.Limiter("db")
	for range 3 {
		mustAcquire(t, db, Normal)
	}
	sdk.clock.Move(5 * time.Second)
	over := make(chan struct{})
	defer close(over)
	for range 30 {
		go leaking(over)
	}
	deadline := time.Now().Add(10 * time.Second)
	var dump *Dump
	isLeak := func(stack StackDump) bool {
		at := slices.IndexFunc(stack.Frames, func(frame string) bool { return strings.Contains(frame, ".leaking (dump_test.go:") })
		return at >= 0 && stack.Goroutines == 30
	}
	// Those that have not run yet are not where they will be.
	for dump == nil || !slices.ContainsFunc(dump.Stacks, isLeak) && time.Now().Before(deadline) {
		sdk.clock.Move(time.Minute)
		if !sdk.Dump("asked for") {
			t.Fatal("a minute has passed")
		}
		dump = <-heard
		settled(sdk)
	}
	if !slices.ContainsFunc(dump.Stacks, isLeak) || dump.Goroutines < 31 || len(dump.Stacks) > mostStacks {
		t.Errorf("%+v", dump)
	}
	if !slices.IsSortedFunc(dump.Stacks, func(a, b StackDump) int { return b.Goroutines - a.Goroutines }) {
		t.Errorf("the commonest first: %+v", dump.Stacks)
	}
	limiter := dump.Limiters[0]
	if limiter.Knob != "limit.db" || limiter.InFlight != 3 || limiter.MeanAge%time.Minute != 5*time.Second {
		t.Errorf("%+v", limiter)
	}
}

func TestB3_DumpsAreAMinuteApartAndAHookThatPanicsEndsNothing(t *testing.T) {
	sdk, heard := byHand(), make(chan string)
	sdk.dumps.hook = func(dump *Dump) {
		heard <- dump.Why
		panic("a bug of the service")
	}
	for range 2 {
		if !sdk.Dump("first") || sdk.Dump("one at a time") {
			t.Fatal("one")
		}
		if why := <-heard; why != "first" {
			t.Error(why)
		}
		settled(sdk)
		sdk.clock.Move(time.Minute - time.Nanosecond)
		if sdk.Dump("too soon") {
			t.Error("too soon")
		}
		sdk.clock.Move(time.Nanosecond)
	}
}

func TestStacksOfVeryManyGoroutinesAreLeftOut(t *testing.T) {
	if found := stacks(0); found != nil {
		t.Errorf("%+v", found)
	}
	if found := stacks(mostProfiled); len(found) == 0 || len(found[0].Frames) == 0 {
		t.Errorf("%+v", found)
	}
}
