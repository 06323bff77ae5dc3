package setpoint

import (
	"testing"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
