package setpointgrpc

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/call"
)

// ended is to be deferred by a server's interceptor: a handler that does not return has panicked.
func (s *settings) ended(c *call.Call, err *error) func() {
	*err = errPanicked
	return func() {
		panicked := *err == errPanicked
		if !panicked {
			c.End(s.outcome(*err), 0)
			return
		}
		c.End(setpoint.Failure, 0)
		if !s.contain {
			return
		}
		if caught := recover(); caught != nil {
			slog.Error("a handler panicked", "panic", caught, "stack", string(debug.Stack()))
		}
	}
}

// errPanicked stands for the error of a handler that has not returned.
var errPanicked = status.Error(codes.Internal, "panicked")

func (s *settings) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.promised <= 0 {
		return ctx, func() {}
	}
	return setpoint.Within(ctx, s.promised, s.keep)
}

// pushbackOf a trailer is when the callee wants to be asked again: only of a call that went wrong, and only as a number.
func pushbackOf(outcome setpoint.Outcome, trailer metadata.MD) time.Duration {
	said := trailer.Get(pushbackKey)
	if len(said) != 1 {
		return 0
	}
	wait, _ := call.RetryAfter(outcome, said[0], time.Millisecond)
	return wait
}
