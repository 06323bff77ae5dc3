//go:build go1.25

package setpoint

import (
	"context"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/fakesidecar"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

var (
	limit  = fakesidecar.Limit
	number = fakesidecar.Number
)

// nothing is what a process sees of itself in tests of the session.
type nothing struct{}

func (nothing) Sample(time.Duration) (*v1.ContainerStats, *v1.RuntimeStats) { return nil, nil }
func (nothing) Close()                                                      {}

func hidden(s *settings) {
	s.own, s.log = nothing{}, quiet()
}

// fixture is a service with a limiter db (4 to 400, baseline 64), and its sidecar.
type fixture struct {
	*testing.T
	sidecar *fakesidecar.Sidecar
	sdk     *Setpoint
	db      *Limiter
}

// inBubble runs a test whose time passes only while everything waits.
func inBubble(t *testing.T, test func(*fixture), options ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{T: t, sidecar: fakesidecar.Start()}
		registered := make(chan struct{})
		dial := func(ctx context.Context) (net.Conn, error) {
			<-registered
			return f.sidecar.Dial(ctx)
		}
		options := append([]Option{hidden, WithSocket("/nonexistent/setpoint.sock"), func(s *settings) { s.dial = dial }}, options...)
		f.sdk = Start(context.Background(), "checkout", options...)
		f.db = f.sdk.Limiter("db", Bounds(4, 400), Baseline(64))
		close(registered)
		test(f)
		f.sdk.Stop()
		f.sidecar.Stop()
	})
}

func (f *fixture) expect(limit float64, health Health, when string) {
	f.Helper()
	synctest.Wait()
	if got := math.Round(f.db.Limit()); got != limit || f.sdk.Health() != health {
		f.Errorf("%s: %v %v, expected %v %v", when, got, f.sdk.Health(), limit, health)
	}
}

func (f *fixture) expectStatus(ack *v1.Ack, line int, status v1.Applied_Status, effective float64) {
	f.Helper()
	if len(ack.GetResults()) <= line {
		f.Fatalf("no line %d in %v", line, ack)
	}
	if got := ack.Results[line]; got.Status != status || got.Effective != effective {
		f.Errorf("%v, expected %v %v", got, status, effective)
	}
}

func TestL2_TheFirstValueIsInForceWithin50msOfTheStart(t *testing.T) {
	inBubble(t, func(f *fixture) {
		start := time.Now()
		talk := f.sidecar.Next()
		hello := talk.Hello()
		if hello.Service != "checkout" || len(hello.Knobs) != 2 || hello.Knobs[0].Name != "breaker.db" || hello.Knobs[1].Name != "limit.db" {
			t.Errorf("%v", hello)
		}
		if hello.State[1].Effective != 64 {
			t.Errorf("what is in force before anything was pushed: %v", hello.State[1])
		}
		talk.Welcome(1)
		f.expectStatus(talk.Push(1, limit("limit.db", 10)), 0, v1.Applied_APPLIED, 10)
		if f.db.Limit() != 10 || time.Since(start) >= 50*time.Millisecond {
			t.Errorf("%v after %v", f.db.Limit(), time.Since(start))
		}
	})
}

func TestL2_TheSidecarDiesValuesHoldThenDecayToTheBaseline(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(1, limit("limit.db", 10))
		talk.Beats(3, true)
		f.expect(10, HealthSynced, "while it lives")
		talk.Beat(true)
		synctest.Wait()
		died := time.Now()
		f.sidecar.Shut(true)
		talk.HangUp()
		for _, step := range []struct {
			second int
			limit  float64
			health Health
		}{
			{4, 10, HealthQuiet}, {6, 10, HealthHeld}, {34, 10, HealthHeld}, {36, 11, HealthDecaying}, {65, 37, HealthDecaying},
			{94, 63, HealthDecaying}, {96, 64, HealthBaseline}, {600, 64, HealthBaseline},
		} {
			time.Sleep(time.Until(died.Add(time.Duration(step.second)*time.Second + 10*time.Millisecond)))
			f.expect(step.limit, step.health, time.Since(died).String())
		}
	})
}

func TestL2_ASidecarThatHangsWithItsStreamUpIsAsGoodAsDead(t *testing.T) {
	for _, beatsGoOn := range []bool{true, false} {
		inBubble(t, func(f *fixture) {
			talk := f.sidecar.Welcomed(1)
			talk.Push(1, limit("limit.db", 10))
			talk.Beat(true)
			hang := func(seconds int) {
				if beatsGoOn {
					talk.Beats(seconds, false)
				} else {
					time.Sleep(time.Duration(seconds) * time.Second)
				}
			}
			time.Sleep(100 * time.Millisecond)
			hang(4)
			f.expect(10, HealthQuiet, "4 s")
			hang(2)
			f.expect(10, HealthHeld, "6 s")
			hang(59)
			f.expect(37, HealthDecaying, "65 s")
			hang(35)
			f.expect(64, HealthBaseline, "100 s")
			// It goes on: what it renews was let go long ago. It is told so in a new session, and decides anew.
			talk.Beat(true)
			again := f.sidecar.Next()
			if state := again.Hello().State[1]; state.Knob != "limit.db" || state.Effective != 64 {
				t.Errorf("%v", state)
			}
			again.Welcome(1)
			again.Tick = talk.Tick
			again.Beats(2, true)
			f.expect(64, HealthBaseline, "one beat of a sidecar that hung brings nothing back")
			again.Push(2, limit("limit.db", 12))
			again.Beats(2, true)
			f.expect(12, HealthSynced, "it decides anew")
		})
	}
}

