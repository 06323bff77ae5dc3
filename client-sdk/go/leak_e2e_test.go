package setpoint_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// As the field report's, and quick: a sample a second, held for two.
const leakPolicy = `version: setpoint/v1
name: checkout
policies:
  - name: tasks
    task_leak: {knob: breaker.inbound, every: 1s, factor: 1.5, in_a_row: 3, hold: 2s, floor: 50, per_call: 0}
`

const leaked = 500

// TestB3_ARealSidecarSeesGoroutinesLeakAndTheServiceWritesDownWhere takes half a minute: a baseline needs twelve samples.
func TestB3_ARealSidecarSeesGoroutinesLeakAndTheServiceWritesDownWhere(t *testing.T) {
	path, home := binary(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "config"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "config/policy.yaml"), []byte(leakPolicy), 0o644); err != nil {
		t.Fatal(err)
	}
	sidecar := startSidecar(t, path, home)
	dumps := make(chan *setpoint.Dump, 10)
	sdk := setpoint.Start(context.Background(), "checkout", setpoint.WithSocket(filepath.Join(home, "sdk.sock")),
		setpoint.WithDump(func(dump *setpoint.Dump) { dumps <- dump }))
	defer sdk.Stop()
	limiter := sdk.Limiter("inbound")
	admitted := func() bool {
		permit, err := limiter.TryAcquire(setpoint.Normal)
		if err == nil {
			permit.Finish(setpoint.Success)
		}
		return err == nil
	}
	eventually(t, "a baseline", 60*time.Second, func() bool { return strings.Contains(sidecar.page("/status"), `"no pressure"`) })
	if !admitted() {
		t.Fatal("nothing is wrong yet")
	}

	over := make(chan struct{})
	for range leaked {
		go leak(over)
	}
	eventually(t, "new work is held back", 60*time.Second, func() bool { return !admitted() })
	var dump *setpoint.Dump
	select {
	case dump = <-dumps:
	case <-time.After(20 * time.Second):
		t.Fatal("no dump")
	}
	isLeak := func(frame string) bool { return strings.Contains(frame, ".leak (leak_e2e_test.go:") }
	where := dump.Stacks[0]
	if dump.Goroutines <= leaked || where.Goroutines != leaked || !slices.ContainsFunc(where.Frames, isLeak) {
		t.Errorf("%d goroutines, most of them in %+v", dump.Goroutines, where)
	}
	close(over)
	eventually(t, "a probe lets work in again", 60*time.Second, admitted)
	if len(dumps) != 0 {
		t.Error("one for the trip")
	}
}

func leak(until chan struct{}) { <-until }

// page of the sidecar's admin address; empty while there is none.
func (s *sidecar) page(path string) string {
	answer, err := http.Get("http://" + s.admin + path)
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return string(body)
}
