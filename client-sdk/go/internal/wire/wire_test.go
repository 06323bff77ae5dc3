package wire

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

func frameOf(set ...*v1.Setpoint) *v1.ServerMessage {
	frame := &v1.Frame{Channel: v1.Frame_LIMITS, Nonce: 3, Version: &v1.Version{Epoch: 1, Seq: 2}, Set: set}
	return &v1.ServerMessage{Msg: &v1.ServerMessage_Frame{Frame: frame}}
}

func withLimit(limit *v1.Limit) *v1.Setpoint {
	return &v1.Setpoint{Knob: "limit.db", Value: &v1.Setpoint_Limit{Limit: limit}}
}

func withGC(gc *v1.GcTarget) *v1.Setpoint {
	return &v1.Setpoint{Knob: "gc", Value: &v1.Setpoint_Gc{Gc: gc}}
}

func f(number float64) *float64 { return &number }

func TestValuesComeThrough(t *testing.T) {
	queue := uint32(3)
	for name, test := range map[string]struct {
		wire     *v1.Setpoint
		expected model.Value
	}{
		"concurrency": {withLimit(&v1.Limit{Concurrency: f(9)}), model.Concurrency(9)},
		"rate":        {withLimit(&v1.Limit{RatePerS: f(9), Burst: f(3)}), model.Value{Form: model.FormRate, Number: 9, Burst: 3, HasBurst: true}},
		"number":      {&v1.Setpoint{Knob: "k", Value: &v1.Setpoint_Number{Number: 5}}, model.Number(5)},
		"switch":      {&v1.Setpoint{Knob: "k", Value: &v1.Setpoint_On{On: true}}, model.Switch(true)},
		"open": {
			&v1.Setpoint{Knob: "k", Value: &v1.Setpoint_Breaker{Breaker: &v1.Breaker{State: v1.Breaker_OPEN}}},
			model.Value{Form: model.FormBreaker, Breaker: model.Breaker{State: model.BreakerOpen, RetryAfter: time.Second}},
		},
		"threads": {&v1.Setpoint{Knob: "k", Value: &v1.Setpoint_Parallelism{Parallelism: &v1.Parallelism{Threads: 3}}}, model.Value{Form: model.FormThreads, Number: 3}},
		"gc": {
			withGC(&v1.GcTarget{Mode: v1.GcTarget_THROUGHPUT, BudgetBytes: 1 << 20}),
			model.Value{Form: model.FormGC, GC: model.GcTarget{
				Mode: model.GcThroughput, BudgetBytes: 1 << 20, PercentMin: 15, PercentMax: 800, CPUTarget: 0.05, CPUCap: 0.2,
			}},
		},
	} {
		message, err := Decode(frameOf(test.wire))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := message.(*Frame); len(got.Set) != 1 || got.Set[0].Value != test.expected || got.Set[0].Lease != model.DefaultLease() {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, wire := range map[string]*v1.Setpoint{
		"a queue":          withLimit(&v1.Limit{Concurrency: f(1), Queue: &queue}),
		"both":             withLimit(&v1.Limit{Concurrency: f(1), RatePerS: f(1)}),
		"no limit":         withLimit(&v1.Limit{}),
		"no value":         {Knob: "k"},
		"a breaker state":  {Knob: "k", Value: &v1.Setpoint_Breaker{Breaker: &v1.Breaker{State: 77}}},
		"a mode":           withGC(&v1.GcTarget{Mode: 77}),
		"blocking threads": {Knob: "k", Value: &v1.Setpoint_Parallelism{Parallelism: &v1.Parallelism{Threads: 3, BlockingThreads: 3}}},
		"an expiry":        {Knob: "k", Value: &v1.Setpoint_On{}, Lease: &v1.Lease{OnExpiry: 77}},
	} {
		message, err := Decode(frameOf(wire, &v1.Setpoint{Knob: "sound", Value: &v1.Setpoint_On{}}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := message.(*Frame); len(got.Set) != 1 || len(got.Unsupported) != 1 {
			t.Errorf("%s alone is left out: %+v", name, got)
		}
	}
}

func welcomeOf(edit func(*v1.Welcome)) *v1.ServerMessage {
	welcome := &v1.Welcome{Protocol: 1}
	edit(welcome)
	return &v1.ServerMessage{Msg: &v1.ServerMessage_Welcome{Welcome: welcome}}
}

func framed(edit func(*v1.Frame)) *v1.ServerMessage {
	message := frameOf(withLimit(&v1.Limit{Concurrency: f(1)}))
	edit(message.GetFrame())
	return message
}

func TestTheBadFieldIsNamed(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for path, message := range map[string]*v1.ServerMessage{
		"welcome.protocol":                         welcomeOf(func(w *v1.Welcome) { w.Protocol = 0 }),
		"welcome.lost_after":                       welcomeOf(func(w *v1.Welcome) { w.LostAfter = durationpb.New(time.Second) }),
		"welcome.beat_every":                       welcomeOf(func(w *v1.Welcome) { w.BeatEvery = durationpb.New(time.Microsecond) }),
		"welcome.report_every":                     welcomeOf(func(w *v1.Welcome) { w.ReportEvery = &durationpb.Duration{Seconds: -1} }),
		"welcome.unbound[1]":                       welcomeOf(func(w *v1.Welcome) { w.Unbound = []string{"a", "not a name"} }),
		"welcome.missing":                          welcomeOf(func(w *v1.Welcome) { w.Missing = make([]string, 257) }),
		"welcome.capabilities":                     welcomeOf(func(w *v1.Welcome) { w.Capabilities = make([]*v1.Capability, 65) }),
		"frame.channel":                            framed(func(f *v1.Frame) { f.Channel = 0 }),
		"frame.mode":                               framed(func(f *v1.Frame) { f.Mode = 9 }),
		"frame.version":                            framed(func(f *v1.Frame) { f.Version = nil }),
		"frame.config_revision":                    framed(func(f *v1.Frame) { f.ConfigRevision = long }),
		"frame.set":                                framed(func(f *v1.Frame) { f.Set = make([]*v1.Setpoint, 257) }),
		"frame.set[1]":                             framed(func(f *v1.Frame) { f.Set = append(f.Set, f.Set[0]) }),
		"frame.set[0].knob":                        framed(func(f *v1.Frame) { f.Set[0].Knob = "no name" }),
		"frame.set[0].lease.ttl":                   framed(func(f *v1.Frame) { f.Set[0].Lease = &v1.Lease{Ttl: durationpb.New(0)} }),
		"frame.set[0].lease.decay":                 framed(func(f *v1.Frame) { f.Set[0].Lease = &v1.Lease{Decay: durationpb.New(25 * time.Hour)} }),
		"frame.set[0].lease.safe_value":            framed(func(f *v1.Frame) { f.Set[0].Lease = &v1.Lease{SafeValue: math.NaN()} }),
		"frame.set[0].reason.text":                 framed(func(f *v1.Frame) { f.Set[0].Reason = &v1.Reason{Text: long} }),
		"frame.set[0].reason.evidence[0].observed": framed(func(f *v1.Frame) { f.Set[0].Reason = &v1.Reason{Evidence: []*v1.Evidence{{Observed: math.Inf(1)}}} }),
		"frame.set[0].limit.concurrency":           frameOf(withLimit(&v1.Limit{Concurrency: f(-1)})),
		"frame.set[0].limit.burst":                 frameOf(withLimit(&v1.Limit{RatePerS: f(1), Burst: f(math.NaN())})),
		"frame.set[0].limit.baseline_latency":      frameOf(withLimit(&v1.Limit{Concurrency: f(1), BaselineLatency: durationpb.New(0)})),
		"frame.set[0].limit.priority_share":        frameOf(withLimit(&v1.Limit{Concurrency: f(1), PriorityShare: []float64{1, 1}})),
		"frame.set[0].limit.priority_share[2]":     frameOf(withLimit(&v1.Limit{Concurrency: f(1), PriorityShare: []float64{1, 0.5, 0.6, 0.1, 0.1}})),
		"frame.set[0].breaker.probe_ratio":         frameOf(&v1.Setpoint{Knob: "k", Value: &v1.Setpoint_Breaker{Breaker: &v1.Breaker{ProbeRatio: 2}}}),
		"frame.set[0].breaker.probe_deadline":      frameOf(&v1.Setpoint{Knob: "k", Value: &v1.Setpoint_Breaker{Breaker: &v1.Breaker{ProbeDeadline: &durationpb.Duration{Seconds: -1}}}}),
		"frame.set[0].breaker.ramp":                frameOf(&v1.Setpoint{Knob: "k", Value: &v1.Setpoint_Breaker{Breaker: &v1.Breaker{Ramp: durationpb.New(25 * time.Hour)}}}),
		"frame.watch":                              framed(func(f *v1.Frame) { f.Watch = make([]*v1.Watch, MaxWatched+1) }),
		"frame.watch[0].resource":                  framed(func(f *v1.Frame) { f.Watch = []*v1.Watch{{After: durationpb.New(time.Second)}} }),
		"frame.watch[1].after": framed(func(f *v1.Frame) {
			f.Watch = []*v1.Watch{{Resource: "db", After: durationpb.New(time.Second)}, {Resource: "db"}}
		}),
		"frame.set[0].number":              frameOf(&v1.Setpoint{Knob: "k", Value: &v1.Setpoint_Number{Number: math.NaN()}}),
		"frame.set[0].gc.mode":             frameOf(withGC(&v1.GcTarget{})),
		"frame.set[0].gc.budget_bytes":     frameOf(withGC(&v1.GcTarget{Mode: v1.GcTarget_THROUGHPUT})),
		"frame.set[0].gc.fixed_percent":    frameOf(withGC(&v1.GcTarget{Mode: v1.GcTarget_FIXED})),
		"frame.set[0].gc.percent_min":      frameOf(withGC(&v1.GcTarget{Mode: v1.GcTarget_FRUGAL, PercentMin: 900})),
		"frame.set[0].gc.gc_cpu_cap":       frameOf(withGC(&v1.GcTarget{Mode: v1.GcTarget_FRUGAL, GcCpuCap: 1.5})),
		"frame.set[0].parallelism.threads": frameOf(&v1.Setpoint{Knob: "k", Value: &v1.Setpoint_Parallelism{Parallelism: &v1.Parallelism{Threads: 70000}}}),
		"beat.renew":                       {Msg: &v1.ServerMessage_Beat{Beat: &v1.Beat{Renew: make([]*v1.ChannelVersion, 17)}}},
		"beat.renew[0].version":            {Msg: &v1.ServerMessage_Beat{Beat: &v1.Beat{Renew: []*v1.ChannelVersion{{Channel: 1}}}}},
		"beat.loop_age":                    {Msg: &v1.ServerMessage_Beat{Beat: &v1.Beat{LoopAge: &durationpb.Duration{Nanos: -1}}}},
		"drain.why":                        {Msg: &v1.ServerMessage_Drain{Drain: &v1.Drain{Why: long}}},
	} {
		_, err := Decode(message)
		var bad *BadField
		if !errors.As(err, &bad) || bad.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Decode(&v1.ServerMessage{}); !errors.Is(err, ErrUnknownMessage) {
		t.Errorf("%v", err)
	}
}

func TestAFrameThatCannotBeReadIsAnswered(t *testing.T) {
	ack, ok := Refusal(frameOf(withLimit(&v1.Limit{Concurrency: f(-1)})), errors.New("why"))
	if !ok || ack.Nonce != 3 || len(ack.Results) != 1 || ack.Results[0].Status != Rejected || ack.Results[0].Detail != "why" {
		t.Errorf("%+v %v", ack, ok)
	}
	for _, message := range []*v1.ServerMessage{{}, framed(func(f *v1.Frame) { f.Channel = 99 })} {
		if _, ok := Refusal(message, errors.New("why")); ok {
			t.Errorf("%v has nobody to answer", message)
		}
	}
}

func TestAnyBytesAreDecodedWithoutAPanic(t *testing.T) {
	dice := rand.New(rand.NewPCG(20, 20))
	sound := frameOf(withLimit(&v1.Limit{Concurrency: f(5), PriorityShare: []float64{1, 1, 1, 1, 1}}), withGC(&v1.GcTarget{Mode: 1, BudgetBytes: 5}))
	content, err := proto.Marshal(sound)
	if err != nil {
		t.Fatal(err)
	}
	for range 50_000 {
		damaged := append([]byte{}, content...)
		for range 1 + dice.IntN(4) {
			damaged[dice.IntN(len(damaged))] = byte(dice.Uint32())
		}
		message := new(v1.ServerMessage)
		if proto.Unmarshal(damaged, message) == nil {
			_, err := Decode(message)
			Refusal(message, errors.Join(err, errors.New("any")))
		}
	}
}

func TestWhatIsSaidIsSoundWhateverItIsMadeOf(t *testing.T) {
	odd := strings.Repeat("ä", 2000) + "\xff"
	hello := EncodeHello(&Hello{Service: odd, Labels: map[string]string{"": "x", "a": "\xff"}, State: []Result{{Knob: odd, Effective: math.NaN(), Detail: odd}}})
	report := EncodeReport(&Report{
		Window: -time.Second, Resources: make([]Resource, 300), Custom: map[string]float64{"nan": math.NaN(), "": 1, "sound": 2},
	})
	for _, message := range []*v1.ClientMessage{hello, report, EncodeGoodbye(odd), EncodeBeat(1, -1)} {
		if _, err := proto.Marshal(message); err != nil {
			t.Error(err)
		}
	}
	got := hello.GetHello()
	if len(got.Service) > StringBytes || len(got.Labels) != 1 || got.State[0].Effective != 0 || len(got.State[0].Detail) > TextBytes {
		t.Errorf("%v", got)
	}
	if said := report.GetReport(); len(said.Resources) != MaxResources || len(said.Custom) != 1 || said.Window.AsDuration() != 0 {
		t.Errorf("%v", said)
	}
}

func TestB1_WhatABreakerIsToldAndWhatItTells(t *testing.T) {
	total := uint32(7)
	for _, test := range []struct {
		wire     *v1.Breaker
		expected model.Breaker
	}{
		{&v1.Breaker{State: v1.Breaker_HALF_OPEN, ProbeMax: 2}, model.Breaker{State: model.BreakerHalfOpen, ProbeMax: 2, ProbeTotal: 10, ProbeDeadline: 3 * time.Second}},
		{
			&v1.Breaker{State: v1.Breaker_HALF_OPEN, Round: 3, ProbeRatio: 1, ProbeTotal: &total, ProbeDeadline: durationpb.New(time.Second)},
			model.Breaker{State: model.BreakerHalfOpen, Round: 3, ProbeTotal: 7, ProbeDeadline: time.Second},
		},
		{&v1.Breaker{State: v1.Breaker_OPEN}, model.Breaker{State: model.BreakerOpen, RetryAfter: time.Second}},
		{&v1.Breaker{State: v1.Breaker_RECOVERING}, model.Breaker{State: model.BreakerRecovering, Ramp: 10 * time.Second}},
		{&v1.Breaker{State: v1.Breaker_DISABLED, ProbeMax: 5}, model.Breaker{State: model.BreakerDisabled}},
		{&v1.Breaker{State: v1.Breaker_SHADOW, WouldReject: true}, model.Breaker{State: model.BreakerShadow, WouldReject: true}},
	} {
		message, err := Decode(frameOf(&v1.Setpoint{Knob: "breaker.db", Value: &v1.Setpoint_Breaker{Breaker: test.wire}}))
		if err != nil {
			t.Fatal(err)
		}
		if got := message.(*Frame).Set[0].Value.Breaker; got != test.expected {
			t.Errorf("%+v, expected %+v", got, test.expected)
		}
	}
	totals := model.Totals{
		HasProbed: true, Probed: model.Probed{Round: 1, LetOut: 5, Succeeded: 2, Failed: 1, Ignored: 1}, RetryAfter: time.Second,
		QueueWaits: 3, QueueWaitSum: 4, Waiting: 2, Reflex: model.ReflexRecovery,
	}
	said := EncodeReport(&Report{Resources: []Resource{{"limit.db", totals}, {"limit.b", model.Totals{}}}}).GetReport().Resources
	if p := said[0].Probes; p.GetRound() != 1 || p.GetLetOut() != 5 || p.GetSucceeded() != 2 || p.GetFailed() != 1 || p.GetIgnored() != 1 {
		t.Errorf("%v", p)
	}
	if s := said[0]; s.RetryAfterSeen.AsDuration() != time.Second || s.QueueWaits != 3 || s.QueueWaitSum != 4 || s.Waiting != 2 || s.Reflex != v1.ResourceStats_RECOVERY {
		t.Errorf("%v", s)
	}
	if said[1].Probes != nil || said[1].RetryAfterSeen != nil {
		t.Errorf("nothing is not zero: %v", said[1])
	}
}
