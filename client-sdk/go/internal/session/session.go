// Package session keeps the session with the sidecar: one loop that touches the application only through its knobs.
//
// One timer of 50 ms drives everything: leases, reports, beats. A second one of 10 ms runs while calls are in flight, for what
// cannot wait: the reflexes of limiters. The loop owns all state, so there is nothing to lock and nothing to get stuck in; what
// reads and writes the stream runs beside it behind short queues that are never waited for.
//
//	line, transport, backoff            the way to the sidecar: wait, connect, greet, listen
//	apply, answer, atomic, tuned, pace  from frames to values in force, and the acks
//	lease, stall                        how old the sidecar's word is, and when that is our own fault
//	speech                              what is said, and when
//	standing                            the health that a service sees
package session

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/reflex"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

const (
	tickEvery  = 50 * time.Millisecond
	watchEvery = reflex.Every
	// How often the kill switch is looked at.
	lookEvery = time.Second
	// What is left to be sent at the end has this long.
	farewellWithin = 200 * time.Millisecond
	// After a bug of ours.
	restartAfter = 3 * time.Second
)

// Own is what this process sees of its container and runtime; what is not known is left out.
type Own interface {
	Sample(now time.Duration) (*v1.ContainerStats, *v1.RuntimeStats)
	Close()
}

// Options of a session.
type Options struct {
	Service, InstanceID, SDK, Runtime string
	Seed                              uint64
	Labels                            map[string]string
	// DisableFile is the kill switch of every service that uses the socket.
	DisableFile string
	Dial        Dial
	Clock       *clock.Clock
	Log         *slog.Logger
	Own         Own
	// Custom numbers of the service for each report; may be nil.
	Custom func() map[string]float64
	// OnTaskLeak is told, once for each trip, that new work is held back because goroutines pile up; it must not wait. May be nil.
	OnTaskLeak func(why string)
}

// DisableFile is the one that lies beside a socket.
func DisableFile(socket string) string { return filepath.Join(filepath.Dir(socket), "disable") }

// Session with the sidecar. Make one with Start.
type Session struct {
	registry *actuator.Registry
	options  Options
	health   healthCell
	stop     context.CancelFunc
	done     chan struct{}
}

// Start begins a session in the background. It ends with the context or with Stop.
func Start(ctx context.Context, registry *actuator.Registry, options Options) *Session {
	ctx, stop := context.WithCancel(ctx)
	s := &Session{registry: registry, options: options, stop: stop, done: make(chan struct{})}
	if registry.Disabled() {
		s.health.Store(uint32(Disabled))
	}
	go func() {
		defer close(s.done)
		defer stop()
		defer options.Own.Close()
		for !s.run(ctx) && pause(ctx, restartAfter) {
		}
	}()
	return s
}

// Stop says that the session is to end; Done is closed when it has, within a quarter of a second.
func (s *Session) Stop() { s.stop() }

// Done is closed when nothing of the session runs any more and every knob is where it was before.
func (s *Session) Done() <-chan struct{} { return s.done }

// Health now. One atomic load.
func (s *Session) Health() Health { return Health(s.health.Load()) }

