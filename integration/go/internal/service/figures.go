package service

import (
	"encoding/json"
	"io"
	"runtime/metrics"
	"time"

	"golang.org/x/sys/unix"
)

// Figures are what the runtime says of itself, one line of JSON on standard output four times a second.
type Figures struct {
	// Seconds since the service began to listen.
	Seconds float64 `json:"seconds"`
	// At is the same on the monotonic clock that all processes of the machine have in common, nanoseconds.
	At     int64  `json:"at"`
	Cycles uint64 `json:"cycles"`
	// GCSeconds are CPU seconds of collections without those of otherwise idle threads.
	GCSeconds float64 `json:"gc_seconds"`
	Threads   uint64  `json:"threads"`
	Percent   int64   `json:"percent"`
	// Limit is GOMEMLIMIT; Live is what the newest collection found.
	Limit uint64 `json:"limit"`
	Live  uint64 `json:"live"`
	// Governed is what the runtime counts against its limit.
	Governed uint64 `json:"governed"`
	Health   string `json:"health,omitempty"`
	// Drained: told by the sidecar to finish, it has finished.
	Drained bool `json:"drained,omitempty"`
}

// Every so often a line is written; and where the limit is watched, one is written within a millisecond of each change of it.
const (
	Every      = 250 * time.Millisecond
	watchEvery = time.Millisecond
)

const noLimit = 1 << 62

var names = []string{
	"/gc/cycles/total:gc-cycles", "/cpu/classes/gc/total:cpu-seconds", "/cpu/classes/gc/mark/idle:cpu-seconds",
	"/sched/gomaxprocs:threads", "/gc/gogc:percent", "/gc/gomemlimit:bytes", "/gc/heap/live:bytes", "/memory/classes/total:bytes",
	"/memory/classes/heap/released:bytes",
}

// Monotonic is the clock of Figures.At.
func Monotonic() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // this clock is always there
	return now.Nano()
}

type meter struct {
	samples []metrics.Sample
	began   time.Time
}

func newMeter() *meter {
	m := &meter{make([]metrics.Sample, len(names)), time.Now()}
	for i, name := range names {
		m.samples[i].Name = name
	}
	return m
}

func (m *meter) read() Figures {
	metrics.Read(m.samples)
	whole := func(i int) uint64 { return m.samples[i].Value.Uint64() }
	figures := Figures{
		Seconds: time.Since(m.began).Seconds(), At: Monotonic(), Cycles: whole(0),
		GCSeconds: m.samples[1].Value.Float64() - m.samples[2].Value.Float64(),
		Threads:   whole(3), Percent: int64(int32(whole(4))), Limit: whole(5), Live: whole(6), Governed: whole(7) - whole(8),
	}
	if figures.Limit > noLimit {
		figures.Limit = 0
	}
	return figures
}

// tell writes figures until done, and one last line; watch: also as soon as the limit has changed.
func (m *meter) tell(to io.Writer, health func() string, watch bool, done <-chan struct{}) {
	lines := json.NewEncoder(to)
	ticks := time.NewTicker(Every)
	defer ticks.Stop()
	var looks <-chan time.Time
	if watch {
		looks = time.Tick(watchEvery)
	}
	told := uint64(0)
	say := func(figures Figures, drained bool) {
		figures.Health, figures.Drained, told = health(), drained, figures.Limit
		_ = lines.Encode(figures) // whoever does not listen any more misses nothing
	}
	for {
		select {
		case <-done:
			say(m.read(), true)
			return
		case <-ticks.C:
			say(m.read(), false)
		case <-looks:
			if figures := m.read(); figures.Limit != told {
				say(figures, false)
			}
		}
	}
}
