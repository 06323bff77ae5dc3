package setpointgrpc

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/testsdk"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

func ask(client v1.TuningClient, ctx context.Context, service string, options ...grpc.CallOption) (*v1.SnapshotResponse, error) {
	return client.Snapshot(ctx, &v1.SnapshotRequest{Service: service}, options...)
}

func TestC8_HealthAndTracesPassInEveryState(t *testing.T) {
	sdk, _ := testsdk.Start(t)
	limiter := sdk.Limiter("in", setpoint.Bounds(0, 10))
	limiter.Pin(0)
	handler := func(context.Context, any) (any, error) { return "served", nil }
	for state := setpoint.BreakerClosed; state <= setpoint.BreakerShadow; state++ {
		limiter.Breaker().Pin(state)
		for method, passes := range map[string]bool{
			"/grpc.health.v1.Health/Check": true, "/opentelemetry.proto.collector.trace.v1.TraceService/Export": true, "/shop.Cart/Add": false,
		} {
			_, err := UnaryServer(limiter)(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: method}, handler)
			if (err == nil) != passes {
				t.Errorf("%s while %v: %v", method, state, err)
			}
		}
	}
}

func TestEveryGateAnswersInItsOwnWay(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	in, out, rate := sdk.Limiter("in"), sdk.Limiter("out"), sdk.Rate("in", setpoint.Bounds(0, 10))
	client := connectWith(t, in, out, []Option{Rate(rate)}, nil)
	expect := func(code codes.Code, reason string) {
		t.Helper()
		var trailer metadata.MD
		_, err := ask(client, context.Background(), "ok", grpc.Trailer(&trailer))
		if status.Code(err) != code || len(trailer.Get(RejectedKey)) != 1 || trailer.Get(RejectedKey)[0] != reason {
			t.Errorf("%v %v, expected %v %s", err, trailer, code, reason)
		}
	}
	if _, err := ask(client, context.Background(), "ok"); err != nil {
		t.Error(err)
	}
	rate.Pin(0)
	expect(codes.ResourceExhausted, "rate_limit")
	in.Breaker().Pin(setpoint.BreakerForcedOpen)
	expect(codes.Unavailable, "breaker_open")
	sidecar.Counters("limit.in", sums(1, 0, 0, 1))
	sidecar.Counters("rate.in", sums(1, 0, 0, 0))
	sidecar.Counters("limit.out", sums(1, 2, 0, 0))
}

func TestC7_ACallHasTheTimeThatIsLeft(t *testing.T) {
	sdk, _ := testsdk.Start(t)
	in, out := sdk.Limiter("in"), sdk.Limiter("out")
	client := connectWith(t, in, out, []Option{Deadlines(500*time.Second, setpoint.KeepRatio(0.2))}, []Option{PassDeadline(setpoint.KeepTime(100 * time.Second))})
	within := func(limit time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		t.Cleanup(cancel)
		return ctx
	}
	for _, test := range []struct {
		ctx     context.Context
		seconds float64
	}{{context.Background(), 400}, {within(300 * time.Second), 200}, {within(1000 * time.Second), 400}} {
		answer, err := ask(client, test.ctx, "deadline")
		if err != nil {
			t.Fatal(err)
		}
		if left, err := time.ParseDuration(answer.ConfigRevision); err != nil || left.Seconds() > test.seconds || left.Seconds() < test.seconds-60 {
			t.Errorf("%v left, expected %v s: %v", left, test.seconds, err)
		}
	}
	var rejected *setpoint.Rejected
	if _, err := ask(client, within(50*time.Second), "ok"); !errors.As(err, &rejected) || rejected.Reason != setpoint.DeadlineOver {
		t.Errorf("more is kept than is left: %v", err)
	}
	if _, err := client.Explain(within(50*time.Second), &v1.ExplainRequest{}); !errors.As(err, &rejected) {
		t.Errorf("%v", err)
	}
	stream, err := client.Explain(within(300*time.Second), &v1.ExplainRequest{Last: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Error(err)
	}
}

func TestB6_PanicsAreContainedIfAskedForAndCountedAlways(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	in := sdk.Limiter("in", setpoint.Bounds(1, 1))
	client := connectWith(t, in, sdk.Limiter("out"), []Option{ContainPanics()}, nil)
	if _, err := ask(client, context.Background(), "panic"); status.Code(err) != codes.Internal {
		t.Error(err)
	}
	stream, err := client.Explain(context.Background(), &v1.ExplainRequest{Service: "panic"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Internal {
		t.Error(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it goes on")
			}
		}()
		handler := func(context.Context, any) (any, error) { panic("the service's own bug") }
		_, _ = UnaryServer(in)(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: snapshot}, handler)
	}()
	sidecar.Counters("limit.in", sums(0, 0, 3, 0))
}

func TestAClientBelievesWhoAsksToBeLeftAloneAndThrottlesItself(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	throttle := sdk.Throttle("out")
	client := connectWith(t, sdk.Limiter("in"), sdk.Limiter("out"), nil, []Option{Throttle(throttle)})
	refused := 0
	for range 100 {
		var rejected *setpoint.Rejected
		if _, err := ask(client, context.Background(), "leave me alone"); errors.As(err, &rejected) && rejected.Reason == setpoint.Throttled {
			refused++
		}
	}
	stats := sidecar.Counters("limit.out", sums(0, uint64(100-refused), 0, 0))
	if left := stats.RetryAfterSeen.AsDuration(); refused == 0 || left < 60*time.Second || left > 77*time.Second {
		t.Errorf("%d refused, %v", refused, left)
	}
}

func TestC8_APriorityIsClaimedAsFarAsCallersAreTrusted(t *testing.T) {
	settings := settingsOf([]Option{PriorityFrom("x-priority", setpoint.High)})
	for text, expected := range map[string]setpoint.Priority{"critical": setpoint.High, "low": setpoint.Low, "root": setpoint.Normal} {
		ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("x-priority", text))
		if got := settings.priorityOf(ctx, snapshot); got != expected {
			t.Errorf("%q: %v", text, got)
		}
	}
}
