// Package setpointgrpc holds gRPC calls to a limit and a breaker, unary and streamed, on the server's and on the client's side.
//
// A refused call ends in RESOURCE_EXHAUSTED (by a breaker or a throttle: UNAVAILABLE), with grpc-retry-pushback-ms and x-setpoint-rejected
// in its trailer. A status code means its default (setpoint.OutcomeOfGRPCCode): OK is success, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED and
// UNAVAILABLE mean overload, UNKNOWN, INTERNAL and DATA_LOSS a failure, the rest is ignored. A panic is a failure. The health service
// and the trace collector pass in every state.
//
// Deadlines travel with gRPC by themselves; where the limiter has a queue (setpoint.Queue), calls wait in it. A stream counts as one call
// for as long as it lasts. That is right for transfers, and wrong for subscriptions that last for hours: leave these out with Exempt.
package setpointgrpc

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/call"
)

// UnaryServer holds the calls of a server to a limit.
func UnaryServer(limiter *setpoint.Limiter, options ...Option) grpc.UnaryServerInterceptor {
	settings := settingsOf(options)
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
		priority := settings.priorityOf(ctx, info.FullMethod)
		if priority == setpoint.Exempt {
			return handler(ctx, request)
		}
		ctx, cancel := settings.withDeadline(ctx)
		defer cancel()
		admitted, err := settings.gates.Begin(ctx, limiter, priority)
		if err != nil {
			trailer, err := refusal(err)
			_ = grpc.SetTrailer(ctx, trailer) // a call without a stream has none to set
			return nil, err
		}
		defer settings.ended(&admitted, &err)()
		return handler(ctx, request)
	}
}

// StreamServer holds the streams of a server to a limit.
func StreamServer(limiter *setpoint.Limiter, options ...Option) grpc.StreamServerInterceptor {
	settings := settingsOf(options)
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
		priority := settings.priorityOf(stream.Context(), info.FullMethod)
		if priority == setpoint.Exempt {
			return handler(server, stream)
		}
		ctx, cancel := settings.withDeadline(stream.Context())
		defer cancel()
		admitted, err := settings.gates.Begin(ctx, limiter, priority)
		if err != nil {
			trailer, err := refusal(err)
			stream.SetTrailer(trailer)
			return err
		}
		defer settings.ended(&admitted, &err)()
		return handler(server, &serverStream{stream, ctx})
	}
}

// serverStream has the deadline that was promised.
type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *serverStream) Context() context.Context { return s.ctx }

// UnaryClient holds the calls of a client to a limit. The error of a call that was not let in is a *setpoint.Rejected.
func UnaryClient(limiter *setpoint.Limiter, options ...Option) grpc.UnaryClientInterceptor {
	settings := settingsOf(options)
	return func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		priority := settings.priorityOf(ctx, method)
		if priority == setpoint.Exempt {
			return invoke(ctx, method, request, reply, conn, options...)
		}
		ctx, cancel := setpoint.Part(ctx, settings.keep)
		defer cancel()
		admitted, err := settings.gates.Begin(ctx, limiter, priority)
		if err != nil {
			return err
		}
		outcome, trailer := setpoint.Failure, metadata.MD(nil)
		defer func() { admitted.End(outcome, pushbackOf(outcome, trailer)) }()
		err = invoke(ctx, method, request, reply, conn, append(options[:len(options):len(options)], grpc.Trailer(&trailer))...)
		outcome = settings.outcome(err)
		return err
	}
}

// StreamClient holds the streams of a client to a limit. The error of one that was not let in is a *setpoint.Rejected.
func StreamClient(limiter *setpoint.Limiter, options ...Option) grpc.StreamClientInterceptor {
	settings := settingsOf(options)
	return func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
		priority := settings.priorityOf(ctx, method)
		if priority == setpoint.Exempt {
			return open(ctx, desc, conn, method, options...)
		}
		ctx, cancel := setpoint.Part(ctx, settings.keep)
		admitted, err := settings.gates.Begin(ctx, limiter, priority)
		if err != nil {
			cancel()
			return nil, err
		}
		stream := &clientStream{call: admitted, settings: settings, answers: desc.ServerStreams, cancel: cancel}
		opened := false
		defer func() {
			if !opened {
				stream.finish(setpoint.Failure, nil)
			}
		}()
		stream.ClientStream, err = open(ctx, desc, conn, method, options...)
		opened = true
		if err != nil {
			stream.finish(settings.outcome(err), nil)
			return nil, err
		}
		// A stream that its caller lets go without having read it to the end; gRPC itself asks for that.
		stream.stop = context.AfterFunc(ctx, func() { stream.finish(settings.outcome(status.FromContextError(ctx.Err()).Err()), nil) })
		return stream, nil
	}
}

// clientStream ends its call with the stream.
type clientStream struct {
	grpc.ClientStream
	settings *settings
	// Several answers may come; else the only one is the end.
	answers bool
	stop    func() bool
	cancel  context.CancelFunc
	once    sync.Once
	call    call.Call
}

func (c *clientStream) RecvMsg(message any) error {
	err := c.ClientStream.RecvMsg(message)
	switch {
	case errors.Is(err, io.EOF), err == nil && !c.answers:
		c.finish(setpoint.Success, nil)
	case err != nil:
		c.finish(c.settings.outcome(err), c.ClientStream.Trailer())
	default:
		return nil
	}
	c.stop()
	return err
}

func (c *clientStream) finish(outcome setpoint.Outcome, trailer metadata.MD) {
	c.once.Do(func() {
		c.call.End(outcome, pushbackOf(outcome, trailer))
		c.cancel()
	})
}
