package service

import (
	"context"
	"errors"
	"net"
	"sync"
)

var errCut = errors.New("the line is cut")

// line to the sidecar, which can be cut for good.
type line struct {
	socket string

	mu   sync.Mutex
	cut  bool
	open []net.Conn
}

func (l *line) dial(ctx context.Context) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errCut
	}
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "unix", l.socket)
	if err == nil {
		l.open = append(l.open, connection)
	}
	return connection, err
}

func (l *line) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for _, connection := range l.open {
		_ = connection.Close() // it may be closed already
	}
}
