package conformance

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/fakesidecar"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestConformance(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(scenarios, "*.yaml"))
	if err != nil || len(paths) < 15 {
		t.Fatalf("%d scenarios: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			it, err := load(path)
			if err != nil {
				t.Fatal(err)
			}
			directory := t.TempDir()
			synctest.Test(t, func(t *testing.T) { run(t, it, directory) })
		})
	}
}

// driver of one scenario.
type driver struct {
	*testing.T
	step      *step
	directory string
	sidecar   *fakesidecar.Sidecar
	sdk       *setpoint.Setpoint
	limiters  map[string]*setpoint.Limiter
	rates     map[string]*setpoint.Rate
	knobs     map[string]*setpoint.Knob
	latches   map[string]chan struct{}
	baselines map[string]float64
	started   time.Time
	talk      *fakesidecar.Talk
	tick      map[uint64]uint64
}

func run(t *testing.T, it *scenario, directory string) {
	d := &driver{
		T: t, directory: directory, sidecar: fakesidecar.Start(), limiters: make(map[string]*setpoint.Limiter), rates: make(map[string]*setpoint.Rate),
		knobs: make(map[string]*setpoint.Knob), latches: make(map[string]chan struct{}), baselines: make(map[string]float64),
		started: time.Now(), tick: make(map[uint64]uint64),
	}
	registered := make(chan struct{})
	dial := func(ctx context.Context) (net.Conn, error) {
		<-registered
		return d.sidecar.Dial(ctx)
	}
	d.sdk = setpoint.Start(context.Background(), "conformance", setpoint.WithDial(dial),
		setpoint.WithSocket(filepath.Join(directory, "setpoint.sock")), setpoint.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	for i := range it.Knobs {
		d.register(&it.Knobs[i])
	}
	close(registered)
	defer func() {
		for _, latch := range d.latches {
			close(latch)
		}
		d.sdk.Stop()
		d.sidecar.Stop()
	}()
	for i := range it.Steps {
		d.step = &it.Steps[i]
		d.do(d.step)
		if d.Failed() {
			return
		}
	}
}

func (d *driver) errorf(format string, arguments ...any) {
	d.Helper()
	d.Errorf("line %d, %s: "+format, append([]any{d.step.line, d.step.key}, arguments...)...)
}

func (d *driver) register(k *knob) {
	bounds, baseline, pace := setpoint.Bounds(k.Bounds[0], k.Bounds[1]), setpoint.Baseline(k.Baseline), setpoint.Pace(k.MaxChangeRatio, k.MinDwell)
	switch {
	case k.Limiter != "":
		d.limiters["limit."+k.Limiter] = d.sdk.Limiter(k.Limiter, bounds, baseline, pace)
		d.baselines["limit."+k.Limiter] = k.Baseline
	case k.Rate != "":
		d.rates["rate."+k.Rate] = d.sdk.Rate(k.Rate, bounds, baseline, pace)
		d.baselines["rate."+k.Rate] = k.Baseline
	default:
		latch := make(chan struct{})
		d.latches[k.Knob] = latch
		d.knobs[k.Knob] = d.sdk.Knob(k.Knob, bounds, baseline, pace, setpoint.Step(k.Step), setpoint.OnChange(func(change setpoint.Change) {
			if slices.Contains(k.Hangs, change.To) {
				<-latch
			}
			if slices.Contains(k.Panics, change.To) {
				panic("as the scenario says")
			}
		}))
		d.baselines[k.Knob] = k.Baseline
	}
}

func (d *driver) do(s *step) {
	switch s.key {
	case "hello":
		d.hello(s.Hello)
	case "welcome":
		d.welcome(s.Welcome)
	case "push":
		d.push(s.Push)
	case "again":
		d.again(s.Again)
	case "beats":
		d.talk.Beats(s.Beats.Count, s.Beats.Advance)
	case "beat":
		d.talk.Beat(*s.Beat)
		time.Sleep(10 * time.Millisecond)
	case "wait":
		time.Sleep(s.Wait)
	case "hang_up":
		d.talk.HangUp()
	case "shut":
		d.sidecar.Shut(*s.Shut)
	case "drain":
		d.talk.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Drain{Drain: &v1.Drain{RetryAfter: durationpb.New(s.Drain)}}})
	case "unknown":
		d.talk.Say(&v1.ServerMessage{})
	case "disable":
		d.disable(*s.Disable)
	case "pin", "unpin":
		d.pin(s.Pin, s.Unpin)
	case "stop":
		d.stop()
	case "release":
		d.latches[s.Release] <- struct{}{}
		synctest.Wait()
	case "register":
		d.register(s.Register)
	case "announced":
		d.announced(s.Announced)
	case "calls", "admits", "report":
		d.count(s)
	case "expect":
		d.expect(s.Expect)
	default:
		d.errorf("this driver does not know it")
	}
}

