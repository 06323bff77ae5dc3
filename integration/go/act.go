package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

// act is the Go act of the demo: one workload, with and without ours, at the same time and side by side.
func act(arguments []string) error {
	flags := flag.NewFlagSet("act", flag.ContinueOnError)
	sidecar := flags.String("sidecar", "", "the setpoint binary (default: beside this program)")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	own, err := os.Executable()
	if err != nil {
		return err
	}
	if *sidecar == "" {
		*sidecar = filepath.Join(filepath.Dir(own), "setpoint")
	}
	if err := rig.Usable(); err != nil {
		fmt.Printf("NOT SHOWN: the Go act needs memory cgroups: %v\n", err)
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	scratch, err := os.MkdirTemp("", "rig-gc-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	rig.RemoveLeftovers()
	rig.GoFirst()
	w, _ := plan.Find("w5") // a test of the plan knows it
	screen := newScreen(&w)
	return screen.play(ctx, rig.Rig{Own: own, Sidecar: *sidecar, Scratch: scratch, Seen: screen.seen})
}

// sides of the screen.
var sides = []string{"static100", "setpoint"}

const barWidth = 24

// screen draws both sides, a line a second.
type screen struct {
	workload *plan.Workload

	mu     sync.Mutex
	newest map[string]rig.Point
	drawn  int
}

func newScreen(w *plan.Workload) *screen {
	return &screen{workload: w, newest: make(map[string]rig.Point), drawn: -1}
}

func (s *screen) play(ctx context.Context, r rig.Rig) error {
	fmt.Printf("\nThe Go act: one Go service twice, under %d MiB each. %s.\n\n", s.workload.LimitMiB, s.workload.Title)
	fmt.Printf("      %-46s%s\n", "plain Go", "with setpoint")
	results, failed := make([]rig.Result, len(sides)), make([]error, len(sides))
	var both sync.WaitGroup
	for i, side := range sides {
		both.Go(func() {
			p, _ := plan.FindPolicy(side) // a test of the plan knows it
			results[i], failed[i] = r.Run(ctx, *s.workload, p, 1)
		})
	}
	both.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	fmt.Println()
	for i, title := range []string{"plain Go", "with setpoint"} {
		fmt.Printf("  %-14s %d OOM kills, %.0f of %.0f requests a second answered in time, p99 %.0f ms\n", title+":",
			results[i].OOMKills, results[i].Goodput, results[i].OfferedPerSecond, results[i].P99ms)
	}
	return nil
}

// seen takes a point, and draws a line when both sides have a new second.
func (s *screen) seen(policy string, point rig.Point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest[policy] = point
	second := int(point.Seconds)
	for _, side := range sides {
		second = min(second, int(s.newest[side].Seconds))
	}
	if len(s.newest) < len(sides) || second <= s.drawn {
		return
	}
	s.drawn = second
	cells := make([]string, len(sides))
	for i, side := range sides {
		cells[i] = bar(s.newest[side])
	}
	fmt.Printf("%3d s %-46s%s\n", second, cells[0], cells[1])
}

// bar of the memory in use, and what became of the service.
func bar(p rig.Point) string {
	full := 0
	if p.Limit > 0 {
		full = min(max(int(barWidth*p.Used/p.Limit+0.5), 0), barWidth)
	}
	text := fmt.Sprintf("[%s%s] %3.0f MiB", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), p.Used)
	if p.Kills > 0 {
		text += fmt.Sprintf(", killed: %d", p.Kills)
	}
	return text
}
