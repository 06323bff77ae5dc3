package setpointgrpc

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/call"
)

// RejectedKey tells a rejection by a limit from any other; its value is the reason.
const RejectedKey = "x-setpoint-rejected"

const pushbackKey = "grpc-retry-pushback-ms"

// Option of the interceptors.
type Option func(*settings)

type settings struct {
	exact    map[string]bool
	below    []string
	priority func(ctx context.Context, method string) setpoint.Priority
	outcome  func(err error) setpoint.Outcome
	gates    call.Gates
	promised time.Duration
	keep     setpoint.Reserve
	contain  bool
}

// Exempt lets methods through always and uncounted: exactly this one, such as /shop.Cart/Add, or everything below it if it ends in /*.
// Beside the default ones, /grpc.health.v1.Health/* and the trace collector of OpenTelemetry.
func Exempt(methods ...string) Option {
	return func(s *settings) {
		for _, method := range methods {
			if prefix, ok := strings.CutSuffix(method, "*"); ok && strings.HasSuffix(prefix, "/") {
				s.below = append(s.below, prefix)
			} else {
				s.exact[method] = true
			}
		}
	}
}

// PriorityOf says how much a call matters. Default: what is noted in its context, else normal.
func PriorityOf(priority func(ctx context.Context, method string) setpoint.Priority) Option {
	return func(s *settings) { s.priority = priority }
}

// OutcomeOf says what the end of a call means. Default: by its status code.
func OutcomeOf(outcome func(err error) setpoint.Outcome) Option {
	return func(s *settings) { s.outcome = outcome }
}

// PriorityFrom a key of the metadata, and nothing above atMost: see setpoint.ParsePriority. Anything else is what the context says.
func PriorityFrom(key string, atMost setpoint.Priority) Option {
	return PriorityOf(func(ctx context.Context, _ string) setpoint.Priority {
		if values := metadata.ValueFromIncomingContext(ctx, key); len(values) == 1 {
			if priority, ok := setpoint.ParsePriority(values[0], atMost); ok {
				return priority
			}
		}
		return setpoint.PriorityFrom(ctx)
	})
}

// Throttle is for clients: refuses calls that their callee would most likely refuse. It is asked first.
func Throttle(throttle *setpoint.Throttle) Option {
	return func(s *settings) { s.gates.Throttle = throttle }
}

// Rate holds calls to a rate as well, and tells it how they end. It is asked last: a token is taken when nothing else can refuse the call
// any more.
func Rate(rate *setpoint.Rate) Option {
	return func(s *settings) { s.gates.Rate = rate }
}

// Deadlines is for servers: gives each call's context the deadline of what was promised to callers, less what is kept back of it, where
// its own is not earlier.
func Deadlines(promised time.Duration, keep setpoint.Reserve) Option {
	return func(s *settings) { s.promised, s.keep = promised, keep }
}

// PassDeadline is for clients: keeps something back of what is left of a call's deadline before gRPC passes it on. A call for which
// nothing is left is refused.
func PassDeadline(keep setpoint.Reserve) Option {
	return func(s *settings) { s.keep = keep }
}

// ContainPanics is for servers: ends a call whose handler panics in INTERNAL, and logs it, instead of letting the panic go on, which ends
// the process. Default: off, and a panic goes on once it is counted.
func ContainPanics() Option {
	return func(s *settings) { s.contain = true }
}

func settingsOf(options []Option) *settings {
	s := &settings{
		exact:    make(map[string]bool),
		priority: func(ctx context.Context, _ string) setpoint.Priority { return setpoint.PriorityFrom(ctx) },
		outcome:  outcomeOf,
	}
	Exempt("/grpc.health.v1.Health/*", "/opentelemetry.proto.collector.trace.v1.TraceService/*")(s)
	for _, option := range options {
		option(s)
	}
	return s
}

// outcomeOf also knows what a handler returns that has no status: the errors of its context and those of other limits.
func outcomeOf(err error) setpoint.Outcome {
	if _, ok := status.FromError(err); !ok {
		return setpoint.OutcomeOf(err)
	}
	return setpoint.OutcomeOfGRPCCode(uint32(status.Code(err)))
}

func (s *settings) priorityOf(ctx context.Context, method string) setpoint.Priority {
	if s.exact[method] {
		return setpoint.Exempt
	}
	for _, prefix := range s.below {
		if strings.HasPrefix(method, prefix) {
			return setpoint.Exempt
		}
	}
	return s.priority(ctx, method)
}

// refusal as the caller gets it, and what its retry logic understands.
func refusal(err error) (metadata.MD, error) {
	var rejected *setpoint.Rejected
	if !errors.As(err, &rejected) {
		return nil, status.FromContextError(err).Err()
	}
	code := codes.ResourceExhausted
	if rejected.Reason == setpoint.BreakerIsOpen || rejected.Reason == setpoint.Throttled {
		code = codes.Unavailable
	}
	trailer := metadata.Pairs(RejectedKey, rejected.Reason.String(), pushbackKey, strconv.FormatInt(rejected.RetryAfter.Milliseconds(), 10))
	return trailer, status.Error(code, rejected.Error())
}