func (d *driver) hello(expected *hello) {
	if d.talk != nil {
		d.tick[d.talk.Epoch] = d.talk.Tick
	}
	called := time.Now()
	d.talk = d.sidecar.Next()
	said := d.talk.Hello()
	if waited := time.Since(called); expected.Within > 0 && waited > expected.Within {
		d.errorf("after %v", waited)
	}
	for _, name := range expected.Knobs {
		if !slices.ContainsFunc(said.GetKnobs(), func(knob *v1.Knob) bool { return knob.GetName() == name }) {
			d.errorf("%s is not in the hello", name)
		}
	}
	d.compare(said.GetState(), expected.State)
	if expected.LastSeq != said.GetLastApplied().GetSeq() && expected.LastSeq != 0 {
		d.errorf("last applied %v", said.GetLastApplied())
	}
}

func (d *driver) welcome(w *welcome) {
	// A loop that is called again is where it was.
	d.talk.Epoch, d.talk.Tick = w.Epoch, d.tick[w.Epoch]
	d.talk.Say(&v1.ServerMessage{Msg: &v1.ServerMessage_Welcome{Welcome: &v1.Welcome{Protocol: max(w.Protocol, 1), Epoch: w.Epoch}}})
	synctest.Wait()
}

func (d *driver) push(p *push) {
	frame := d.talk.Frame(channel(p.Channel), p.Seq)
	frame.Atomic = p.Atomic
	if p.Shadow {
		frame.Mode = v1.Frame_SHADOW
	}
	if p.Epoch != 0 {
		frame.Version.Epoch = p.Epoch
	}
	for name, value := range p.Set {
		frame.Set = append(frame.Set, d.setpoint(name, value, p.Lease))
	}
	ack := d.talk.SayFrame(frame)
	if len(ack.GetResults()) != len(p.Set) {
		d.errorf("%v", ack)
	}
	d.compare(ack.GetResults(), p.Ack)
}

func (d *driver) setpoint(name string, value any, l *lease) *v1.Setpoint {
	s := &v1.Setpoint{Knob: name}
	if l != nil {
		s.Lease = &v1.Lease{OnExpiry: v1.Lease_OnExpiry(v1.Lease_OnExpiry_value[strings.ToUpper(l.OnExpiry)]), SafeValue: l.Safe}
		for _, it := range []struct {
			length time.Duration
			into   **durationpb.Duration
		}{{l.TTL, &s.Lease.Ttl}, {l.Hold, &s.Lease.Hold}, {l.Decay, &s.Lease.Decay}} {
			if it.length > 0 {
				*it.into = durationpb.New(it.length)
			}
		}
	}
	number := math.NaN()
	switch value := value.(type) {
	case int:
		number = float64(value)
	case float64:
		number = value
	case string:
		state, known := v1.Breaker_State_value[strings.ToUpper(value)]
		if !known {
			d.errorf("%q is no state of a breaker", value)
		}
		s.Value = &v1.Setpoint_Breaker{Breaker: &v1.Breaker{State: v1.Breaker_State(state), ProbeRatio: 1, ProbeMax: 1}}
		return s
	}
	switch kind, _, _ := strings.Cut(name, "."); kind {
	case "limit":
		s.Value = &v1.Setpoint_Limit{Limit: &v1.Limit{Concurrency: &number}}
	case "rate":
		s.Value = &v1.Setpoint_Limit{Limit: &v1.Limit{RatePerS: &number}}
	default:
		s.Value = &v1.Setpoint_Number{Number: number}
	}
	return s
}

