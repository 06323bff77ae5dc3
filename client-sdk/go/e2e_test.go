package setpoint_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// binary of the sidecar, or the test is skipped and says so.
func binary(t *testing.T) string {
	path := os.Getenv("SETPOINT_BINARY")
	if path == "" {
		t.Skip("NOT TESTED: SETPOINT_BINARY names no sidecar (cargo build -p setpoint, then SETPOINT_BINARY=target/debug/setpoint)")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const policy = `version: setpoint/v1
name: checkout
policies:
  - name: inbound
    adaptive_concurrency: {knob: limit.inbound, min: 4, max: 400}
`

// sidecar is a real process.
type sidecar struct {
	*testing.T
	*exec.Cmd
	log chan string
	// Address of its admin pages.
	admin string
}

func startSidecar(t *testing.T, path, home string) *sidecar {
	t.Helper()
	s := &sidecar{t, exec.Command(path, "run", "--config", filepath.Join(home, "config"), "--socket", filepath.Join(home, "sdk.sock"),
		"--admin", "127.0.0.1:0", "--state-dir", filepath.Join(home, "state")), make(chan string, 1000), ""}
	log, err := s.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	go func() { // ends with the process
		defer close(s.log)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			s.log <- lines.Text()
		}
	}()
	_, admin, _ := strings.Cut(s.waitFor("sidecar started"), "admin_addr=")
	s.admin, _, _ = strings.Cut(admin, " ")
	return s
}

// waitFor a line of the log with this text.
func (s *sidecar) waitFor(text string) string {
	s.Helper()
	for patience := time.After(20 * time.Second); ; {
		select {
		case line, ok := <-s.log:
			if strings.Contains(line, text) {
				return line
			}
			if !ok {
				s.Fatalf("the sidecar has ended without %q", text)
			}
		case <-patience:
			s.Fatalf("the sidecar does not say %q", text)
		}
	}
}

func (s *sidecar) kill() {
	_ = s.Process.Kill() // it may have ended already
	_ = s.Wait()
}

// eventually waits for a state of a real process, as long as it may take.
func eventually(t *testing.T, what string, within time.Duration, is func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// TestL2_ARealSidecarSteersAndItsDeathHarmsNobody takes a quarter of a minute: a new sidecar only learns for its first ten seconds.
func TestL2_ARealSidecarSteersAndItsDeathHarmsNobody(t *testing.T) {
	path, home := binary(t), t.TempDir()
	for _, directory := range []string{"config", "state"} {
		if err := os.Mkdir(filepath.Join(home, directory), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "config/policy.yaml"), []byte(policy), 0o644); err != nil {
		t.Fatal(err)
	}
	first, moves := startSidecar(t, path, home), newMoves("limit.inbound")
	sdk := setpoint.Start(context.Background(), "checkout", setpoint.WithSocket(filepath.Join(home, "sdk.sock")),
		setpoint.WithLogger(slog.New(moves)))
	defer sdk.Stop()
	// Callers wait for 30 ms: a service that starts into an overload has never seen a quiet call, and only their deadline says what is too late.
	limiter := sdk.Limiter("inbound", setpoint.Bounds(4, 400), setpoint.Baseline(50), setpoint.Deadline(30*time.Millisecond))
	load := startLoad(limiter)
	defer load.stop()

	eventually(t, "in session", 5*time.Second, func() bool { return sdk.Health() == setpoint.HealthSynced })
	load.join(5)
	eventually(t, "a thousand calls of quiet traffic", 100*time.Second, func() bool { return load.done.Load() > 1000 })
	load.join(95)
	// Ten places are all that the service has; fifty callers only stand in line.
	eventually(t, "the sidecar has cut the limit", 100*time.Second, func() bool { return moves.last() < 45 })

	killed := time.Now()
	first.kill()
	pushed := moves.last()
	eventually(t, "the lease has run out", 8*time.Second, func() bool { return sdk.Health() == setpoint.HealthHeld })
	if waited := time.Since(killed); waited < 4*time.Second {
		t.Errorf("after %v already", waited)
	}
	// The reflex may hold it lower still; nothing may lift it.
	if got := limiter.Limit(); got > pushed {
		t.Errorf("%v, %v was pushed", got, pushed)
	}
	second := startSidecar(t, path, home)
	second.waitFor("session started")
	if got := limiter.Limit(); got > pushed {
		t.Errorf("a jump from %v to %v", pushed, got)
	}
	second.kill()
	load.stop()
	if load.failed.Load() != 0 || load.slowest.Load() > int64(500*time.Millisecond) || load.done.Load() < 1000 {
		t.Errorf("%d calls failed, the slowest admission took %v, %d calls done", load.failed.Load(), time.Duration(load.slowest.Load()), load.done.Load())
	}
	sdk.Stop()
	if got := limiter.Limit(); got != 50 {
		t.Errorf("after the session: %v", got)
	}
}

// moves of a knob that the session has made, as its log tells: what the limiter's own reflex does is not among them.
type moves struct {
	slog.Handler
	knob string
	to   *atomic.Uint64
}

func newMoves(knob string) moves {
	m := moves{slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}), knob, new(atomic.Uint64)}
	m.to.Store(math.Float64bits(math.Inf(1)))
	return m
}

// Handle looks at what is logged.
func (m moves) Handle(_ context.Context, record slog.Record) error {
	knob, to := "", math.NaN()
	record.Attrs(func(attr slog.Attr) bool {
		switch attr.Key {
		case "knob":
			knob = attr.Value.String()
		case "to":
			to, _ = attr.Value.Any().(float64)
		}
		return true
	})
	if record.Message == "a knob was moved" && knob == m.knob {
		m.to.Store(math.Float64bits(to))
	}
	return nil
}

// last value that it was moved to.
func (m moves) last() float64 { return math.Float64frombits(m.to.Load()) }

// load is a service with ten places behind a limiter, and its callers.
type load struct {
	failed, done, slowest atomic.Int64
	limiter               *setpoint.Limiter
	places                chan struct{}
	ctx                   context.Context
	cancel                context.CancelFunc
	callers               sync.WaitGroup
}

func startLoad(limiter *setpoint.Limiter) *load {
	ctx, cancel := context.WithCancel(context.Background())
	return &load{limiter: limiter, places: make(chan struct{}, 10), ctx: ctx, cancel: cancel}
}

// join adds so many callers.
func (l *load) join(callers int) {
	for range callers {
		l.callers.Add(1)
		go func() {
			defer l.callers.Done()
			for l.ctx.Err() == nil {
				l.call(l.limiter, l.places)
			}
		}()
	}
}

func (l *load) call(limiter *setpoint.Limiter, places chan struct{}) {
	asked := time.Now()
	permit, err := limiter.TryAcquire(setpoint.Normal)
	if took := int64(time.Since(asked)); took > l.slowest.Load() {
		l.slowest.Store(took)
	}
	var rejected *setpoint.Rejected
	if errors.As(err, &rejected) {
		time.Sleep(20 * time.Millisecond) // a caller that comes back later
		return
	}
	if err != nil {
		l.failed.Add(1)
		return
	}
	places <- struct{}{}
	time.Sleep(10 * time.Millisecond)
	<-places
	permit.Finish(setpoint.Success)
	l.done.Add(1)
}

func (l *load) stop() {
	l.cancel()
	l.callers.Wait()
}
