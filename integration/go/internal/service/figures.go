package service

import (
	"encoding/json"
	"io"
	"runtime/metrics"
	"time"
)

// Figures are what the runtime says of itself, one line of JSON on standard output four times a second.
type Figures struct {
	// Seconds since the service began to listen.
	Seconds float64 `json:"seconds"`
	Cycles  uint64  `json:"cycles"`
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

// Every so often a line is written.
const Every = 250 * time.Millisecond

const noLimit = 1 << 62

var names = []string{
	"/gc/cycles/total:gc-cycles", "/cpu/classes/gc/total:cpu-seconds", "/cpu/classes/gc/mark/idle:cpu-seconds",
	"/sched/gomaxprocs:threads", "/gc/gogc:percent", "/gc/gomemlimit:bytes", "/gc/heap/live:bytes", "/memory/classes/total:bytes",
	"/memory/classes/heap/released:bytes",
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
		Seconds: time.Since(m.began).Seconds(), Cycles: whole(0),
		GCSeconds: m.samples[1].Value.Float64() - m.samples[2].Value.Float64(),
		Threads:   whole(3), Percent: int64(int32(whole(4))), Limit: whole(5), Live: whole(6), Governed: whole(7) - whole(8),
	}
	if figures.Limit > noLimit {
		figures.Limit = 0
	}
	return figures
}

// tell writes figures until done, and one last line.
func (m *meter) tell(to io.Writer, health func() string, done <-chan struct{}) {
	lines := json.NewEncoder(to)
	ticks := time.NewTicker(Every)
	defer ticks.Stop()
	for {
		figures := m.read()
		figures.Health = health()
		select {
		case <-done:
			figures.Drained = true
			_ = lines.Encode(figures) // whoever does not listen any more misses nothing
			return
		case <-ticks.C:
			_ = lines.Encode(figures)
		}
	}
}
