package session

import (
	"context"
	"net"
	"sync"
	"time"

	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

const (
	// A connection has this long to come about, and the sidecar as long to answer a hello.
	connectWithin = 2 * time.Second
	greetWithin   = 5 * time.Second
)

// where on the way to the sidecar we are.
type where uint8

const (
	waiting where = iota
	dialling
	greeting
	up
)

// dialled is how an attempt to connect ended.
type dialled struct {
	conn net.Conn
	err  error
}

// line is the way to the sidecar, from "wait before the next attempt" to an open session, as a small state machine. What to do
// after each step is the session's to decide.
type line struct {
	where where
	dial  Dial
	// When waiting or greeting is over.
	timer *time.Timer
	// Of the attempt to connect.
	attempt chan dialled
	cancel  context.CancelFunc
	link    *link
	// Everything that was ever started here.
	running sync.WaitGroup
}

func newLine(dial Dial) *line {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &line{dial: dial, timer: timer}
}

// rest waits for a while.
func (l *line) rest(wait time.Duration) {
	l.drop()
	l.where = waiting
	l.timer.Reset(wait)
}

// connect begins an attempt.
func (l *line) connect() {
	l.drop()
	ctx, cancel := context.WithTimeout(context.Background(), connectWithin)
	attempt := make(chan dialled, 1)
	l.where, l.attempt, l.cancel = dialling, attempt, cancel
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		conn, err := l.dial(ctx)
		attempt <- dialled{conn, err}
	}()
}

// greet says hello on a connection.
func (l *line) greet(conn net.Conn, hello *v1.ClientMessage) {
	l.drop()
	l.where, l.link = greeting, open(conn, hello)
	l.timer.Reset(greetWithin)
}

// welcomed: the session is up.
func (l *line) welcomed() {
	l.where = up
	l.timer.Stop()
}

// incoming is what is heard while there is a stream.
func (l *line) incoming() <-chan heard {
	if l.link == nil {
		return nil
	}
	return l.link.incoming
}

// send queues a message. False when there is no session or no room.
func (l *line) send(message *v1.ClientMessage) bool { return l.where == up && l.link.send(message) }

// connected: the attempt is over.
func (l *line) connected() {
	l.attempt = nil
	l.cancel()
}

// drop gives up whatever there is.
func (l *line) drop() {
	l.timer.Stop()
	if attempt := l.attempt; attempt != nil {
		l.cancel()
		l.attempt = nil
		l.later(func() {
			if done := <-attempt; done.conn != nil {
				done.conn.Close()
			}
		})
	}
	if link := l.link; link != nil {
		link.close()
		l.link = nil
		l.later(link.wait)
	}
}

// later does what need not be waited for now.
func (l *line) later(do func()) {
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		do()
	}()
}

// close gives up and waits until nothing runs any more.
func (l *line) close() {
	l.drop()
	l.running.Wait()
}
