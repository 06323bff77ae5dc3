package rig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/service"
)

// backOff before a restart, as a kubelet has it: at once, then 10 s, twice as long each time.
func backOff(restarts int) time.Duration {
	if restarts == 0 {
		return 0
	}
	return 10 * time.Second << (restarts - 1)
}

// supervise restarts the service when it ends.
func (s *stage) supervise(ctx context.Context) {
	for restarts := 0; ; restarts++ {
		s.mu.Lock()
		current := s.instances[len(s.instances)-1]
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-current.ended:
		}
		s.ended(current)
		if !sleepUntil(ctx, time.Now().Add(backOff(restarts))) {
			return
		}
		if err := s.start(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "%s %s: %v\n", s.workload.Name, s.policy.Name, err)
		}
	}
}

// ended notes how an instance did.
func (s *stage) ended(i *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.firstEnd.IsZero() {
		s.firstEnd = time.Now()
	}
	if i.ProcessState.Success() {
		s.drains++
	} else if !i.killed() {
		fmt.Fprintf(os.Stderr, "%s %s: the service has ended by itself: %v\n", s.workload.Name, s.policy.Name, i.ProcessState)
	}
}

// disturb brings the neighbour.
func (s *stage) disturb(ctx context.Context) {
	n := s.workload.Neighbour
	if n.Kind == "" || !sleepUntil(ctx, s.began.Add(n.From)) {
		return
	}
	var err error
	if n.Kind == "mmap" {
		err = s.post(ctx, fmt.Sprintf("/map?mib=%d&over=%s", n.MiB, n.Over))
	} else {
		program := append([]string{s.Own, "enter"}, s.group.dirs()...)
		program = append(program, "--", s.Own, "take", "--kind", n.Kind, "--mib", strconv.Itoa(n.MiB), "--over", n.Over.String(),
			"--file", s.fileOf(n.Kind))
		s.mu.Lock()
		s.neighbour, err = spawn(os.Stderr, os.Stderr, environment(), program...)
		s.mu.Unlock()
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "%s %s: no neighbour: %v\n", s.workload.Name, s.policy.Name, err)
	}
}

func (s *stage) fileInMemory() string { return filepath.Join("/dev/shm", filepath.Base(s.home)) }

func (s *stage) fileOf(kind string) string {
	if kind == "tmpfs" {
		return s.fileInMemory()
	}
	return filepath.Join(s.home, "neighbour")
}

const (
	resizeEvery = 100 * time.Millisecond
	// A limit that cannot be lowered to where it should be goes this far at once.
	resizeStep = 0.98
)

// resize the limit as the workload says, like an operator who lowers it as far as what is in use allows, again and again. Returns how
// long that took in all, in seconds; negative: it did not come to its end.
func (s *stage) resize(ctx context.Context) float64 {
	took, limit := time.Duration(0), float64(s.workload.LimitMiB)
	for _, to := range s.workload.Resize {
		if !sleepUntil(ctx, s.began.Add(to.At)) {
			return -1
		}
		asked := time.Now()
		for s.group.setLimit(to.MiB) != nil {
			if lower := max(resizeStep*limit, float64(to.MiB)); s.group.setLimit(int(lower)) == nil {
				limit = lower
			}
			if !sleepUntil(ctx, time.Now().Add(resizeEvery)) {
				return -1
			}
		}
		limit = float64(to.MiB)
		took += time.Since(asked)
	}
	return took.Seconds()
}

// A soft limit that is as large as this share of what it was is as it was.
const backAgain = 0.99

// dip the limit again and again, and say how long it took each time until GOMEMLIMIT went down, in milliseconds; what took longer than a
// second is told as a second.
func (s *stage) dip(ctx context.Context) []float64 {
	dips := s.workload.Dips
	if dips.MiB == 0 {
		return nil
	}
	const most, look = time.Second, 20 * time.Millisecond
	var took []float64
	whole := uint64(0) // GOMEMLIMIT where the limit is not low
	for rest := dips.Rest; sleepUntil(ctx, time.Now().Add(rest)); {
		s.mu.Lock()
		current := s.instances[len(s.instances)-1]
		s.mu.Unlock()
		before := current.newest().Limit
		whole = max(whole, before)
		if before == 0 || float64(before) < backAgain*float64(whole) {
			rest = look // nothing is in force yet, or what was taken away is not back
			continue
		}
		dipped := service.Monotonic()
		if s.group.setLimit(s.workload.LimitMiB-dips.MiB) != nil {
			continue // more is in use than that
		}
		fell := current.fell(dipped, before)
		for end := time.Now().Add(most); fell > most && time.Now().Before(end); fell = current.fell(dipped, before) {
			if !sleepUntil(ctx, time.Now().Add(look)) {
				return took // cut short: says nothing
			}
		}
		took = append(took, min(fell, most).Seconds()*1000)
		if err := s.group.setLimit(s.workload.LimitMiB); err != nil {
			fmt.Fprintln(os.Stderr, "the limit stays low:", err)
		}
		// Not in step with anything that goes by tenths of a second.
		rest = dips.Rest + time.Duration(rand.Int64N(int64(100*time.Millisecond)))
	}
	return took
}

// trace what is in use, four times a second.
func (s *stage) trace(ctx context.Context, before counters) []Point {
	var points []Point
	for {
		used, err := s.group.number("memory", "memory.usage_in_bytes")
		limit, err2 := s.group.number("memory", "memory.limit_in_bytes")
		if err == nil && err2 == nil {
			points = append(points, s.point(used, limit))
			last := &points[len(points)-1]
			last.Kills = int(s.counters().kills - before.kills)
			if s.Seen != nil {
				s.Seen(s.policy.Name, *last)
			}
		}
		if !sleepUntil(ctx, time.Now().Add(250*time.Millisecond)) {
			return points
		}
	}
}

func (s *stage) point(used, limit float64) Point {
	point := Point{Seconds: time.Since(s.began).Seconds(), Used: used / mib, Limit: limit / mib}
	s.mu.Lock()
	current := s.instances[len(s.instances)-1]
	s.mu.Unlock()
	if last := current.newest(); last.At > 0 {
		point.Live, point.MemoryLimit = float64(last.Live)/mib, float64(last.Limit)/mib
		point.Governed = float64(last.Governed) / mib
		point.Percent, point.Threads = last.Percent, last.Threads
	}
	return point
}
