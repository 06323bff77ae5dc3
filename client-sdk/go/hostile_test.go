//go:build go1.25

package setpoint

import (
	"context"
	"io"
	"math"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/fakesidecar"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

func TestL2_AFrameWithNonsenseInItIsAnsweredAndChangesNothing(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(1, limit("limit.db", 10))
		for _, nonsense := range []float64{math.NaN(), math.Inf(1), -1} {
			ack := talk.Push(2, limit("limit.db", nonsense))
			f.expectStatus(ack, 0, v1.Applied_REJECTED, 10)
			if detail := ack.Results[0].Detail; len(detail) < 30 || detail[:30] != "frame.set[0].limit.concurrency" {
				t.Errorf("%s", detail)
			}
		}
		f.expectStatus(talk.Push(2, limit("limit.db", 12)), 0, v1.Applied_APPLIED, 12)
	})
}

func TestUnknownMessagesAndKnobsAreSkipped(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Next()
		talk.Hello()
		talk.Say(&v1.ServerMessage{})
		talk.Welcome(1)
		talk.Say(&v1.ServerMessage{})
		talk.Welcome(1)
		odd := &v1.Setpoint{Knob: "breaker.db", Value: &v1.Setpoint_Breaker{Breaker: &v1.Breaker{State: 77}}}
		ack := talk.Push(1, limit("limit.db", 10), limit("limit.nobody", 1), odd)
		f.expectStatus(ack, 0, v1.Applied_APPLIED, 10)
		f.expectStatus(ack, 1, v1.Applied_UNSUPPORTED, 0)
		f.expectStatus(ack, 2, v1.Applied_UNSUPPORTED, 0)
	})
}

func TestL2_AFloodOfFramesEndsWithTheNewest(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		for seq := uint64(1); seq < 3000; seq++ {
			frame := talk.Frame(v1.Frame_LIMITS, seq, limit("limit.db", 4+float64(seq%300)))
			talk.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Frame{Frame: frame}})
		}
		f.expectStatus(talk.Push(3000, limit("limit.db", 7)), 0, v1.Applied_APPLIED, 7)
		talk.Beats(2, true)
		f.expect(7, HealthSynced, "after the flood")
	})
}

func TestAMessageThatIsTooBigEndsTheStreamAndNothingElse(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(1, limit("limit.db", 10))
		huge := &v1.Drain{Why: string(make([]byte, 300*1024))}
		talk.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Drain{Drain: huge}})
		talk = f.sidecar.Welcomed(2)
		talk.Beats(1, true)
		if f.db.Limit() != 10 || f.sidecar.Knocks.Load() != 2 {
			t.Errorf("%v after %d knocks", f.db.Limit(), f.sidecar.Knocks.Load())
		}
	})
}

func TestWhateverListensOnTheSocketTheServiceIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		doors := make(chan net.Conn)
		dial := func(ctx context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			select {
			case doors <- ours:
				return theirs, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		sdk := Start(context.Background(), "checkout", hidden, func(s *settings) { s.dial = dial })
		garbage := [][]byte{nil, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), make([]byte, 4096), []byte("\xff\xff\xff\xff")}
		for i := range 20 {
			conn := <-doors
			go io.Copy(io.Discard, conn)
			conn.Write(garbage[i%len(garbage)])
			conn.Close()
		}
		silent := <-doors
		go io.Copy(io.Discard, silent)
		knocked := time.Now()
		again := <-doors
		if waited := time.Since(knocked); waited > 9*time.Second {
			t.Errorf("a hello is waited for for %v", waited)
		}
		silent.Close()
		again.Close()
		if sdk.Health() != HealthBaseline {
			t.Errorf("%v", sdk.Health())
		}
		sdk.Stop()
	})
}

func TestASidecarThatDoesNotWantUsIsAskedSeldom(t *testing.T) {
	for _, code := range []codes.Code{codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition} {
		synctest.Test(t, func(t *testing.T) {
			sidecar := fakesidecar.Start()
			sidecar.Refuse = status.Error(code, "not you")
			sdk := Start(context.Background(), "checkout", hidden, func(s *settings) { s.dial = sidecar.Dial })
			time.Sleep(time.Minute)
			if knocks := sidecar.Knocks.Load(); knocks < 16 || knocks > 26 {
				t.Errorf("%d in a minute after %v", knocks, code)
			}
			sdk.Stop()
			sidecar.Stop()
		})
	}
}

func TestASidecarThatSpeaksAnotherProtocolIsNotListenedTo(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Next()
		talk.Hello()
		talk.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Welcome{Welcome: &v1.Welcome{Protocol: 2, Epoch: 1}}})
		<-talk.Over()
		f.expect(64, HealthBaseline, "not listened to")
	})
}

func TestL2_ACallbackThatPanicsRefusesTheValueAndThePreviousOneStands(t *testing.T) {
	inBubble(t, func(f *fixture) {
		var calls atomic.Int64
		batch := f.sdk.Knob("batch", Bounds(1, 512), Baseline(64), OnChange(func(change Change) {
			calls.Add(1)
			if change.To >= 100 {
				panic("the service's own bug")
			}
		}))
		talk := f.sidecar.Welcomed(1)
		time.Sleep(100 * time.Millisecond)
		f.expectStatus(talk.Push(1, number("batch", 80)), 0, v1.Applied_APPLIED, 80)
		for seq := uint64(2); seq < 5; seq++ {
			f.expectStatus(talk.Push(seq, number("batch", 200)), 0, v1.Applied_REJECTED, 80)
		}
		if batch.Value() != 80 || calls.Load() != 2 {
			t.Errorf("%v after %d calls: not tried again", batch.Value(), calls.Load())
		}
		f.expectStatus(talk.Push(5, number("batch", 90), limit("limit.db", 9)), 1, v1.Applied_APPLIED, 9)
	})
}

func TestBeatsOfOtherVersionsRenewNothing(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(1, limit("limit.db", 10))
		talk.Frame(v1.Frame_LIMITS, 2) // never said, but renewed
		talk.Beats(8, true)
		f.expect(10, HealthHeld, "the loop is alive, but wants this value no more")
	})
}

func TestKnobsThatComeLaterAreAnnounced(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		f.sdk.Knob("late", Bounds(1, 2), Baseline(1))
		for {
			message := talk.Hear()
			if message == nil {
				t.Fatal("not announced")
			}
			if knobs := message.GetKnobs(); knobs != nil {
				if len(knobs.Add) != 1 || knobs.Add[0].Name != "late" {
					t.Errorf("%v", knobs)
				}
				break
			}
		}
		f.expectStatus(talk.Push(1, number("late", 2)), 0, v1.Applied_APPLIED, 2)
	})
}

func TestABugInTheSessionLeavesEverythingAtItsBaselineAndItStartsAnew(t *testing.T) {
	buggy := new(atomic.Bool)
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(1, limit("limit.db", 10))
		buggy.Store(true)
		time.Sleep(time.Second)
		f.expect(64, HealthBaseline, "after the bug")
		buggy.Store(false)
		talk = f.sidecar.Welcomed(1)
		talk.Push(2, limit("limit.db", 11))
		f.expect(11, HealthBaseline, "anew")
	}, func(s *settings) { s.own = fragile{bug: buggy} })
}

// fragile panics where only a bug of ours could.
type fragile struct {
	nothing
	bug *atomic.Bool
}

func (f fragile) Sample(time.Duration) (*v1.ContainerStats, *v1.RuntimeStats) {
	if f.bug.Load() {
		panic("a bug of ours")
	}
	return nil, nil
}
