package setpoint

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

func TestC3_NeverMoreConnectionsThanTheLimit(t *testing.T) {
	gate := byHand().ConnectionGate("http", Bounds(1, 100), Baseline(5), Reserved(2))
	var places []Place
	for range 3 {
		place, err := gate.TryEnter()
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, place)
	}
	if _, err := gate.TryEnter(); reason(t, err, "connections.http") != ConnectionLimit {
		t.Error(err)
	}
	for range 2 {
		if _, err := gate.TryEnterReserved(); err != nil {
			t.Error("two are reserved")
		}
	}
	if _, err := gate.TryEnterReserved(); err == nil {
		t.Error("all five are taken")
	}
	places[0].Leave()
	places[0].Leave()
	if gate.Inside() != 4 {
		t.Errorf("%d inside", gate.Inside())
	}
	totals, _ := gate.tuning().Totals(7, 0)
	expected := model.Totals{
		AtNanos: 7, Arrived: 7, Admitted: 5, Cancelled: 1, Rejected: [model.Priorities]uint64{0, 0, 2}, InFlightPeak: 5, LimitInForce: 5, Limited: true,
	}
	if totals != expected {
		t.Errorf("%+v", totals)
	}
	apply(t, gate.tuning(), model.Concurrency(2))
	if _, err := gate.TryEnterReserved(); err == nil {
		t.Error("a lower limit keeps newcomers out")
	}
	if gate.Pin(50) != 50 || gate.Limit() != 50 {
		t.Error("pinned")
	}
	gate.Unpin()
	gate.tuning().Enforce(false)
	if _, err := gate.TryEnter(); err != nil {
		t.Error("the kill switch")
	}
}

func TestC3_WhoeverWaitsForAPlaceGetsIt(t *testing.T) {
	gate := byHand().ConnectionGate("http", Bounds(1, 100), Baseline(2))
	var inside, most atomic.Int64
	var callers sync.WaitGroup
	for range 20 {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for range 50 {
				place, err := gate.Enter(context.Background())
				if err != nil {
					t.Error(err)
				}
				if now := inside.Add(1); now > most.Load() {
					most.Store(now)
				}
				inside.Add(-1)
				place.Leave()
			}
		}()
	}
	callers.Wait()
	if most.Load() > 2 || gate.Inside() != 0 {
		t.Errorf("%d at once, %d left over", most.Load(), gate.Inside())
	}
	first, _ := gate.TryEnter()
	second, _ := gate.TryEnter()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := gate.Enter(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	entered := make(chan Place)
	for range 3 {
		go func() {
			place, _ := gate.Enter(context.Background())
			entered <- place
		}()
	}
	gate.Pin(5) // which wakes all of them, one by one
	for range 3 {
		place := <-entered
		place.Leave()
	}
	first.Leave()
	second.Leave()
}

// dial and say whether the other end greets.
func greeted(t *testing.T, address string) (net.Conn, bool) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, false // a reset can be that fast
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err = io.ReadFull(conn, make([]byte, 2))
	return conn, err == nil
}

// greet whoever comes; the connections.
func greet(t *testing.T, listener net.Listener) chan net.Conn {
	conns, done := make(chan net.Conn, 10), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("hi"))
			conns <- conn
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return conns
}

func TestC3_AListenerClosesOrKeepsWaitingWhomItHasNoPlaceFor(t *testing.T) {
	for _, whenFull := range []WhenFull{CloseWhenFull, WaitWhenFull} {
		gate := byHand().ConnectionGate("http", Bounds(1, 100), Baseline(1))
		plain, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		conns := greet(t, gate.Listener(plain, whenFull))
		first, ok := greeted(t, plain.Addr().String())
		if !ok {
			t.Fatal("there is a place")
		}
		served := <-conns
		if whenFull == CloseWhenFull {
			second, ok := greeted(t, plain.Addr().String())
			if ok {
				t.Error("served although it is full")
			}
			if second != nil {
				_ = second.Close()
			}
		}
		if whenFull == WaitWhenFull {
			second, err := net.Dial("tcp", plain.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = served.Close()
			_ = served.Close()
			if _, err := io.ReadFull(second, make([]byte, 2)); err != nil {
				t.Errorf("served once there is a place: %v", err)
			}
			served = <-conns
			_ = second.Close()
		}
		_ = first.Close()
		_ = served.Close()
	}
}
