package setpoint

import (
	"context"
	"io"
	"net"
	"sync"
)

// WhenFull says what becomes of newcomers while a gate is full.
type WhenFull uint8

const (
	// WaitWhenFull: they wait in the kernel's accept queue, and are served when a place becomes free. Good for short peaks. The queue is
	// short and first come first served: who waits longest is served although it may have gone, and when it overflows the kernel drops
	// handshakes in silence, which a client takes for a slow network.
	WaitWhenFull WhenFull = iota
	// CloseWhenFull: they are accepted and closed at once, with a reset. Good for clients and load balancers that go elsewhere; it costs
	// an accept and a close for each attempt.
	CloseWhenFull
)

// Listener puts a listener behind the gate; several may share one. The connection's place is free when the connection is closed. In
// WaitWhenFull it holds a place for the newcomer that it waits for.
func (g *ConnectionGate) Listener(listener net.Listener, whenFull WhenFull) net.Listener {
	ctx, stop := context.WithCancel(context.Background())
	return &gatedListener{listener, g, whenFull, ctx, stop}
}

type gatedListener struct {
	net.Listener
	gate     *ConnectionGate
	whenFull WhenFull
	// Over when it is closed.
	open context.Context
	stop context.CancelFunc
}

// Accept the next connection that there is a place for.
func (l *gatedListener) Accept() (net.Conn, error) {
	if l.whenFull == CloseWhenFull {
		return l.acceptOrClose()
	}
	place, err := l.gate.Enter(l.open)
	if err != nil {
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		place.Leave()
		return nil, err
	}
	return &gatedConn{Conn: conn, place: place}, nil
}

func (l *gatedListener) acceptOrClose() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		place, err := l.gate.TryEnter()
		if err == nil {
			return &gatedConn{Conn: conn, place: place}, nil
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			// With a reset, so that nothing of it stays behind in this kernel. Where that fails, it is closed.
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close() // it was never ours
	}
}

// Close the listener; who waits in Accept is told.
func (l *gatedListener) Close() error {
	l.stop()
	return l.Listener.Close()
}

// gatedConn is a connection and its place.
type gatedConn struct {
	net.Conn
	once  sync.Once
	place Place
}

// Close the connection and free its place.
func (c *gatedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.place.Leave)
	return err
}

// ReadFrom keeps sendfile, where there is one.
func (c *gatedConn) ReadFrom(from io.Reader) (int64, error) { return io.Copy(c.Conn, from) }

// NetConn is the connection beneath, as crypto/tls names it.
func (c *gatedConn) NetConn() net.Conn { return c.Conn }
