package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
	"github.com/setpoint-dev/setpoint/integration/go/internal/service"
)

// child is a process that dies with the rig.
type child struct {
	*exec.Cmd
	ended chan struct{}
}

func spawn(out, log *os.File, environment []string, program ...string) (*child, error) {
	c := &child{exec.Command(program[0], program[1:]...), make(chan struct{})}
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	c.Env, c.Stdout, c.Stderr = environment, out, log
	if err := c.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = c.Wait() // ProcessState says it as well
		close(c.ended)
	}()
	return c, nil
}

// kill and reap.
func (c *child) kill() {
	_ = c.Process.Kill() // it may have ended
	<-c.ended
}

// killed says whether it has ended by SIGKILL.
func (c *child) killed() bool {
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// environment without what would decide about the runtime.
func environment(extra ...string) []string {
	var kept []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		switch name {
		case "GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG", "GOTRACEBACK", "SETPOINT_SOCKET", "SETPOINT_DISABLED", "AUTOMEMLIMIT":
		default:
			kept = append(kept, variable)
		}
	}
	return append(kept, extra...)
}

// startSidecar with a policy file, in a directory of its own.
func startSidecar(binary, home string, policy plan.Policy) (*child, error) {
	config := filepath.Join(home, "config")
	if err := os.MkdirAll(config, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(config, "policy.yaml"), []byte(policy.File), 0o644); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(home, "sidecar.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var clock []string
	if policy.Fault.Kind == plan.Jumped {
		if clock, err = clockOf(home); err != nil {
			return nil, err
		}
	}
	c, err := spawn(log, log, environment(clock...), binary, "run", "--config", config, "--socket", filepath.Join(home, "sdk.sock"),
		"--admin", "127.0.0.1:0", "--state-dir", filepath.Join(home, "state"))
	if err != nil {
		return nil, fmt.Errorf("the sidecar does not start (make rig-gc builds it): %w", err)
	}
	return c, nil
}

// instance is the service from one start to its end.
type instance struct {
	*child
	mu    sync.Mutex
	lines []service.Figures
}

// follow reads lines of figures; what is none is left out.
func (i *instance) follow(from io.Reader) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		var figures service.Figures
		if json.Unmarshal(lines.Bytes(), &figures) == nil {
			i.mu.Lock()
			i.lines = append(i.lines, figures)
			i.mu.Unlock()
		}
	}
}

// figures so far.
func (i *instance) figures() []service.Figures {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]service.Figures(nil), i.lines...)
}

// newest figures; all zero before there are any.
func (i *instance) newest() service.Figures {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.lines) == 0 {
		return service.Figures{}
	}
	return i.lines[len(i.lines)-1]
}

// fell says how long after that moment the limit was below what it was; a day where it was not.
func (i *instance) fell(since int64, before uint64) time.Duration {
	for _, line := range i.figures() {
		if line.At >= since && line.Limit > 0 && line.Limit < before {
			return time.Duration(line.At - since)
		}
	}
	return 24 * time.Hour
}

// answers waits until something listens on the socket.
func answers(ctx context.Context, socket string, i *instance) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		connection, err := net.Dial("unix", socket)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-i.ended:
			return fmt.Errorf("the service has ended: %v", i.ProcessState)
		case <-ctx.Done():
			return ctx.Err()
		default:
			if time.Now().After(end) {
				return err
			}
		}
	}
}

// client of a unix socket.
func client(socket string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConns: 0, MaxIdleConnsPerHost: 4096, DisableCompression: true}}
}
