package setpoint

import (
	"io"
	"log/slog"
	"testing"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
