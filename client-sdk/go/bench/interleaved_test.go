//go:build unix

package bench

import (
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"golang.org/x/sync/semaphore"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// contender goes in and out so many times; false: rejected. The loop is its own, as a handler calls a limiter itself and not through a
// function value.
type contender struct {
	name  string
	calls func(times int) bool
}

func contenders(b *testing.B) []contender {
	sdk := start(b)
	ours := func(name string, options ...setpoint.LimiterOption) contender {
		limiter := sdk.Limiter(name, append([]setpoint.LimiterOption{setpoint.Bounds(1, 2*limit), setpoint.Baseline(limit)}, options...)...)
		return contender{name, func(times int) bool {
			for range times {
				permit, err := limiter.TryAcquire(setpoint.Normal)
				if err != nil {
					return false
				}
				permit.Finish(setpoint.Success)
			}
			return true
		}}
	}
	sync := semaphore.NewWeighted(limit)
	plain := bulkhead.New[any](limit)
	adaptive := adaptivelimiter.NewBuilder[any]().WithLimits(limit, limit, limit).Build()
	return []contender{
		ours("setpoint"), ours("setpoint-timed", setpoint.SampleClocks(1)),
		// Too small for spare places.
		ours("setpoint-small", setpoint.Baseline(8)),
		{"xsync-semaphore", func(times int) bool {
			for range times {
				if !sync.TryAcquire(1) {
					return false
				}
				sync.Release(1)
			}
			return true
		}},
		{"failsafe-bulkhead", func(times int) bool {
			for range times {
				if !plain.TryAcquirePermit() {
					return false
				}
				plain.ReleasePermit()
			}
			return true
		}},
		{"failsafe-adaptive", func(times int) bool {
			for range times {
				permit, ok := adaptive.TryAcquirePermit()
				if !ok {
					return false
				}
				permit.Record()
			}
			return true
		}},
	}
}

// So many calls take a millisecond or some: short for a scheduler's slice, long for a clock.
const inARound = 20_000

// BenchmarkInterleaved has all of them run in turn, round by round, and gives the median of the rounds, each in nanoseconds of CPU time for
// one way in and out: with one goroutine, and with two that do nothing else. CPU time, because it hardly depends on what else the machine
// has to do. `-benchtime 301x` is 301 rounds.
func BenchmarkInterleaved(b *testing.B) {
	for name, goroutines := range map[string]int{"alone": 1, "together": 2} {
		b.Run(name, func(b *testing.B) {
			all := contenders(b)
			rounds := make([][]float64, len(all))
			// The first slices, in which ours finds out how fast calls come.
			for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
				for i := range all {
					round(b, all[i].calls, goroutines)
				}
			}
			b.ResetTimer()
			for range b.N {
				for i := range all {
					took := round(b, all[i].calls, goroutines)
					rounds[i] = append(rounds[i], float64(took)/float64(inARound*goroutines))
				}
			}
			for i := range all {
				slices.Sort(rounds[i])
				b.ReportMetric(rounds[i][len(rounds[i])/2], all[i].name+"-ns")
			}
		})
	}
}

// cpu time of the process.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// round of calls by each of so many goroutines; the CPU time.
func round(b *testing.B, calls func(int) bool, goroutines int) time.Duration {
	var done sync.WaitGroup
	begun := cpu(b)
	for range goroutines {
		done.Add(1)
		go func() {
			defer done.Done()
			if !calls(inARound) {
				b.Error("rejected")
			}
		}()
	}
	done.Wait()
	return cpu(b) - begun
}
