package setpoint

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

const (
	// Two dumps are at least this far apart.
	dumpsApart = time.Minute
	// Looking at a goroutine takes a quarter of a kilobyte: of a process that has more, the stacks are left out.
	mostProfiled = 50_000
	// The stacks of a dump, and how many of them are logged.
	mostStacks   = 20
	loggedStacks = 5
)

// Dump is what the process was doing.
type Dump struct {
	// Why: who asked, or what the sidecar saw.
	Why string
	// Goroutines that there are.
	Goroutines int
	// Stacks of the goroutines: the 20 commonest, the commonest first. None where there are more than 50,000 goroutines.
	Stacks []StackDump
	// Limiters by name.
	Limiters []LimiterDump
}

// StackDump is where some goroutines are.
type StackDump struct {
	Goroutines int
	// Frames from the innermost on, such as "main.fetch (fetch.go:12)"; 32 at most.
	Frames []string
}

// LimiterDump is the calls of a limiter.
type LimiterDump struct {
	Knob     string
	InFlight uint64
	// MeanAge is how long they are in flight so far.
	MeanAge time.Duration
}

// dumps are written one at a time.
type dumps struct {
	hook func(*Dump)

	mu      sync.Mutex
	running bool
	newest  time.Duration
	any     bool
}

// Dump writes down, in the background, what the process does now: to the log and to the hook of WithDump. False when a dump is being
// written, or the newest is less than a minute old. A sidecar that holds new work back because goroutines pile up cannot see what
// they do; so a trip of that rule is written down without being asked, once.
//
// The world stands still at its beginning and end only, not while goroutines are looked at; 50,000 of them take 50 ms of a CPU and 17 MB.
func (s *Setpoint) Dump(why string) bool {
	if !s.dumps.begin(s.clock.Now()) {
		return false
	}
	go func() {
		defer s.dumps.end()
		dump := s.dump(why)
		s.logDump(dump)
		s.tellDump(dump)
	}()
	return true
}

func (d *dumps) begin(now time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running || d.any && now-d.newest < dumpsApart {
		return false
	}
	d.running, d.newest, d.any = true, now, true
	return true
}

func (d *dumps) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = false
}

func (s *Setpoint) dump(why string) *Dump {
	dump := &Dump{Why: why, Goroutines: runtime.NumGoroutine(), Stacks: stacks(mostProfiled)}
	now := s.clock.Now()
	for _, it := range s.registry.Actuators() {
		tuning, ok := it.(*limiterTuning)
		if !ok {
			continue
		}
		totals := model.Totals{AtNanos: uint64(now)}
		tuning.limiter.places.Count(&totals)
		limiter := LimiterDump{Knob: tuning.Knob().Name, InFlight: totals.InFlight()}
		limiter.MeanAge = totals.InFlightAgeSum() / time.Duration(max(limiter.InFlight, 1))
		dump.Limiters = append(dump.Limiters, limiter)
	}
	return dump
}

// stacks of all goroutines, unless there are more than so many.
func stacks(most int) []StackDump {
	expected := runtime.NumGoroutine()
	if expected > most {
		return nil
	}
	records := make([]runtime.StackRecord, expected+expected/8+64)
	found, ok := runtime.GoroutineProfile(records)
	if !ok {
		return nil // they come faster than they can be counted
	}
	counts := make(map[[32]uintptr]int)
	for i := range records[:found] {
		counts[records[i].Stack0]++
	}
	commonest := slices.SortedFunc(maps.Keys(counts), func(a, b [32]uintptr) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), slices.Compare(a[:], b[:]))
	})
	var dumped []StackDump
	for _, stack := range commonest[:min(len(commonest), mostStacks)] {
		dumped = append(dumped, StackDump{counts[stack], frames(stack[:])})
	}
	return dumped
}

func frames(stack []uintptr) (names []string) {
	if end := slices.Index(stack, 0); end >= 0 {
		stack = stack[:end]
	}
	for called, more := runtime.CallersFrames(stack), len(stack) > 0; more; {
		var frame runtime.Frame
		frame, more = called.Next()
		names = append(names, fmt.Sprintf("%s (%s:%d)", frame.Function, filepath.Base(frame.File), frame.Line))
	}
	return names
}

func (s *Setpoint) logDump(dump *Dump) {
	s.log.Warn("dump of the runtime", "why", dump.Why, "goroutines", dump.Goroutines)
	for _, stack := range dump.Stacks[:min(len(dump.Stacks), loggedStacks)] {
		s.log.Warn("dump of goroutines", "goroutines", stack.Goroutines, "stack", strings.Join(stack.Frames, " < "))
	}
	for _, limiter := range dump.Limiters {
		s.log.Warn("dump of a limiter", "knob", limiter.Knob, "in_flight", limiter.InFlight, "mean_age", limiter.MeanAge)
	}
}

func (s *Setpoint) tellDump(dump *Dump) {
	if s.dumps.hook == nil {
		return
	}
	defer func() {
		if caught := recover(); caught != nil {
			s.log.Error("the hook of WithDump panicked", "panic", caught)
		}
	}()
	s.dumps.hook(dump)
}
