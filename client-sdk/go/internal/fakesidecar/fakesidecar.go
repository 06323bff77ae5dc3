// Package fakesidecar is a sidecar for tests that does exactly what the test says, over connections in memory.
package fakesidecar

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

// Sidecar that waits for sessions.
type Sidecar struct {
	v1.UnimplementedTuningServer
	// Refuse every session with this error, if not nil. To be set before the first one.
	Refuse error
	// Knocks are attempts to connect.
	Knocks atomic.Int64
	shut   atomic.Bool

	server *grpc.Server
	doors  chan net.Conn
	talks  chan *Talk
	done   chan struct{}
	serve  sync.WaitGroup
}

// Start listens.
func Start() *Sidecar {
	s := &Sidecar{server: grpc.NewServer(), doors: make(chan net.Conn), talks: make(chan *Talk), done: make(chan struct{})}
	v1.RegisterTuningServer(s.server, s)
	s.serve.Add(1)
	go func() {
		defer s.serve.Done()
		_ = s.server.Serve(s) // ends with Stop
	}()
	return s
}

// Stop ends everything.
func (s *Sidecar) Stop() {
	close(s.done)
	s.server.Stop()
	s.serve.Wait()
}

// Shut turns connections away, or no more.
func (s *Sidecar) Shut(shut bool) { s.shut.Store(shut) }

// Dial is how a session finds this sidecar.
func (s *Sidecar) Dial(ctx context.Context) (net.Conn, error) {
	s.Knocks.Add(1)
	if s.shut.Load() {
		return nil, errors.New("nobody listens")
	}
	ours, theirs := net.Pipe()
	select {
	case s.doors <- ours:
		return theirs, nil
	case <-s.done:
		return nil, errors.New("nobody listens any more")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept is of net.Listener.
func (s *Sidecar) Accept() (net.Conn, error) {
	select {
	case conn := <-s.doors:
		return conn, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close is of net.Listener.
func (s *Sidecar) Close() error { return nil }

// Addr is of net.Listener.
func (s *Sidecar) Addr() net.Addr { return &net.UnixAddr{Name: "fake", Net: "unix"} }

// Session is the server's side of a stream.
func (s *Sidecar) Session(stream v1.Tuning_SessionServer) error {
	if s.Refuse != nil {
		return s.Refuse
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	talk := &Talk{stream: stream, heard: make(chan *v1.ClientMessage, 10_000), over: cancel, ctx: ctx}
	go func() {
		defer cancel()
		defer close(talk.heard)
		for {
			message, err := stream.Recv()
			if err != nil {
				return
			}
			talk.heard <- message
		}
	}()
	select {
	case s.talks <- talk:
	case <-s.done:
		return nil
	}
	select {
	case <-ctx.Done():
	case <-s.done:
	}
	return nil
}

// Next is the next stream.
func (s *Sidecar) Next() *Talk { return <-s.talks }

// Welcomed is the next stream, after hello and welcome.
func (s *Sidecar) Welcomed(epoch uint64) *Talk {
	talk := s.Next()
	talk.Hello()
	talk.Welcome(epoch)
	return talk
}

// Talk is one stream.
type Talk struct {
	// Epoch and Tick of what is said.
	Epoch, Tick uint64
	stream      v1.Tuning_SessionServer
	heard       chan *v1.ClientMessage
	ctx         context.Context
	over        context.CancelFunc
	nonce, n    uint64
	pushed      map[v1.Frame_Channel]uint64
}

// HangUp ends the stream.
func (t *Talk) HangUp() { t.over() }

// Over is closed when the stream has ended.
func (t *Talk) Over() <-chan struct{} { return t.ctx.Done() }

// Patience with an SDK that says nothing.
const patience = time.Minute

// Hear the next message; nil at the end, or when there is none for a minute.
func (t *Talk) Hear() *v1.ClientMessage {
	select {
	case message := <-t.heard:
		return message
	case <-time.After(patience):
		return nil
	}
}

// Hello is the first message.
func (t *Talk) Hello() *v1.Hello { return t.Hear().GetHello() }

// Ack is the next one; nil when there is none.
func (t *Talk) Ack() *v1.Ack {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		message := t.Hear()
		if message == nil {
			return nil
		}
		if ack := message.GetAck(); ack != nil {
			return ack
		}
	}
	return nil
}

// Report is the next one; nil when there is none.
func (t *Talk) Report() *v1.Report {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		message := t.Hear()
		if message == nil {
			return nil
		}
		if report := message.GetReport(); report != nil {
			return report
		}
	}
	return nil
}

// Say anything.
func (t *Talk) Say(message *v1.ServerMessage) { _ = t.stream.Send(message) }

// Welcome answers the hello.
func (t *Talk) Welcome(epoch uint64) {
	t.Epoch = epoch
	t.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Welcome{Welcome: &v1.Welcome{Protocol: 1, Epoch: epoch}}})
}

// Frame with these setpoints.
func (t *Talk) Frame(channel v1.Frame_Channel, seq uint64, set ...*v1.Setpoint) *v1.Frame {
	t.nonce++
	if t.pushed == nil {
		t.pushed = make(map[v1.Frame_Channel]uint64)
	}
	t.pushed[channel] = seq
	return &v1.Frame{Channel: channel, Nonce: t.nonce, Version: &v1.Version{Epoch: t.Epoch, Seq: seq}, Set: set}
}

// SayFrame says a frame and waits for its ack.
func (t *Talk) SayFrame(frame *v1.Frame) *v1.Ack {
	t.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Frame{Frame: frame}})
	for {
		if ack := t.Ack(); ack == nil || ack.GetNonce() == frame.GetNonce() {
			return ack
		}
	}
}

// Push limits.
func (t *Talk) Push(seq uint64, set ...*v1.Setpoint) *v1.Ack {
	return t.SayFrame(t.Frame(v1.Frame_LIMITS, seq, set...))
}

// Beat with the leases of everything that was pushed; advance: the loop has moved.
func (t *Talk) Beat(advance bool) {
	if advance {
		t.Tick++
	}
	t.n++
	beat := &v1.Beat{N: t.n, LoopTick: t.Tick, LoopAge: durationpb.New(0)}
	for channel, seq := range t.pushed {
		beat.Renew = append(beat.Renew, &v1.ChannelVersion{Channel: channel, Version: &v1.Version{Epoch: t.Epoch, Seq: seq}})
	}
	t.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Beat{Beat: beat}})
}

// Beats once a second.
func (t *Talk) Beats(count int, advance bool) {
	for range count {
		t.Beat(advance)
		time.Sleep(time.Second)
	}
}

// Limit of concurrency.
func Limit(knob string, limit float64) *v1.Setpoint {
	return &v1.Setpoint{Knob: knob, Value: &v1.Setpoint_Limit{Limit: &v1.Limit{Concurrency: &limit}}}
}

// Number of any knob.
func Number(knob string, number float64) *v1.Setpoint {
	return &v1.Setpoint{Knob: knob, Value: &v1.Setpoint_Number{Number: number}}
}