func pause(ctx context.Context, wait time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// run keeps a session until it ends in order (true) or by a bug (false). A bug must not leave the last pushed values in force for
// ever, with nobody to end their leases: everything goes to its baseline.
func (s *Session) run(ctx context.Context) (inOrder bool) {
	l := newLoop(s)
	defer func() {
		if caught := recover(); caught != nil {
			s.options.Log.Error("the session panicked: everything goes to its baseline, and it starts anew", "panic", caught)
			l.applier.releaseAll(l.now())
		}
		l.line.close()
		s.health.Store(uint32(Baseline))
	}()
	l.run(ctx)
	return true
}

// loop is the state of one run.
type loop struct {
	*Session
	line     *line
	backoff  backoff
	liveness *liveness
	// How far the loop of an epoch had come on the last stream.
	heardEpoch, heardTick uint64
	hasHeard              bool
	beatEvery             time.Duration
	applier               *applier
	stalls                stallWatch
	speech                speech
	leaks                 leakWatch
	lookAt                time.Duration
	// A failure to connect is told once until a session has come about.
	complained bool
	unreadable uint64
	// Some knob wants to be watched closely.
	watchful bool
	// For stages, so that a tick allocates nothing.
	staged []model.Stage
}

func newLoop(s *Session) *loop {
	return &loop{
		Session: s, line: newLine(s.options.Dial), backoff: backoff{seed: s.options.Seed}, beatEvery: time.Second,
		applier: newApplier(s.options.Log),
	}
}

func (l *loop) now() time.Duration { return l.options.Clock.Now() }

func (l *loop) run(ctx context.Context) {
	l.knobsChanged()
	l.line.connect()
	next, nextWatch := l.now()+tickEvery, time.Duration(0)
	tick := time.NewTimer(tickEvery)
	watch := time.NewTimer(watchEvery)
	defer tick.Stop()
	defer watch.Stop()
	for {
		select {
		case <-ctx.Done():
			l.farewell()
			return
		case <-tick.C:
			begun := l.now()
			l.tick(next)
			// Ticks that were missed are not made up for. Counted from the beginning of this one, so that the next is late if the process
			// stood still within it.
			next = max(next+tickEvery, begun+tickEvery/10)
			tick.Reset(next - l.now())
			if l.watchful && nextWatch < l.now() {
				nextWatch = l.now() + watchEvery
				watch.Reset(watchEvery)
			}
		case <-watch.C:
			if l.watchful {
				l.watch()
				nextWatch = max(nextWatch+watchEvery, l.now()+time.Millisecond)
				watch.Reset(nextWatch - l.now())
			}
		case <-l.registry.Changed():
			l.knobsChanged()
		case <-l.line.timer.C:
			l.timeUp()
		case it := <-l.line.attempt:
			l.connected(it)
		case it := <-l.line.incoming():
			l.heard(it)
		}
	}
}

func (l *loop) tick(due time.Duration) {
	now := l.now()
	if l.stalls.fired(due, now, l.beatEvery) && l.stalls.stalls&(l.stalls.stalls-1) == 0 {
		l.options.Log.Warn("the process was stalled", "lateness", now-due, "so_far", l.stalls.stalls)
	}
	l.watchful = false
	l.applier.each(func(t *tuned) {
		t.guard(func() { l.watchful = t.actuator.Tick() || l.watchful })
	})
	if now >= l.lookAt {
		l.lookAt = now + lookEvery
		l.look()
	}
	judgeAt := l.stalls.judgeAt(now)
	l.speech.acks(l.applier.tick(now, judgeAt)...)
	l.speech.flush(l.line)
	if l.liveness != nil {
		if l.speech.beat.take(due) {
			l.speech.sayBeat(l.line, l.stalls.takeWorst())
		}
		// Reports that pile up before a stopped sidecar would hit it all at once when it goes on.
		if l.speech.report.take(due) && l.liveness.fresh(judgeAt) {
			l.report()
		}
	}
	l.health.Store(uint32(standing(l.applier.disabled, l.stages(judgeAt), l.liveness, judgeAt)))
}

// look heeds the kill switch.
func (l *loop) look() {
	_, err := os.Stat(l.options.DisableFile)
	disabled := err == nil
	if l.registry.SetDisabled(disabled) {
		l.options.Log.Warn("kill switch turned", "service", l.options.Service, "disabled", disabled)
	}
	if l.applier.disabled != disabled {
		l.applier.setDisabled(disabled)
		l.speech.acks(l.applier.acks()...)
	}
}

// watch is for what cannot wait for a tick.
func (l *loop) watch() {
	l.watchful = false
	l.applier.each(func(t *tuned) {
		t.guard(func() { l.watchful = t.actuator.Watch() || l.watchful })
	})
}

func (l *loop) stages(at time.Duration) []model.Stage {
	l.staged = l.staged[:0]
	l.applier.each(func(t *tuned) {
		if t.pushed {
			stage, _ := t.push.lease.stage(at)
			l.staged = append(l.staged, stage)
		}
	})
	return l.staged
}

func (l *loop) report() {
	l.speech.sayReport(l.line, l.applier, &l.options, l.now(), uint64(l.stalls.total))
}

func (l *loop) knobsChanged() {
	l.speech.knobs(l.applier.sync(l.registry.Actuators()))
	l.speech.flush(l.line)
}

// farewell is the orderly end: the sidecar forgets this process at once, and nothing that was pushed outlives the session.
func (l *loop) farewell() {
	l.applier.releaseAll(l.now())
	if !l.line.send(wire.EncodeGoodbye("the service lets go of the SDK")) {
		return
	}
	// The sidecar answers a goodbye by ending the stream; nobody waits for one that does not.
	over := time.NewTimer(farewellWithin)
	defer over.Stop()
	for {
		select {
		case it := <-l.line.incoming():
			if it.end != nil {
				return
			}
		case <-over.C:
			return
		}
	}
}
