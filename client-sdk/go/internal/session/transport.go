package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

const (
	// Messages that may wait to be sent; more are dropped or kept by the session as it sees fit.
	mostOutgoing = 8
	// Messages that may wait to be looked at; the stream's flow control holds the others back.
	mostIncoming = 8
	// A connection that has been silent for so long is asked whether it is still there.
	pingEvery = 10 * time.Second
	pong      = 5 * time.Second
	// A unix socket has no name; HTTP/2 wants one.
	authority = "setpoint.local"
)

// Dial opens a byte stream to the sidecar.
type Dial func(ctx context.Context) (net.Conn, error)

// UnixSocket dials the socket file of a sidecar.
func UnixSocket(path string) Dial {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}

// broken says why there is no connection, or no more.
type broken struct {
	// The sidecar does not want this process, or speaks another protocol: it will hardly change its mind.
	denied bool
	why    string
}

func brokenBy(err error) *broken {
	if errors.Is(err, io.EOF) {
		return &broken{why: "the sidecar ended the stream"}
	}
	state, ok := status.FromError(err)
	if !ok {
		return &broken{why: err.Error()}
	}
	switch state.Code() {
	case codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition:
		return &broken{true, fmt.Sprintf("the sidecar refuses this process: %s: %s", state.Code(), state.Message())}
	default:
		return &broken{why: fmt.Sprintf("%s: %s", state.Code(), state.Message())}
	}
}

// heard is what came in: a message, or the end.
type heard struct {
	message *v1.ServerMessage
	end     *broken
}

// link is an open stream, with one goroutine for each direction. There is no reconnecting in here: what breaks is dropped.
type link struct {
	outgoing chan *v1.ClientMessage
	incoming chan heard
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// open opens the stream on a connection and says the first message. It returns at once; trouble is heard.
func open(conn net.Conn, hello *v1.ClientMessage) *link {
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{
		outgoing: make(chan *v1.ClientMessage, mostOutgoing), incoming: make(chan heard, mostIncoming), cancel: cancel,
	}
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		defer conn.Close()
		end := brokenBy(l.converse(ctx, conn, hello))
		select {
		case l.incoming <- heard{end: end}:
		case <-ctx.Done():
		}
	}()
	return l
}

// converse returns with the end of the stream.
func (l *link) converse(ctx context.Context, conn net.Conn, hello *v1.ClientMessage) error {
	used := false
	client, err := grpc.NewClient("passthrough:///"+authority,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(authority),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if used {
				return nil, errors.New("a connection is used once")
			}
			used = true
			return conn, nil
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pong}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MessageBytes), grpc.MaxCallSendMsgSize(wire.MessageBytes)),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithIdleTimeout(0),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	stream, err := v1.NewTuningClient(client).Session(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(hello); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	l.running.Add(1)
	go l.speak(ctx, stream)
	for {
		// After an error of sending, receiving says what it was.
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		select {
		case l.incoming <- heard{message: message}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *link) speak(ctx context.Context, stream v1.Tuning_SessionClient) {
	defer l.running.Done()
	for {
		select {
		case message := <-l.outgoing:
			if stream.Send(message) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// send queues a message. False when there is no room: then nothing was queued.
func (l *link) send(message *v1.ClientMessage) bool {
	select {
	case l.outgoing <- message:
		return true
	default:
		return false
	}
}

// close ends the stream at once; wait for both goroutines with wait.
func (l *link) close() { l.cancel() }

func (l *link) wait() { l.running.Wait() }
