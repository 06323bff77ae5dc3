package setpoint

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Throttle is a client-side throttle, knob throttle.NAME: how many calls are sent for each one that is accepted before some are refused
// here, 2 unless told otherwise. Make one with Setpoint.Throttle.
//
// A callee that is overloaded spends time on every call that it refuses. The rule is the one of Google's SRE book ("Handling
// overload"): with sent and accepted calls of the last 10 s, refuse the next one with probability
// max(0, (sent - K * accepted) / (sent + 1)). With K = 2 nothing is refused here until the callee refuses half.
//
// Two things differ. Calls that were refused here count as nothing at all: neither as sent, so that a callee that is well again is
// believed as soon as it has accepted half of the few that reach it, nor as a failure, so that the throttle never feeds on itself. And
// one call a second is always let through, or a callee that refused everything would never be asked again.
type Throttle struct {
	kBits  atomic.Uint64
	off    atomic.Bool
	lately lately
	// When a call was last let through against the odds, nanoseconds.
	probed atomic.Int64
	lots   atomic.Uint64
	advice *advice
	clock  *clock.Clock
	slot   *actuator.Slot
}

// Attempt is a call that a throttle let through. Finish it with what became of it; one that is not finished counts as nothing.
type Attempt struct{ throttle *Throttle }

func newThrottle(sdk *Setpoint, spec *knobSpec) *Throttle {
	t := &Throttle{clock: sdk.clock, slot: actuator.NewSlot(spec.declare(sdk.log))}
	t.kBits.Store(math.Float64bits(t.slot.Knob().Baseline))
	t.lots.Store(sdk.seed)
	t.advice = adviseEvery(t.slot.Knob().Name, Throttled, time.Second)
	return t
}

func throttleSpec(name string) knobSpec {
	spec := newSpec("throttle", name, model.KindNumeric, 1, 100, 2)
	spec.knob.Restrictive = model.RestrictiveLower
	return spec
}

// TryAcquire lets a call through or refuses it: the error is a *Rejected. It never waits and allocates nothing. Ten loads of one pair of
// cache lines, and a reading of the clock.
func (t *Throttle) TryAcquire() (Attempt, error) {
	if t.off.Load() {
		return Attempt{}, nil
	}
	now := t.clock.Now()
	odds := t.odds(now)
	if odds <= 0 {
		return Attempt{t}, nil
	}
	lot := t.lots.Add(1)
	if jitter(lot) >= odds || t.probe(int64(now)) {
		return Attempt{t}, nil
	}
	return Attempt{}, t.advice.draw(lot)
}

// Finish tells what became of the call. Dropped: the callee did not accept it. Ignore counts as nothing; everything else is accepted, a
// call that failed in its work too.
func (a Attempt) Finish(outcome Outcome) {
	if a.throttle != nil && outcome != Ignore {
		a.throttle.lately.count(a.throttle.clock.Now(), outcome != Dropped)
	}
}

// RefusedRatio is the share of calls that are refused now, 0 to 1.
func (t *Throttle) RefusedRatio() float64 { return t.odds(t.clock.Now()) }

// odds are the probability with which the next call is refused.
func (t *Throttle) odds(now time.Duration) float64 {
	sent, accepted := t.lately.sums(now)
	k := math.Float64frombits(t.kBits.Load())
	return max((float64(sent)-k*float64(accepted))/float64(sent+1), 0)
}

// probe says whether it is time to ask the callee against the odds: true for one caller a second.
func (t *Throttle) probe(now int64) bool {
	probed := t.probed.Load()
	return now >= probed+int64(time.Second) && t.probed.CompareAndSwap(probed, now)
}

func (t *Throttle) put(value model.Value, on bool) {
	if on {
		t.kBits.Store(math.Float64bits(value.Number))
	}
	t.off.Store(!on)
}

// throttleTuning is the session's side.
type throttleTuning struct {
	slotTuning
	it *Throttle
}

func (t *Throttle) tuning() *throttleTuning {
	return &throttleTuning{slotTuning{slot: t.slot, put: t.put}, t}
}

// jitter is a number from 0 to below 1 that looks random, out of a counter (the finaliser of splitmix64).
func jitter(counter uint64) float64 {
	x := counter + 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}

const (
	// How much of the past counts, seconds.
	latelySeconds = 10
	// Bits of each count of a second.
	latelyBits = 20
	latelyMax  = 1<<latelyBits - 1
)

// lately is how many calls were sent in the last ten seconds, and how many of them were accepted, without a lock: one word for each
// second, its number, calls sent and calls accepted. A second that is over is overwritten by the next one that needs its place.
type lately [latelySeconds]atomic.Uint64

// stampOf a second: its number, as far as it fits.
func stampOf(second uint64) uint64 { return (second + 1) % (1 << (64 - 2*latelyBits)) }

func (l *lately) count(now time.Duration, accepted bool) {
	second := uint64(now / time.Second)
	bucket := &l[second%latelySeconds]
	for {
		word := bucket.Load()
		sent, before := word>>latelyBits&latelyMax, word&latelyMax
		if word>>(2*latelyBits) != stampOf(second) {
			sent, before = 0, 0
		}
		if sent == latelyMax { // both are halved, so that their ratio stays
			sent, before = sent/2, before/2
		}
		if accepted {
			before++
		}
		if bucket.CompareAndSwap(word, stampOf(second)<<(2*latelyBits)|(sent+1)<<latelyBits|before) {
			return
		}
	}
}

// sums of calls sent and calls accepted.
func (l *lately) sums(now time.Duration) (sent, accepted uint64) {
	second := uint64(now / time.Second)
	for back := range min(latelySeconds, second+1) {
		word := l[(second-back)%latelySeconds].Load()
		if word>>(2*latelyBits) == stampOf(second-back) {
			sent += word >> latelyBits & latelyMax
			accepted += word & latelyMax
		}
	}
	return sent, accepted
}
