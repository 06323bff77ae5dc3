package session

import (
	"log/slog"
	"math"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// A decay moves in so many steps: an owner's callback is not called twenty times a second for a minute.
const decaySteps = 100

// The reasons of the moves that the SDK makes by itself.
var (
	whyReleased   = &wire.Why{Policy: "sdk", Rule: "released", Text: "no policy names this knob any more", Action: "baseline"}
	whyLeaseOver  = &wire.Why{Policy: "sdk", Rule: "lease_over", Text: "no word from the sidecar", Action: "baseline"}
	whyRolledBack = &wire.Why{Policy: "sdk", Rule: "rolled_back", Text: "another setpoint of the same atomic frame was refused", Action: "baseline"}
)

// push is what the sidecar wants of a knob.
type push struct {
	channel   wire.Channel
	version   wire.Version
	wanted    model.Value
	admission model.Admission
	lease     leaseClock
	why       *wire.Why
}

// word is the sidecar's word as the actuator was told of it.
type word struct {
	value     model.Value
	admission model.Admission
	counts    bool
}

// refusal is what an actuator refused last, and why; not tried again.
type refusal struct {
	value  model.Value
	why    string
	stands bool
}

// tuned is a knob under the sidecar's hand: from what was pushed, and how old that is, to what is in force.
//
// The goal is a pure function of the push and its lease; settle moves the actuator towards it and may be called at any time and
// any number of times. So a new frame, a renewed lease, a lease that runs out and a dwell that ends are one and the same thing.
type tuned struct {
	actuator actuator.Actuator
	knob     *model.Knob
	log      *slog.Logger
	state
}

// state is what an atomic frame may have to take back.
type state struct {
	push   push
	pushed bool
	// What the actuator took last (the baseline before that), and what it read back then.
	asked, readBack model.Value
	word            word
	// What it took last under a lease: a decay starts here.
	leased   model.Value
	refused  refusal
	moved    time.Duration
	hasMoved bool
	// The ratio cut the last move; the rest follows.
	walking bool
	told    told
	verdict verdict
	// When it was last looked at: the owner held it; the service had not taken the newest value.
	pinned, behind bool
}

func newTuned(a actuator.Actuator, log *slog.Logger) *tuned {
	knob := a.Knob()
	baseline := knob.BaselineValue()
	return &tuned{actuator: a, knob: knob, log: log, state: state{asked: baseline, readBack: a.InForce(), leased: baseline, verdict: applied}}
}

// effective is the value read back, as one number.
func (t *tuned) effective() float64 { return t.actuator.InForce().Scalar() }

// check says whether this knob can be set to a value at all; if not, the verdict says why.
func (t *tuned) check(wanted model.Value) (verdict, bool) {
	switch {
	case t.knob.Cold:
		return notSupported("takes effect only after a restart"), false
	case wanted.Form != t.knob.BaselineValue().Form:
		return notSupported("takes no value of this kind"), false
	case math.IsNaN(wanted.Scalar()):
		return rejected("not a number"), false
	case t.refused.stands && t.refused.value == t.fitted(wanted):
		return rejected(t.refused.why), false
	default:
		return verdict{}, true
	}
}

// adopt: a newer frame of the channel did not change this knob, so what stands lives on under its version.
func (t *tuned) adopt(channel wire.Channel, version wire.Version, now time.Duration) {
	if t.pushed && t.push.channel == channel {
		t.push.version = version
		t.push.lease.renew(now)
	}
}

// holds says whether this very version is what the knob has.
func (t *tuned) holds(renewal wire.Renewal) bool {
	return t.pushed && t.push.channel == renewal.Channel && t.push.version == renewal.Version
}

// lapsed: the value of this version was let go because its lease had run out; a renewal cannot bring it back.
func (t *tuned) lapsed(renewal wire.Renewal) bool { return !t.word.counts && t.holds(renewal) }

// abandon puts the knob at its baseline at once: nobody will look after it any more.
func (t *tuned) abandon(now time.Duration) {
	t.pushed = false
	t.tell(word{})
	if err := t.put(t.knob.BaselineValue(), whyReleased, false, now); err != nil {
		t.log.Error("the baseline was refused", "knob", t.knob.Name, "why", err)
	}
	t.guard(func() { t.actuator.Close() })
}

// wouldWait says whether a move would have to wait.
func (t *tuned) wouldWait(wanted model.Value, now time.Duration) bool {
	pace, _ := t.pace(t.fitted(wanted), true, now)
	return pace == waitFirst || t.actuator.Behind()
}

// settle moves the actuator towards the goal. Leases are judged at judgeAt; newly says that the push was just taken. True when
// the sidecar is to be told: the verdict has changed, or what the owner holds.
func (t *tuned) settle(now, judgeAt time.Duration, newly bool) bool {
	said := word{}
	var next verdict
	if t.behind && !t.actuator.Behind() {
		t.catchUp()
	}
	pinned, ownersMove := t.actuator.Pinned(), t.ownersMove()
	stage, share := model.Over, 0.0
	if t.pushed {
		stage, share = t.push.lease.stage(judgeAt)
	}
	switch {
	case !t.pushed:
		next = t.approach(t.knob.BaselineValue(), whyReleased, newly, now)
	case stage == model.Valid || stage == model.Held:
		said = word{t.push.wanted, t.push.admission, true}
		next = t.lead(newly, now)
	default:
		t.walking = false
		next = t.verdict
		if err := t.put(t.expired(stage, share), whyLeaseOver, newly, now); err != nil {
			next = rejected(err.Error())
		}
	}
	// After the value: a bound of the reflex that the word lifts has then nothing left to uncover.
	t.tell(said)
	t.guard(func() { t.actuator.Fresh(stage == model.Valid) })
	t.behind = t.actuator.Behind()
	switch {
	case pinned:
		next = localOverride
	case t.behind && (next.is(wire.Applied) || next.is(wire.Clamped)):
		next = behind
	}
	changed := ownersMove || next != t.verdict
	t.verdict = next
	return changed
}

// ownersMove: the owner has taken the knob, given it back or moved it. What is in force is another then. The percentage of a GC
// target moves all the time, by itself.
func (t *tuned) ownersMove() bool {
	pinned := t.actuator.Pinned()
	moved := pinned && t.asked.Form != model.FormGC && t.actuator.InForce() != t.readBack
	if pinned == t.pinned && !moved {
		return false
	}
	t.pinned, t.readBack = pinned, t.actuator.InForce()
	return true
}

// catchUp: the service's callback is back, and what it made of the newest value is known.
func (t *tuned) catchUp() {
	t.readBack = t.actuator.InForce()
	if err := t.actuator.TakeRefusal(); err != nil {
		t.log.Warn("a value was refused", "knob", t.knob.Name, "value", t.asked.Said(), "why", err)
		t.refused = refusal{t.asked, err.Error(), true}
		t.asked = t.readBack
	}
}

// lead follows the sidecar.
func (t *tuned) lead(newly bool, now time.Duration) verdict {
	goal := t.fitted(t.push.wanted)
	next := t.approach(goal, t.push.why, newly, now)
	t.leased = t.asked
	if next == applied && goal != t.push.wanted {
		return cutToBounds
	}
	return next
}

// expired is where the end of the lease leads.
func (t *tuned) expired(stage model.Stage, share float64) model.Value {
	baseline := t.knob.BaselineValue()
	switch {
	case stage == model.Decaying && t.leased.IsQuantity():
		share = math.Floor(share*decaySteps) / decaySteps
		return t.fitted(t.leased.WithScalar(t.leased.Number + (baseline.Number-t.leased.Number)*share))
	case stage == model.Over && t.push.lease.lease.OnExpiry == model.ToSafe:
		return t.fitted(t.leased.WithScalar(t.push.lease.lease.SafeValue))
	default:
		return baseline
	}
}

// rollBack takes everything back, because another knob of the same atomic frame was refused.
func (t *tuned) rollBack(before state) {
	movedOn, refused, said := t.asked != before.asked, t.refused, before.word
	now := t.word
	t.state = before
	t.word = now
	t.tell(said)
	if refused.stands {
		t.refused = refused
	}
	if movedOn {
		if _, err := t.apply(t.asked, whyRolledBack); err != nil {
			t.log.Error("the value before an atomic frame was refused", "knob", t.knob.Name, "why", err)
		}
	}
}

// tell tells the actuator of the sidecar's word, when there is a new one or the last one counts no more.
func (t *tuned) tell(said word) {
	if t.word != said {
		t.word = said
		t.pass(said)
	}
}

// pass the word on. Apart, because what an actuator is given may outlive the call, and most calls of tell give it nothing.
//
//go:noinline
func (t *tuned) pass(said word) {
	t.guard(func() {
		if said.counts {
			t.actuator.Admit(&said.admission)
		} else {
			t.actuator.Admit(nil)
		}
	})
}

// approach is a paced move.
func (t *tuned) approach(goal model.Value, why *wire.Why, newly bool, now time.Duration) verdict {
	pace, part := t.pace(goal, newly, now)
	next := goal
	switch pace {
	case waitFirst:
		if t.walking && !newly {
			return t.verdict
		}
		return deferred
	case partOfTheWay:
		next = goal.WithScalar(part)
	}
	if err := t.put(next, why, newly, now); err != nil {
		return rejected(err.Error())
	}
	t.walking = pace == partOfTheWay
	switch {
	case t.walking:
		return walks
	case goal.Form == model.FormGC || t.readBack.Scalar() == goal.Scalar():
		return applied
	default:
		return cutByService
	}
}

func (t *tuned) pace(goal model.Value, newly bool, now time.Duration) (pace, float64) {
	since := time.Duration(math.MaxInt64)
	if t.hasMoved {
		since = now - t.moved
	}
	return paceOf(t.knob, t.asked, goal, since, t.walking && !newly)
}

// fitted is within the bounds and on the quantum.
func (t *tuned) fitted(wanted model.Value) model.Value {
	if fitted, ok := t.knob.Fit(wanted.Number); ok && wanted.IsQuantity() {
		return wanted.WithScalar(fitted)
	}
	return wanted
}
