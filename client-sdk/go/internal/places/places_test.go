package places

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/leaktest"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	every = 8
	slice = 50 * time.Millisecond
	// That a steady load is watched for.
	someSlices = 80
)

// onOneProcessor keeps a test's calls on one shard.
func onOneProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func sampled() (*Places, *clock.Clock) {
	hand := clock.ByHand()
	// Old enough for a slip of one call's time to stand out from everything else.
	hand.Move(time.Hour)
	return open(New(hand, 0, every)), hand
}

// open places, for more calls than any test has.
func open(places *Places) *Places {
	places.Set(100_000, model.Shares{1, 1, 1, 1, 1})
	return places
}

func TestOneCallInSoManyReadsTheClockWhereThereAreMany(t *testing.T) {
	onOneProcessor(t)
	for _, test := range []struct {
		inASlice        int
		lowest, highest float64
	}{{1, 1, 1}, {wantedReadings, 1, 1}, {3 * wantedReadings, 0.3, 0.36}, {5000, 0.12, 0.13}} {
		places, hand := sampled()
		read, all := 0, 0
		for n := range 20 {
			places.CloseSlice()
			for range test.inASlice {
				hand.Move(slice / time.Duration(test.inASlice))
				ticket, _ := places.TryEnter(2, 1)
				at := ticket.at
				if ticket.kind() == quick {
					at = ticket.quickAt(hand.Nanos())
				}
				if off := int64(at) - int64(hand.Now()); max(off, -off) > 15*longestStep {
					t.Fatalf("off by %v", time.Duration(off))
				}
				places.Leave(ticket, model.OutcomeSuccess)
				if n >= 2 {
					all++
					if ticket.kind() == timed {
						read++
					}
				}
			}
		}
		if share := float64(read) / float64(all); share < test.lowest || share > test.highest {
			t.Errorf("%d in a slice: %v", test.inASlice, share)
		}
	}
}

// call in flight.
type call struct {
	ticket     Ticket
	came, ends time.Duration
}

type calls []call

func (c calls) Len() int           { return len(c) }
func (c calls) Less(i, j int) bool { return c[i].ends < c[j].ends }
func (c calls) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *calls) Push(it any)       { *c = append(*c, it.(call)) }
func (c *calls) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// service under a steady load in virtual time, with what it would report and what was true.
type service struct {
	places          *Places
	hand            *clock.Clock
	dice            *rand.Rand
	inFlight        calls
	next            time.Duration
	every, mean     float64
	integral        float64
	completed       int
	latency, square float64
}

func (s *service) exponential(mean float64) time.Duration {
	return time.Duration(s.dice.ExpFloat64() * mean)
}

func (s *service) moveTo(to time.Duration) {
	s.integral += (to - s.hand.Now()).Seconds() * float64(len(s.inFlight))
	s.hand.Move(to - s.hand.Now())
}

// slice runs up to the end of the slice, and gives what would be reported then.
func (s *service) slice() model.Totals {
	end := s.hand.Now() - s.hand.Now()%slice + slice
	for {
		ends := time.Duration(math.MaxInt64)
		if len(s.inFlight) > 0 {
			ends = s.inFlight[0].ends
		}
		if min(ends, s.next) >= end {
			break
		}
		s.moveTo(min(ends, s.next))
		if ends <= s.next {
			it := heap.Pop(&s.inFlight).(call)
			s.places.Leave(it.ticket, model.OutcomeSuccess)
			latency := (it.ends - it.came).Seconds()
			s.completed++
			s.latency += latency
			s.square += latency * latency
			continue
		}
		now := s.hand.Now()
		ticket, ok := s.places.TryEnter(2, 1)
		if !ok {
			panic("the limit is far away")
		}
		heap.Push(&s.inFlight, call{ticket, now, now + s.exponential(s.mean)})
		s.next = now + 1 + s.exponential(s.every)
	}
	s.moveTo(end)
	s.places.CloseSlice()
	totals := model.Totals{AtNanos: s.hand.Nanos()}
	s.places.Count(&totals)
	return totals
}

// integralOf is of calls in flight over time, in call-seconds, as the sidecar works it out.
func integralOf(from, to *model.Totals) float64 {
	area := func(count, sum uint64) float64 { return float64(int64(to.AtNanos*count - sum)) }
	came := area(to.Admitted-from.Admitted, to.AdmitTimeSum-from.AdmitTimeSum)
	went := area(to.Released()-from.Released(), to.ReleaseTimeSum-from.ReleaseTimeSum)
	return (float64(from.InFlight())*float64(to.AtNanos-from.AtNanos) + came - went) / 1e9
}

