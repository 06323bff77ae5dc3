//go:build go1.25

package setpoint

import (
	"context"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/fakesidecar"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

var (
	limit  = fakesidecar.Limit
	number = fakesidecar.Number
)

// nothing is what a process sees of itself in tests of the session.
type nothing struct{}

func (nothing) Sample(time.Duration) (*v1.ContainerStats, *v1.RuntimeStats) { return nil, nil }
func (nothing) Close()                                                      {}

func hidden(s *settings) {
	s.own, s.log = nothing{}, quiet()
}

// fixture is a service with a limiter db (4 to 400, baseline 64), and its sidecar.
type fixture struct {
	*testing.T
	sidecar *fakesidecar.Sidecar
	sdk     *Setpoint
	db      *Limiter
}

// inBubble runs a test whose time passes only while everything waits.
func inBubble(t *testing.T, test func(*fixture), options ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{T: t, sidecar: fakesidecar.Start()}
		registered := make(chan struct{})
		dial := func(ctx context.Context) (net.Conn, error) {
			<-registered
			return f.sidecar.Dial(ctx)
		}
		options := append([]Option{hidden, WithSocket("/nonexistent/setpoint.sock"), func(s *settings) { s.dial = dial }}, options...)
		f.sdk = Start(context.Background(), "checkout", options...)
		f.db = f.sdk.Limiter("db", Bounds(4, 400), Baseline(64))
		close(registered)
		test(f)
		f.sdk.Stop()
		f.sidecar.Stop()
	})
}

func (f *fixture) expect(limit float64, health Health, when string) {
	f.Helper()
	synctest.Wait()
	if got := math.Round(f.db.Limit()); got != limit || f.sdk.Health() != health {
		f.Errorf("%s: %v %v, expected %v %v", when, got, f.sdk.Health(), limit, health)
	}
}

func (f *fixture) expectStatus(ack *v1.Ack, line int, status v1.Applied_Status, effective float64) {
	f.Helper()
	if len(ack.GetResults()) <= line {
		f.Fatalf("no line %d in %v", line, ack)
	}
	if got := ack.Results[line]; got.Status != status || got.Effective != effective {
		f.Errorf("%v, expected %v %v", got, status, effective)
	}
}
