//go:build go1.25

package setpoint

import (
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/fakesidecar"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

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
		f.sdk.Knob("stall", Bounds(0, 100))
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
	}, WithLogger(slog.New(stallingLog{slog.DiscardHandler})))
}

// stallingLog keeps the session from its timers for 20 s where it tells that the knob "stall" was moved, as a stopped process would.
type stallingLog struct{ slog.Handler }

func (stallingLog) Enabled(context.Context, slog.Level) bool { return true }

func (stallingLog) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(attr slog.Attr) bool {
		if record.Message == "a knob was moved" && attr.Equal(slog.String("knob", "stall")) {
			time.Sleep(20 * time.Second)
		}
		return true
	})
	return nil
}

// movesLog counts what is told of moved knobs at the level of people.
type movesLog struct {
	slog.Handler
	moves *atomic.Int64
}

func (movesLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l movesLog) Handle(_ context.Context, record slog.Record) error {
	if record.Message == "a knob was moved" {
		l.moves.Add(1)
	}
	return nil
}

func TestL2_ADecayIsToldAtItsBeginningAndItsEnd(t *testing.T) {
	var moves atomic.Int64
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		time.Sleep(100 * time.Millisecond)
		talk.Push(1, limit("limit.db", 10))
		f.expect(10, HealthSynced, "pushed")
		f.sidecar.Shut(true)
		talk.HangUp()
		time.Sleep(5 * time.Minute)
		f.expect(64, HealthBaseline, "decayed")
		if told := moves.Load(); told != 3 {
			t.Errorf("the push, the first step and the last one: %d", told)
		}
	}, WithLogger(slog.New(movesLog{slog.DiscardHandler, &moves})))
}

func TestSmallMovesAreToldOnceTheyAddUp(t *testing.T) {
	var moves atomic.Int64
	inBubble(t, func(f *fixture) {
		talk := f.sidecar.Welcomed(1)
		time.Sleep(100 * time.Millisecond)
		for version, step := range []struct {
			limit float64
			told  int64
		}{{40, 1}, {44, 1}, {48, 1}, {51, 2}, {42, 2}, {38, 3}} {
			talk.Push(uint64(version+1), limit("limit.db", step.limit))
			f.expect(step.limit, HealthSynced, "pushed")
			if told := moves.Load(); told != step.told {
				t.Errorf("at %v: %d lines, expected %d", step.limit, told, step.told)
			}
		}
	}, WithLogger(slog.New(movesLog{slog.DiscardHandler, &moves})))
}

func TestL2_TheDisableFileSwitchesEverythingOffAndOnAgain(t *testing.T) {
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

func TestL2_StopSaysGoodbyeAndLeavesNothingBehind(t *testing.T) {
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

func TestS3_ReportsCarryTheCountersOfEveryLimiter(t *testing.T) {
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

func TestG1_AnEnvelopeIsPutInForceAndTheRuntimeRestored(t *testing.T) {
	before := debug.SetGCPercent(90)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	inBubble(t, func(f *fixture) {
		gc := f.sdk.GC()
		talk := f.sidecar.Welcomed(1)
		time.Sleep(100 * time.Millisecond)
		fixed := &v1.GcTarget{Mode: v1.GcTarget_FIXED, FixedPercent: 60}
		frame := talk.Frame(v1.Frame_RUNTIME, 1, &v1.Setpoint{Knob: "gc", Value: &v1.Setpoint_Gc{Gc: fixed}})
		f.expectStatus(talk.SayFrame(frame), 0, v1.Applied_APPLIED, 60)
		budget := &v1.GcTarget{Mode: v1.GcTarget_THROUGHPUT, BudgetBytes: 1 << 30}
		frame = talk.Frame(v1.Frame_RUNTIME, 2, &v1.Setpoint{Knob: "gc", Value: &v1.Setpoint_Gc{Gc: budget}})
		if ack := talk.SayFrame(frame); ack.Results[0].Status != v1.Applied_APPLIED || gc.MemoryLimit() != 1<<30 {
			t.Errorf("%v %d", ack, gc.MemoryLimit())
		}
		// The sidecar dies: within its ttl and a second the setting is no looser than the static one, and later just that.
		talk.Beat(true)
		f.sidecar.Shut(true)
		talk.HangUp()
		time.Sleep(6 * time.Second)
		if limit := gc.MemoryLimit(); limit > 1<<30 {
			t.Errorf("held: %d", limit)
		}
		time.Sleep(time.Minute)
		if percent := gc.Percent(); percent != 90 {
			t.Errorf("lease over: %d", percent)
		}
	})
	if percent, limit := debug.SetGCPercent(90), debug.SetMemoryLimit(-1); percent != 90 || limit != math.MaxInt64 {
		t.Errorf("%d %d", percent, limit)
	}
}
