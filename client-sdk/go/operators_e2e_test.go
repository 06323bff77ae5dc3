package setpoint_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

// TestL6_ARealSidecarTellsOperatorsOverItsSocket asks as any gRPC client on the service's side can.
func TestL6_ARealSidecarTellsOperatorsOverItsSocket(t *testing.T) {
	path, home := binary(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "config"), 0o755); err != nil {
		t.Fatal(err)
	}
	fixed := policy[:len(policy)-len("min: 4, max: 400}\n")] + "min: 40, max: 40, initial: 40}\n"
	if err := os.WriteFile(filepath.Join(home, "config/policy.yaml"), []byte(fixed), 0o644); err != nil {
		t.Fatal(err)
	}
	startSidecar(t, path, home)
	socket := filepath.Join(home, "sdk.sock")
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }() // nothing is left to lose
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	client := v1.NewTuningClient(connection)
	follow, err := client.Explain(ctx, &v1.ExplainRequest{Service: "checkout", Knob: "limit.inbound", Follow: true})
	if err != nil {
		t.Fatal(err)
	}

	sdk := setpoint.Start(ctx, "checkout", setpoint.WithSocket(socket))
	defer sdk.Stop()
	limiter := sdk.Limiter("inbound", setpoint.Bounds(4, 400), setpoint.Baseline(50))
	change, err := follow.Recv()
	if err != nil || change.From != 50 || change.To != 40 || change.Reason.GetText() == "" {
		t.Fatalf("%v %v", change, err)
	}
	eventually(t, "in force", 20*time.Second, func() bool { return limiter.Limit() == 40 })

	answer, err := client.Snapshot(ctx, &v1.SnapshotRequest{Service: "checkout"})
	if err != nil || answer.ConfigState != "active" || answer.ConfigError != "" || len(answer.Sessions) != 1 {
		t.Fatalf("%v %v", answer, err)
	}
	session := answer.Sessions[0]
	for _, frame := range session.Wanted {
		for _, wanted := range frame.Set {
			if wanted.Knob == "limit.inbound" && wanted.GetLimit().GetConcurrency() == 40 && wanted.DecisionId == change.Id {
				return
			}
		}
	}
	t.Errorf("the change is not wanted: %v", session)
}