func TestL2_ASidecarThatHangsForLessThanItsHoldGoesOnAsBefore(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(1, limit("limit.db", 10))
		talk.Beat(true)
		time.Sleep(30 * time.Second)
		f.expect(10, HealthHeld, "30 s")
		talk.Beat(true)
		time.Sleep(time.Second)
		f.expect(10, HealthSynced, "it is back")
		if knocks := f.sidecar.Knocks.Load(); knocks != 1 {
			t.Errorf("somebody hung up: %d", knocks)
		}
	})
}

func TestL2_ARestartedSidecarCausesNoJump(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(900, limit("limit.db", 10))
		talk.Beats(2, true)
		talk.HangUp()
		talk = f.sidecar.Next()
		hello := talk.Hello()
		if state := hello.State[1]; state.Effective != 10 || state.Status != v1.Applied_APPLIED || hello.LastApplied.Seq != 900 {
			t.Errorf("a new sidecar can learn: %v", hello)
		}
		talk.Welcome(2)
		talk.Beats(10, true)
		f.expect(10, HealthHeld, "it learns and pushes nothing yet")
		f.expectStatus(talk.Push(1, limit("limit.db", 11)), 0, v1.Applied_APPLIED, 11)
		talk.Beats(2, true)
		f.expect(11, HealthSynced, "its numbering is its own")
	})
}

func TestL2_AttemptsNeverEndAndNeverStorm(t *testing.T) {
	inBubble(t, func(f *fixture) {
		f.sidecar.Next().HangUp()
		f.sidecar.Shut(true)
		before := f.sidecar.Knocks.Load()
		time.Sleep(10 * time.Second)
		if knocks := f.sidecar.Knocks.Load() - before; knocks < 6 || knocks > 14 {
			t.Errorf("%d in the first ten seconds", knocks)
		}
		before = f.sidecar.Knocks.Load()
		time.Sleep(time.Hour)
		if knocks := f.sidecar.Knocks.Load() - before; knocks < 1000 || knocks > 1500 {
			t.Errorf("%d in an hour", knocks)
		}
		f.expect(64, HealthBaseline, "alone")
		f.sidecar.Shut(false)
		opened := time.Now()
		talk := f.sidecar.Welcomed(1)
		if waited := time.Since(opened); waited > 3600*time.Millisecond {
			t.Errorf("found after %v", waited)
		}
		talk.Beats(1, true)
		talk.HangUp()
		broken := time.Now()
		f.sidecar.Next()
		if waited := time.Since(broken); waited > 130*time.Millisecond {
			t.Errorf("a session that worked is sought again at once, not after %v", waited)
		}
	})
}

func TestL2_AHungLoopDoesNotLiveByANewStream(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(1, limit("limit.db", 10))
		talk.Beats(2, true)
		reached := talk.Tick
		talk.HangUp()
		talk = f.sidecar.Welcomed(1)
		talk.Tick = reached
		talk.Push(1, limit("limit.db", 10))
		time.Sleep(4 * time.Second)
		talk.Beats(3, false)
		f.expect(10, HealthHeld, "the same tick on a new stream")
		talk.Beats(1, true)
		f.expect(10, HealthSynced, "it moves")
	})
}

func TestADrainIsHonouredAndValuesAreKept(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(1, limit("limit.db", 10))
		drain := &v1.Drain{RetryAfter: durationpb.New(4 * time.Second), Why: "upgrade"}
		talk.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Drain{Drain: drain}})
		drained := time.Now()
		f.sidecar.Welcomed(2)
		if away := time.Since(drained); away < 4*time.Second || away > 4900*time.Millisecond {
			t.Errorf("%v", away)
		}
		if f.db.Limit() != 10 {
			t.Errorf("%v", f.db.Limit())
		}
	})
}

