package session

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// fake is a knob whose service can refuse, panic, cut and pin.
type fake struct {
	actuator.Defaults
	knob            *model.Knob
	value           model.Value
	calls           []float64
	refuse, panicAt float64
	most            float64
	pinned          bool
	admitted        []*model.Admission
	slower          []time.Duration
}

func (f *fake) Knob() *model.Knob    { return f.knob }
func (f *fake) InForce() model.Value { return f.value }
func (f *fake) Pinned() bool         { return f.pinned }
func (f *fake) Enforce(bool)         {}

func (f *fake) Admit(admission *model.Admission) { f.admitted = append(f.admitted, admission) }

func (f *fake) CountSlowerThan(latencies []time.Duration) { f.slower = latencies }

func (f *fake) Apply(value model.Value, _ *wire.Why) (model.Value, error) {
	asked := value.Scalar()
	f.calls = append(f.calls, asked)
	if asked == f.panicAt {
		panic("the service's own bug")
	}
	if asked == f.refuse {
		return f.value, errors.New("no room")
	}
	if f.pinned {
		return f.value, nil
	}
	f.value = value.WithScalar(min(asked, f.most))
	return f.value, nil
}

func newFake(knob model.Knob) *fake {
	if err := knob.Check(); err != nil {
		panic(err)
	}
	return &fake{knob: &knob, value: knob.BaselineValue(), refuse: -1, panicAt: -1, most: math.Inf(1)}
}

func limitKnob(name string) model.Knob {
	return model.Knob{
		Name: name, Kind: model.KindConcurrencyLimit, Min: 4, Max: 400, Baseline: 64, Step: 1, Restrictive: model.RestrictiveLower,
	}
}

func limitFake(name string) *fake { return newFake(limitKnob(name)) }

const epoch = 7

func at(seconds float64) time.Duration { return time.Duration(seconds * 1e9) }

type bench struct {
	*testing.T
	*applier
}

func newBench(t *testing.T, fakes ...*fake) bench {
	b := bench{t, newApplier(slog.New(slog.NewTextHandler(io.Discard, nil)))}
	var all []actuator.Actuator
	for _, it := range fakes {
		all = append(all, it)
	}
	b.sync(all)
	b.startStream(epoch)
	return b
}

type to struct {
	knob  string
	limit float64
}

func limits(seq uint64, set ...to) *wire.Frame {
	frame := &wire.Frame{Channel: wire.Limits, Nonce: seq, Version: wire.Version{Epoch: epoch, Seq: seq}}
	for _, it := range set {
		frame.Set = append(frame.Set, setpointOf(it.knob, model.Concurrency(it.limit)))
	}
	return frame
}

func setpointOf(knob string, value model.Value) wire.Setpoint {
	return wire.Setpoint{Knob: knob, Value: value, Lease: model.DefaultLease(), Why: &wire.Why{}}
}

func atomicFrame(seq uint64, set ...to) *wire.Frame {
	frame := limits(seq, set...)
	frame.Atomic = true
	return frame
}

// expect the lines of an ack: status and value of each.
func (b bench) expect(ack wire.Ack, expected ...any) {
	b.Helper()
	var got []any
	for _, line := range ack.Results {
		got = append(got, line.Status, line.Effective)
	}
	if !reflect.DeepEqual(got, expected) {
		b.Errorf("%+v, expected %v", ack.Results, expected)
	}
}

func (b bench) ticks(seconds float64) []wire.Ack { return b.tick(at(seconds), at(seconds)) }
