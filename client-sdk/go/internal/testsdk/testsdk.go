// Package testsdk starts SDKs for tests, beside a sidecar that they read the counters from.
package testsdk

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

// Start a service and its sidecar; both end with the test. The sidecar welcomes every session and then listens.
func Start(t *testing.T) (*setpoint.Setpoint, *Sidecar) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "sdk.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	sidecar := &Sidecar{T: t, reports: make(chan *v1.Report), talks: make(chan v1.Tuning_SessionServer, 1), done: make(chan struct{})}
	server := grpc.NewServer()
	v1.RegisterTuningServer(server, sidecar)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with Stop
	}()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	sdk := setpoint.Start(context.Background(), "test", setpoint.WithSocket(socket), setpoint.WithLogger(quiet))
	t.Cleanup(func() {
		close(sidecar.done)
		sdk.Stop()
		server.Stop()
		<-served
	})
	return sdk, sidecar
}

// Sidecar that listens.
type Sidecar struct {
	*testing.T
	v1.UnimplementedTuningServer
	reports chan *v1.Report
	talks   chan v1.Tuning_SessionServer
	done    chan struct{}
}

// Session is the server's side of a stream.
func (s *Sidecar) Session(stream v1.Tuning_SessionServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if err := stream.Send(&v1.ServerMessage{Msg: &v1.ServerMessage_Welcome{Welcome: &v1.Welcome{Protocol: 1, Epoch: 1}}}); err != nil {
		return err
	}
	beat := &v1.Beat{LoopTick: 1}
	s.talks <- stream
	for {
		message, err := stream.Recv()
		if err != nil {
			return nil
		}
		if message.GetBeat() != nil {
			beat.LoopTick++
			_ = stream.Send(&v1.ServerMessage{Msg: &v1.ServerMessage_Beat{Beat: beat}})
		}
		if report := message.GetReport(); report != nil {
			select {
			case s.reports <- report:
			case <-s.done:
			default: // nobody asks
			}
		}
	}
}

// Counters of a limiter, once they satisfy what is expected; the test fails when they never do.
func (s *Sidecar) Counters(knob string, expected func(*v1.ResourceStats) bool) *v1.ResourceStats {
	s.Helper()
	var last *v1.ResourceStats
	for range 100 {
		report := s.Report()
		for _, stats := range report.Resources {
			if stats.Knob == knob {
				if last = stats; expected(stats) {
					return stats
				}
			}
		}
	}
	s.Fatalf("counters of %s stay at %v", knob, last)
	return nil
}

// Report is the next one.
func (s *Sidecar) Report() *v1.Report { return <-s.reports }

// Push numbers to knobs.
func (s *Sidecar) Push(seq uint64, numbers map[string]float64) {
	s.Helper()
	frame := &v1.Frame{Channel: v1.Frame_CUSTOM, Nonce: seq, Version: &v1.Version{Epoch: 1, Seq: seq}}
	for knob, number := range numbers {
		frame.Set = append(frame.Set, &v1.Setpoint{Knob: knob, Value: &v1.Setpoint_Number{Number: number}})
	}
	stream := <-s.talks
	s.talks <- stream
	if err := stream.Send(&v1.ServerMessage{Msg: &v1.ServerMessage_Frame{Frame: frame}}); err != nil {
		s.Fatal(err)
	}
}
