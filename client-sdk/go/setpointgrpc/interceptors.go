// Package setpointgrpc holds gRPC calls to a limit and a breaker, unary and streamed, on the server's and on the client's side.
//
// A refused call ends in RESOURCE_EXHAUSTED, with grpc-retry-pushback-ms and x-setpoint-rejected in its trailer. A status code means
// its default (setpoint.OutcomeOfGRPCCode): OK is success, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED and UNAVAILABLE mean overload,
// UNKNOWN, INTERNAL and DATA_LOSS a failure, the rest is ignored. A panic is a failure.
//
// A stream counts as one call for as long as it lasts. That is right for transfers, and wrong for subscriptions that last for hours:
// leave these out with Exempt.
package setpointgrpc

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
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
}

// Exempt lets methods through always and uncounted: exactly this one, such as /shop.Cart/Add, or everything below it if it ends in /*.
// Beside the default one, /grpc.health.v1.Health/*.
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

func settingsOf(options []Option) *settings {
	s := &settings{
		exact:    make(map[string]bool),
		priority: func(ctx context.Context, _ string) setpoint.Priority { return setpoint.PriorityFrom(ctx) },
		outcome:  outcomeOf,
	}
	Exempt("/grpc.health.v1.Health/*")(s)
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
		return nil, err
	}
	trailer := metadata.Pairs(RejectedKey, rejected.Reason.String(), pushbackKey, strconv.FormatInt(rejected.RetryAfter.Milliseconds(), 10))
	return trailer, status.Error(codes.ResourceExhausted, rejected.Error())
}

// UnaryServer holds the calls of a server to a limit.
func UnaryServer(limiter *setpoint.Limiter, options ...Option) grpc.UnaryServerInterceptor {
	settings := settingsOf(options)
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
		permit, err := limiter.TryAcquire(settings.priorityOf(ctx, info.FullMethod))
		if err != nil {
			trailer, err := refusal(err)
			_ = grpc.SetTrailer(ctx, trailer) // a call without a stream has none to set
			return nil, err
		}
		outcome := setpoint.Failure
		defer func() { permit.Finish(outcome) }()
		response, err = handler(ctx, request)
		outcome = settings.outcome(err)
		return response, err
	}
}

// StreamServer holds the streams of a server to a limit.
func StreamServer(limiter *setpoint.Limiter, options ...Option) grpc.StreamServerInterceptor {
	settings := settingsOf(options)
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		permit, err := limiter.TryAcquire(settings.priorityOf(stream.Context(), info.FullMethod))
		if err != nil {
			trailer, err := refusal(err)
			stream.SetTrailer(trailer)
			return err
		}
		outcome := setpoint.Failure
		defer func() { permit.Finish(outcome) }()
		err = handler(server, stream)
		outcome = settings.outcome(err)
		return err
	}
}

// UnaryClient holds the calls of a client to a limit. The error of a call that was not let in is a *setpoint.Rejected.
func UnaryClient(limiter *setpoint.Limiter, options ...Option) grpc.UnaryClientInterceptor {
	settings := settingsOf(options)
	return func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		permit, err := limiter.TryAcquire(settings.priorityOf(ctx, method))
		if err != nil {
			return err
		}
		outcome := setpoint.Failure
		defer func() { permit.Finish(outcome) }()
		err = invoke(ctx, method, request, reply, conn, options...)
		outcome = settings.outcome(err)
		return err
	}
}

// StreamClient holds the streams of a client to a limit. The error of one that was not let in is a *setpoint.Rejected.
func StreamClient(limiter *setpoint.Limiter, options ...Option) grpc.StreamClientInterceptor {
	settings := settingsOf(options)
	return func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
		permit, err := limiter.TryAcquire(settings.priorityOf(ctx, method))
		if err != nil {
			return nil, err
		}
		call := &clientStream{permit: permit, settings: settings, answers: desc.ServerStreams}
		opened := false
		defer func() {
			if !opened {
				call.finish(setpoint.Failure)
			}
		}()
		call.ClientStream, err = open(ctx, desc, conn, method, options...)
		opened = true
		if err != nil {
			call.finish(settings.outcome(err))
			return nil, err
		}
		// A stream that its caller lets go without having read it to the end; gRPC itself asks for that.
		call.stop = context.AfterFunc(ctx, func() { call.finish(settings.outcome(status.FromContextError(ctx.Err()).Err())) })
		return call, nil
	}
}

// clientStream ends its permit with the stream.
type clientStream struct {
	grpc.ClientStream
	settings *settings
	// Several answers may come; else the only one is the end.
	answers bool
	stop    func() bool
	once    sync.Once
	permit  setpoint.Permit
}

func (c *clientStream) RecvMsg(message any) error {
	err := c.ClientStream.RecvMsg(message)
	switch {
	case errors.Is(err, io.EOF), err == nil && !c.answers:
		c.finish(setpoint.Success)
	case err != nil:
		c.finish(c.settings.outcome(err))
	default:
		return nil
	}
	c.stop()
	return err
}

func (c *clientStream) finish(outcome setpoint.Outcome) {
	c.once.Do(func() { c.permit.Finish(outcome) })
}