func TestTheSidecarLearnsTheTruthFromSampledClocks(t *testing.T) {
	onOneProcessor(t)
	for seed, test := range []struct {
		perSecond float64
		mean      time.Duration
	}{{20_000, 2 * time.Millisecond}, {20_000, 20 * time.Millisecond}, {100_000, 50 * time.Microsecond}, {4000, 100 * time.Millisecond}, {300, 30 * time.Millisecond}} {
		places, hand := sampled()
		s := &service{places: places, hand: hand, dice: rand.New(rand.NewPCG(20, uint64(seed))), next: hand.Now(), every: 1e9 / test.perSecond, mean: float64(test.mean)}
		for range 20 {
			s.slice()
		}
		first := s.slice()
		s.completed, s.latency, s.square, s.integral = 0, 0, 0, 0
		var last model.Totals
		for n := range someSlices {
			last = s.slice()
			if last.InFlight() != uint64(len(s.inFlight)) {
				t.Fatalf("counts are exact: %d of %d", last.InFlight(), len(s.inFlight))
			}
			age := time.Duration(0)
			for _, it := range s.inFlight {
				age += s.hand.Now() - it.came
			}
			// Each of them by the steps between two readings at most, and not more after twenty seconds than after one.
			off := last.InFlightAgeSum() - age
			if most := 16 * float64(1+len(s.inFlight)) * 1e9 / test.perSecond; math.Abs(float64(off)) > most {
				t.Fatalf("%v/s, slice %d: age %v, off by %v", test.perSecond, n, age, off)
			}
		}
		count := float64(s.completed)
		if told := last.Completed - first.Completed; told != uint64(s.completed) {
			t.Errorf("%d completed of %d", told, s.completed)
		}
		// A mean of n/8 exponential latencies has an error of 1/sqrt(n/8).
		certain := 4 / math.Sqrt(count/every)
		latency, told := s.latency/count, float64(last.SuccessLatencySum-first.SuccessLatencySum)/count/1e9
		if math.Abs(told/latency-1) > certain {
			t.Errorf("%v/s: latency %v for %v", test.perSecond, told, latency)
		}
		unit := float64(model.SquareUnitNanos) / 1e9
		squares := float64(last.SuccessLatencySqSum-first.SuccessLatencySqSum) / count * unit * unit
		if spread, told := s.square/count/(latency*latency)-1, squares/(told*told)-1; math.Abs(told-spread) > 8*certain {
			t.Errorf("%v/s: squared variation %v for %v", test.perSecond, told, spread)
		}
		// The estimates of one shard may be off by a fraction of what passes from event to event.
		if told := integralOf(&first, &last); math.Abs(told-s.integral) > 0.005*s.integral+0.2*someSlices*slice.Seconds() {
			t.Errorf("%v/s: %v call-seconds for %v", test.perSecond, told, s.integral)
		}
	}
}

func TestLateAndSlowCallsAreCountedWithSampledClocksToo(t *testing.T) {
	onOneProcessor(t)
	hand := clock.ByHand()
	places := open(New(hand, 10*time.Millisecond, every))
	places.Watch([]time.Duration{time.Millisecond})
	for range 40 {
		places.CloseSlice()
		for range 500 {
			ticket, _ := places.TryEnter(2, 1)
			hand.Move(100 * time.Microsecond)
			places.Leave(ticket, model.OutcomeSuccess)
		}
	}
	for range 40 {
		places.CloseSlice()
		for range 500 {
			ticket, _ := places.TryEnter(2, 1)
			hand.Move(20 * time.Millisecond)
			places.Leave(ticket, model.OutcomeSuccess)
		}
	}
	totals := model.Totals{}
	places.Count(&totals)
	if totals.Completed != 40_000 || totals.Late < 19_900 || totals.Late > 20_000 || totals.Slow[0].Calls < 19_900 || totals.Slow[0].Calls > 20_000 {
		t.Errorf("%+v", totals)
	}
}

func TestBucketsHoldTheirLatencies(t *testing.T) {
	for i := 1; i < Buckets; i++ {
		if floor := uint64(Floor(i)); bucket(floor) != i || bucket(floor-1) != i-1 {
			t.Errorf("bucket %d: %d %d", i, bucket(floor), bucket(floor-1))
		}
	}
	if bucket(0) != 0 || bucket(math.MaxUint64) != Buckets-1 {
		t.Error("the ends")
	}
}