func TestL2_AStallOfOurOwnIsNotHeldAgainstTheSidecar(t *testing.T) {
	inBubble(t, func(f *fixture) {
		// The service's callback keeps the session from its timers, as a stopped process would.
		f.sdk.Knob("stall", Bounds(0, 100), OnChange(func(Change) { time.Sleep(20 * time.Second) }))
		talk := f.sidecar.Welcomed(1)
		time.Sleep(100 * time.Millisecond)
		talk.Push(1, limit("limit.db", 10))
		talk.SayFrame(talk.Frame(v1.Frame_CUSTOM, 1, number("stall", 1)))
		talk.Beat(true)
		time.Sleep(200 * time.Millisecond)
		f.expect(10, HealthSynced, "after the stall")
		for report := talk.Report(); report.GetStallNanos() < 19e9; report = talk.Report() {
			if report == nil {
				t.Fatal("no stall reported")
			}
		}
		// Again, but the sidecar dies in it: one beat of grace, and then the truth.
		talk.Beat(true)
		time.Sleep(time.Second)
		f.sidecar.Shut(true)
		frame := talk.Frame(v1.Frame_CUSTOM, 2, number("stall", 2))
		talk.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Frame{Frame: frame}})
		time.Sleep(time.Second)
		talk.HangUp()
		time.Sleep(19*time.Second + 500*time.Millisecond)
		f.expect(10, HealthQuiet, "grace")
		time.Sleep(time.Second)
		f.expect(10, HealthHeld, "the truth")
	})
}

func TestTheDisableFileSwitchesEverythingOffAndOnAgain(t *testing.T) {
	directory := t.TempDir()
	inBubble(t, func(f *fixture) {
		batch := f.sdk.Knob("batch", Bounds(1, 512), Baseline(64))
		talk := f.sidecar.Welcomed(1)
		time.Sleep(100 * time.Millisecond)
		talk.Push(1, limit("limit.db", 4))
		talk.SayFrame(talk.Frame(v1.Frame_CUSTOM, 1, number("batch", 8)))
		admitted := func(expected int, value float64) {
			t.Helper()
			count := 0
			for range 20 {
				if permit, err := f.db.TryAcquire(Critical); err == nil {
					count++
					defer permit.Finish(Success)
				}
			}
			if count != expected || batch.Value() != value {
				t.Errorf("%d admitted, batch %v", count, batch.Value())
			}
		}
		func() { admitted(4, 8) }()
		file := filepath.Join(directory, "disable")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		talk.Beats(2, true)
		func() { admitted(20, 64) }()
		f.expectStatus(talk.Push(2, limit("limit.db", 5)), 0, v1.Applied_LOCAL_OVERRIDE, 64)
		f.expect(64, HealthDisabled, "switched off")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		talk.Beats(2, true)
		f.expect(5, HealthSynced, "as if never off")
		for ack := talk.Ack(); ack.GetChannel() != v1.Frame_LIMITS || ack.Results[0].Status != v1.Applied_APPLIED; ack = talk.Ack() {
			if ack == nil {
				t.Fatal("the sidecar is not told that it counts again")
			}
		}
	}, WithSocket(filepath.Join(directory, "setpoint.sock")))
}

func TestStopSaysGoodbyeAndLeavesNothingBehind(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		talk.Push(1, limit("limit.db", 10))
		stopped := time.Now()
		f.sdk.Stop()
		if took := time.Since(stopped); took > 250*time.Millisecond {
			t.Errorf("%v", took)
		}
		f.expect(64, HealthBaseline, "stopped")
		for {
			message := talk.Hear()
			if message == nil {
				t.Fatal("hung up without a word")
			}
			if message.GetGoodbye() != nil {
				break
			}
		}
		if _, err := f.db.TryAcquire(Normal); err != nil {
			t.Errorf("limiters go on: %v", err)
		}
	})
}

func TestTheSessionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sidecar := fakesidecar.Start()
		ctx, cancel := context.WithCancel(context.Background())
		sdk := Start(ctx, "", hidden, func(s *settings) { s.dial = sidecar.Dial })
		talk := sidecar.Next()
		if hello := talk.Hello(); hello.Service != "unnamed" {
			t.Errorf("%v", hello)
		}
		cancel()
		<-sdk.session.Done()
		sidecar.Stop()
	})
}

func TestSwitchedOffForTheWholeLifeThereIsNoSession(t *testing.T) {
	sdk := Start(context.Background(), "checkout", hidden, WithDisabled(true))
	db := sdk.Limiter("db", Bounds(0, 10), Baseline(0))
	if permit, err := db.TryAcquire(Background); err != nil {
		t.Errorf("%v", err)
	} else {
		permit.Finish(Success)
	}
	if sdk.Health() != HealthDisabled {
		t.Errorf("%v", sdk.Health())
	}
	sdk.Stop()
}

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

func TestReportsCarryTheCountersOfEveryLimiter(t *testing.T) {
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		for i := range 5 {
			permit, err := f.db.TryAcquire(Normal)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
			permit.Finish(Outcome(i % 4))
		}
		time.Sleep(time.Second)
		var last *v1.Report
		for range 8 {
			last = talk.Report()
		}
		stats := last.Resources[0]
		got := []uint64{stats.Arrived, stats.Admitted, stats.Completed, stats.Cancelled, stats.Dropped, stats.Failed, stats.InFlight}
		if !reflect.DeepEqual(got, []uint64{5, 5, 2, 1, 1, 1, 0}) || stats.SuccessLatencySum != 20e6 || stats.LimitInForce != 64 {
			t.Errorf("%v", stats)
		}
		if last.Custom["orders"] != 3 {
			t.Errorf("%v", last.Custom)
		}
	}, WithCustom(func() map[string]float64 { return map[string]float64{"orders": 3} }))
}
