package setpointgrpc

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/testsdk"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	snapshot = "/setpoint.v1.Tuning/Snapshot"
	explain  = "/setpoint.v1.Tuning/Explain"
)

// service answers as the request says: the contract's own service serves as an example of one.
type service struct{ v1.UnimplementedTuningServer }

func (service) Snapshot(ctx context.Context, request *v1.SnapshotRequest) (*v1.SnapshotResponse, error) {
	switch request.Service {
	case "ok":
		return &v1.SnapshotResponse{}, nil
	case "busy":
		return nil, status.Error(codes.Unavailable, "busy")
	case "panic":
		panic("the service's own bug")
	case "deadline":
		deadline, ok := ctx.Deadline()
		if !ok {
			return nil, status.Error(codes.InvalidArgument, "no deadline")
		}
		return &v1.SnapshotResponse{ConfigRevision: time.Until(deadline).String()}, nil
	case "leave me alone":
		_ = grpc.SetTrailer(ctx, metadata.Pairs(pushbackKey, "77000"))
		return nil, status.Error(codes.Unavailable, "busy")
	case "wrong":
		return nil, status.Error(codes.NotFound, "nobody")
	default:
		return nil, errors.New("no status")
	}
}

func (service) Explain(request *v1.ExplainRequest, stream v1.Tuning_ExplainServer) error {
	if request.Service == "panic" {
		panic("the service's own bug")
	}
	for range request.Last {
		if err := stream.Send(&v1.Decision{}); err != nil {
			return err
		}
	}
	if request.Follow {
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	return nil
}

func connect(t *testing.T, in, out *setpoint.Limiter) v1.TuningClient {
	return connectWith(t, in, out, nil, nil)
}

func connectWith(t *testing.T, in, out *setpoint.Limiter, atServer, atClient []Option) v1.TuningClient {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(UnaryServer(in, atServer...)), grpc.StreamInterceptor(StreamServer(in, atServer...)))
	v1.RegisterTuningServer(server, service{})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(UnaryClient(out, atClient...)), grpc.WithStreamInterceptor(StreamClient(out, atClient...)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		<-served
	})
	return v1.NewTuningClient(conn)
}

func sums(completed, dropped, failed, cancelled uint64) func(*v1.ResourceStats) bool {
	return func(s *v1.ResourceStats) bool {
		return s.Completed == completed && s.Dropped == dropped && s.Failed == failed && s.Cancelled == cancelled && s.InFlight == 0
	}
}

func TestCodesMeanWhatTheTableSaysOnBothSides(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	client := connect(t, sdk.Limiter("in"), sdk.Limiter("out"))
	ctx := context.Background()
	for _, how := range []string{"ok", "busy", "wrong", "odd"} {
		_, err := client.Snapshot(ctx, &v1.SnapshotRequest{Service: how})
		if (err == nil) != (how == "ok") {
			t.Errorf("%s: %v", how, err)
		}
	}
	whole, err := client.Explain(ctx, &v1.ExplainRequest{Last: 3})
	if err != nil {
		t.Fatal(err)
	}
	for count := 0; ; count++ {
		if _, err := whole.Recv(); errors.Is(err, io.EOF) {
			if count != 3 {
				t.Errorf("%d answers", count)
			}
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	// One that its caller lets go without having read it to the end.
	letGo, cancel := context.WithCancel(ctx)
	if _, err := client.Explain(letGo, &v1.ExplainRequest{Last: 1, Follow: true}); err != nil {
		t.Fatal(err)
	}
	sidecar.Counters("limit.in", func(s *v1.ResourceStats) bool { return s.InFlight == 1 })
	cancel()
	sidecar.Counters("limit.in", sums(2, 1, 1, 2))
	sidecar.Counters("limit.out", sums(2, 1, 1, 2))
}

func TestARefusedCallIsToldWhenToComeBack(t *testing.T) {
	sdk, _ := testsdk.Start(t)
	in, out := sdk.Limiter("in", setpoint.Bounds(0, 10), setpoint.Baseline(0)), sdk.Limiter("out")
	client := connect(t, in, out)
	var trailer metadata.MD
	_, err := client.Snapshot(context.Background(), &v1.SnapshotRequest{Service: "ok"}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.ResourceExhausted || len(trailer[RejectedKey]) != 1 || trailer[RejectedKey][0] != "concurrency_limit" || len(trailer[pushbackKey]) != 1 {
		t.Errorf("%v %v", err, trailer)
	}
	stream, err := client.Explain(context.Background(), &v1.ExplainRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = stream.Recv(); status.Code(err) != codes.ResourceExhausted || len(stream.Trailer()[RejectedKey]) != 1 {
		t.Errorf("%v %v", err, stream.Trailer())
	}
	out.Breaker().Pin(setpoint.BreakerForcedOpen)
	var rejected *setpoint.Rejected
	if _, err := client.Snapshot(context.Background(), &v1.SnapshotRequest{}); !errors.As(err, &rejected) || rejected.Reason != setpoint.BreakerIsOpen {
		t.Errorf("%v", err)
	}
	if _, err := client.Explain(context.Background(), &v1.ExplainRequest{}); !errors.As(err, &rejected) {
		t.Errorf("%v", err)
	}
}

func TestC8_ExemptMethodsPassAlways(t *testing.T) {
	settings := settingsOf([]Option{Exempt(snapshot, "/shop.Cart/*")})
	for method, expected := range map[string]setpoint.Priority{
		snapshot: setpoint.Exempt, explain: setpoint.High, "/shop.Cart/Add": setpoint.Exempt, "/grpc.health.v1.Health/Check": setpoint.Exempt,
	} {
		if got := settings.priorityOf(setpoint.WithPriority(context.Background(), setpoint.High), method); got != expected {
			t.Errorf("%s: %v", method, got)
		}
	}
}

func TestB6_APanicIsAFailureAndItsPlaceIsFree(t *testing.T) {
	sdk, sidecar := testsdk.Start(t)
	in := sdk.Limiter("in")
	func() {
		defer func() { recover() }()
		_, _ = UnaryServer(in)(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: snapshot}, func(context.Context, any) (any, error) {
			panic("the service's own bug")
		})
	}()
	sidecar.Counters("limit.in", sums(0, 0, 1, 0))
	if in.InFlight() != 0 {
		t.Errorf("%d", in.InFlight())
	}
}