func (d *driver) again(expected *again) {
	for range 100 {
		ack := d.talk.Ack()
		if ack == nil {
			d.errorf("no such ack")
			return
		}
		if ack.GetChannel() == channel(expected.Channel) && d.agrees(ack.GetResults(), expected.Ack) == "" {
			return
		}
	}
	d.errorf("a hundred other acks")
}

func channel(name string) v1.Frame_Channel {
	if name == "" {
		return v1.Frame_LIMITS
	}
	return v1.Frame_Channel(v1.Frame_Channel_value[strings.ToUpper(name)])
}

func (d *driver) compare(said []*v1.Applied, expected map[string]result) {
	d.Helper()
	if problem := d.agrees(said, expected); problem != "" {
		d.errorf("%s in %v", problem, said)
	}
}

// agrees says what does not.
func (d *driver) agrees(said []*v1.Applied, expected map[string]result) string {
	for name, result := range expected {
		at := slices.IndexFunc(said, func(line *v1.Applied) bool { return line.GetKnob() == name })
		if at < 0 {
			return name + " is missing"
		}
		if strings.ToLower(said[at].GetStatus().String()) != result.Status || said[at].GetEffective() != result.Value {
			return name + " is something else"
		}
	}
	return ""
}

func (d *driver) disable(disable bool) {
	file := filepath.Join(d.directory, "disable")
	err := os.Remove(file)
	if disable {
		err = os.WriteFile(file, nil, 0o600)
	}
	if err != nil {
		d.errorf("%v", err)
	}
}

func (d *driver) pin(pin map[string]float64, unpin string) {
	for name, value := range pin {
		switch {
		case d.limiters[name] != nil:
			d.limiters[name].Pin(value)
		case d.knobs[name] != nil:
			d.knobs[name].Pin(value)
		default:
			d.errorf("no knob of this name can be pinned")
		}
	}
	switch {
	case d.limiters[unpin] != nil:
		d.limiters[unpin].Unpin()
	case d.knobs[unpin] != nil:
		d.knobs[unpin].Unpin()
	}
}

func (d *driver) announced(names []string) {
	for missing := slices.Clone(names); len(missing) > 0; {
		message := d.talk.Hear()
		if message == nil {
			d.errorf("%v are not announced", missing)
			return
		}
		for _, knob := range message.GetKnobs().GetAdd() {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == knob.GetName() })
		}
	}
}

func (d *driver) stop() {
	d.sdk.Stop()
	for {
		message := d.talk.Hear()
		if message == nil {
			d.errorf("no goodbye")
			return
		}
		if message.GetGoodbye() != nil {
			break
		}
	}
	d.expect(&expect{Values: d.baselines})
}

func (d *driver) expect(expected *expect) {
	synctest.Wait()
	if age := time.Since(d.started); expected.Within > 0 && age > expected.Within {
		d.errorf("after %v", age)
	}
	if got := d.sdk.Health().String(); expected.Health != "" && got != expected.Health {
		d.errorf("health is %s, not %s", got, expected.Health)
	}
	for name, value := range expected.Values {
		if got := math.Round(d.value(name)); got != value {
			d.errorf("%s is at %v, not %v", name, got, value)
		}
	}
}

func (d *driver) value(name string) float64 {
	if knob := d.knobs[name]; knob != nil {
		return knob.Value()
	}
	if limiter := d.limiters[name]; limiter != nil {
		return limiter.Limit()
	}
	if rate := d.rates[name]; rate != nil {
		return rate.PerSecond()
	}
	if limiter := d.limiters[strings.Replace(name, "breaker.", "limit.", 1)]; limiter != nil {
		// In the order of the contract; closed is what a breaker without a push is.
		return map[setpoint.BreakerState]float64{setpoint.BreakerHalfOpen: 2, setpoint.BreakerOpen: 3, setpoint.BreakerForcedOpen: 4, setpoint.BreakerRecovering: 5, setpoint.BreakerDisabled: 6, setpoint.BreakerShadow: 7}[limiter.Breaker().State()]
	}
	d.errorf("no knob %s", name)
	return math.NaN()
}
