package setpoint_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

const gcPolicy = `version: setpoint/v1
name: checkout
policies:
  - name: heap
    gc_target: {mode: throughput}
`

// line to the sidecar that can be cut.
type line struct {
	mu     sync.Mutex
	socket string
	cut    bool
	open   []net.Conn
}

func (l *line) dial(ctx context.Context) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errors.New("cut")
	}
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "unix", l.socket)
	if err == nil {
		l.open = append(l.open, connection)
	}
	return connection, err
}

func (l *line) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for _, connection := range l.open {
		_ = connection.Close() // it may be closed already
	}
}

// TestW11_WhateverHappensToTheSidecarTheCollectorGoesBackToASafeSetting takes half a minute, six seconds a fault.
func TestW11_WhateverHappensToTheSidecarTheCollectorGoesBackToASafeSetting(t *testing.T) {
	path := binary(t)
	for _, variable := range []string{"GOGC", "GOMEMLIMIT"} {
		if os.Getenv(variable) != "" {
			t.Skipf("NOT TESTED: the environment sets %s, and is respected", variable)
		}
	}
	for name, fault := range map[string]func(*sidecar, *line){
		"killed":  func(s *sidecar, _ *line) { s.kill() },
		"stopped": func(s *sidecar, _ *line) { _ = s.Process.Signal(syscall.SIGSTOP) }, // it runs, so it can be stopped
		"cut":     func(_ *sidecar, l *line) { l.sever() },
	} {
		t.Run(name, func(t *testing.T) { loseTheSidecar(t, path, fault) })
	}
}

func loseTheSidecar(t *testing.T, path string, fault func(*sidecar, *line)) {
	home := t.TempDir()
	for _, directory := range []string{"config", "state"} {
		if err := os.Mkdir(filepath.Join(home, directory), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "config/policy.yaml"), []byte(gcPolicy), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startSidecar(t, path, home)
	l := &line{socket: filepath.Join(home, "sdk.sock")}
	sdk := setpoint.Start(context.Background(), "checkout", setpoint.WithDial(l.dial),
		setpoint.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	defer sdk.Stop()
	gc := sdk.GC()
	percentBefore, limitBefore := gc.Percent(), gc.MemoryLimit()
	runtime.GC() // an envelope is evaluated after a collection
	eventually(t, "an envelope is in force", 20*time.Second, func() bool {
		return gc.Percent() > percentBefore && gc.MemoryLimit() < limitBefore
	})
	envelope := gc.MemoryLimit()

	lost := time.Now()
	fault(s, l)
	safe := func() bool { return gc.Percent() == percentBefore && gc.MemoryLimit() < envelope }
	eventually(t, "the safe setting is in force", 20*time.Second, safe)
	// A lease is 5 s; a busy machine is late, but the lease is never cut short.
	if took := time.Since(lost); took < 3*time.Second || took > 6*time.Second {
		t.Errorf("after %v", took)
	}
	if gc.MemoryLimit() <= 0 {
		t.Error("no limit at all")
	}
	sdk.Stop()
	if gc.Percent() != percentBefore || gc.MemoryLimit() != limitBefore {
		t.Errorf("after the end: %d, %d", gc.Percent(), gc.MemoryLimit())
	}
}
