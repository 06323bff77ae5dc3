package setpointhttp

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// Tuned is an http.Transport whose connection pool can be tuned while it runs. The settings of a transport in use cannot be changed,
// so each change makes a new one out of the old: requests under way end on the old one, whose idle connections are closed. Hence few
// and rare changes; for a moment there can be connections of both.
type Tuned struct {
	mu   sync.Mutex
	base atomic.Pointer[http.Transport]
}

// Tune makes a tuned transport out of one that is not used otherwise. Each of the methods below registers one knob.
func Tune(base *http.Transport) *Tuned {
	t := new(Tuned)
	t.base.Store(base.Clone())
	return t
}

// RoundTrip uses the transport of the moment. One atomic load.
func (t *Tuned) RoundTrip(request *http.Request) (*http.Response, error) {
	return t.base.Load().RoundTrip(request)
}

// CloseIdleConnections of the transport of the moment.
func (t *Tuned) CloseIdleConnections() { t.base.Load().CloseIdleConnections() }

// Conns is the most connections to one host (http.Transport.MaxConnsPerHost), knob pool.NAME.conns.
func (t *Tuned) Conns(sp *setpoint.Setpoint, name string, lowest, highest, baseline int) *setpoint.Knob {
	return t.size(sp, "pool."+name+".conns", lowest, highest, baseline, func(base *http.Transport, size int) { base.MaxConnsPerHost = size })
}

// IdleConns is the most idle connections to one host (http.Transport.MaxIdleConnsPerHost), knob pool.NAME.idle.
func (t *Tuned) IdleConns(sp *setpoint.Setpoint, name string, lowest, highest, baseline int) *setpoint.Knob {
	return t.size(sp, "pool."+name+".idle", lowest, highest, baseline, func(base *http.Transport, size int) { base.MaxIdleConnsPerHost = size })
}

// IdleTime is how long an idle connection is kept (http.Transport.IdleConnTimeout), knob timeout.NAME.idle.
func (t *Tuned) IdleTime(sp *setpoint.Setpoint, name string, lowest, highest, baseline time.Duration) *setpoint.Knob {
	return t.time(sp, "timeout."+name+".idle", lowest, highest, baseline, func(base *http.Transport, wait time.Duration) { base.IdleConnTimeout = wait })
}

// HeaderTime is how long to wait for the head of a response (http.Transport.ResponseHeaderTimeout), knob timeout.NAME.header.
func (t *Tuned) HeaderTime(sp *setpoint.Setpoint, name string, lowest, highest, baseline time.Duration) *setpoint.Knob {
	return t.time(sp, "timeout."+name+".header", lowest, highest, baseline, func(base *http.Transport, wait time.Duration) { base.ResponseHeaderTimeout = wait })
}

func (t *Tuned) size(sp *setpoint.Setpoint, name string, lowest, highest, baseline int, set func(*http.Transport, int)) *setpoint.Knob {
	// 0 would be no bound at all.
	lowest = max(lowest, 1)
	knob := sp.Knob(name, setpoint.PoolSize(), setpoint.Bounds(float64(lowest), float64(highest)), setpoint.Baseline(float64(baseline)),
		setpoint.OnChange(func(change setpoint.Change) { t.change(func(base *http.Transport) { set(base, int(change.To)) }) }))
	t.change(func(base *http.Transport) { set(base, int(knob.Value())) })
	return knob
}

func (t *Tuned) time(sp *setpoint.Setpoint, name string, lowest, highest, baseline time.Duration, set func(*http.Transport, time.Duration)) *setpoint.Knob {
	millis := func(wait time.Duration) float64 { return float64(wait) / float64(time.Millisecond) }
	wait := func(millis float64) time.Duration { return time.Duration(millis * float64(time.Millisecond)) }
	// 0 would be for ever.
	lowest = max(lowest, time.Millisecond)
	knob := sp.Knob(name, setpoint.Timeout(), setpoint.Bounds(millis(lowest), millis(highest)), setpoint.Baseline(millis(baseline)),
		setpoint.OnChange(func(change setpoint.Change) { t.change(func(base *http.Transport) { set(base, wait(change.To)) }) }))
	t.change(func(base *http.Transport) { set(base, wait(knob.Value())) })
	return knob
}

func (t *Tuned) change(edit func(*http.Transport)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.base.Load()
	next := old.Clone()
	edit(next)
	t.base.Store(next)
	old.CloseIdleConnections()
}
