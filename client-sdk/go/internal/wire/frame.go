package wire

import (
	"errors"
	"fmt"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

func frame(wire *v1.Frame) (*Frame, error) {
	f := &Frame{Nonce: wire.GetNonce(), Version: version(wire.GetVersion()), ConfigRevision: wire.GetConfigRevision(), Atomic: wire.GetAtomic()}
	var err error
	if f.Channel, err = channel(wire.GetChannel()); err != nil {
		return nil, known(err)
	}
	switch wire.GetMode() {
	case v1.Frame_APPLY:
	case v1.Frame_SHADOW:
		f.Shadow = true
	default:
		return nil, at("mode", problem(fmt.Sprintf("value %d is not known to this build", wire.GetMode())))
	}
	if wire.GetVersion() == nil {
		return nil, at("version", problem("missing"))
	}
	if err := errors.Join(text("config_revision", f.ConfigRevision, StringBytes), count("set", len(wire.GetSet()), MaxKnobs)); err != nil {
		return nil, err
	}
	if f.Watched, err = watched(wire.GetWatch()); err != nil {
		return nil, err
	}
	return f, f.take(wire.GetSet())
}

func watched(wire []*v1.Watch) ([]model.Watch, error) {
	if err := count("watch", len(wire), MaxWatched); err != nil {
		return nil, err
	}
	var all []model.Watch
	for i, entry := range wire {
		after, err := duration("after", entry.GetAfter(), 0)
		switch {
		case err != nil:
		case entry.GetResource() == "":
			err = at("resource", problem("missing"))
		case entry.GetAfter() == nil:
			err = at("after", problem("missing"))
		default:
			err = text("resource", entry.GetResource(), StringBytes)
		}
		if err != nil {
			return nil, atIndex("watch", i, err)
		}
		all = append(all, model.Watch{Resource: entry.GetResource(), After: after})
	}
	return all, nil
}

// known makes an unknown value an error of the whole message, where nothing can be left out.
func known(err error) error {
	if isUnsupported(err) {
		return problem(err.Error())
	}
	return err
}

func (f *Frame) take(set []*v1.Setpoint) error {
	seen := make(map[string]bool, len(set))
	for i, entry := range set {
		if seen[entry.GetKnob()] {
			return atIndex("set", i, problem("given twice"))
		}
		seen[entry.GetKnob()] = true
		decoded, err := setpoint(entry)
		switch {
		case err == nil:
			f.Set = append(f.Set, decoded)
		case isUnsupported(err):
			f.Unsupported = append(f.Unsupported, Unsupported{entry.GetKnob(), err.Error()})
		default:
			return atIndex("set", i, err)
		}
	}
	return nil
}

// Refusal is the answer to a frame that cannot be decoded: every knob that it names keeps its value. False when the message is no
// frame or names no known channel. Without an answer the sender would wait for it.
func Refusal(message *v1.ServerMessage, why error) (Ack, bool) {
	wire := message.GetFrame()
	channel, err := channel(wire.GetChannel())
	if wire == nil || err != nil {
		return Ack{}, false
	}
	ack := Ack{Channel: channel, Nonce: wire.GetNonce()}
	for _, setpoint := range wire.GetSet()[:min(len(wire.GetSet()), MaxKnobs)] {
		ack.Results = append(ack.Results, Result{Knob: short(setpoint.GetKnob()), Status: Rejected, Detail: why.Error()})
	}
	return ack, true
}

func setpoint(wire *v1.Setpoint) (s Setpoint, err error) {
	s.Knob, s.DecisionID = wire.GetKnob(), wire.GetDecisionId()
	if err := knobName("knob", s.Knob); err != nil {
		return s, err
	}
	if s.Value, s.Admission, err = value(wire); err != nil {
		return s, err
	}
	if s.Lease, err = lease(wire.GetLease()); err != nil {
		return s, at("lease", err)
	}
	if s.Why, err = why(wire.GetReason()); err != nil {
		return s, at("reason", err)
	}
	return s, nil
}

func lease(wire *v1.Lease) (model.Lease, error) {
	l := model.DefaultLease()
	if wire == nil {
		return l, nil
	}
	var errs [4]error
	l.TTL, errs[0] = duration("ttl", wire.GetTtl(), l.TTL)
	l.Hold, errs[1] = duration("hold", wire.GetHold(), l.Hold)
	l.Decay, errs[2] = duration("decay", wire.GetDecay(), l.Decay)
	errs[3] = finite("safe_value", wire.GetSafeValue())
	if err := errors.Join(errs[:]...); err != nil {
		return l, err
	}
	if l.TTL == 0 {
		return l, at("ttl", problem("must be above 0"))
	}
	if wire.GetOnExpiry() < v1.Lease_HOLD_THEN_DECAY || wire.GetOnExpiry() > v1.Lease_KEEP {
		return l, notKnown("on_expiry", int32(wire.GetOnExpiry()))
	}
	l.OnExpiry, l.SafeValue = model.OnExpiry(wire.GetOnExpiry()), wire.GetSafeValue()
	return l, nil
}

func why(wire *v1.Reason) (*Why, error) {
	w := &Why{Policy: wire.GetPolicy(), Rule: wire.GetRule(), Text: wire.GetText(), Action: wire.GetAction()}
	if err := errors.Join(
		text("policy", w.Policy, StringBytes), text("rule", w.Rule, StringBytes), text("text", w.Text, TextBytes),
		text("action", w.Action, StringBytes), count("evidence", len(wire.GetEvidence()), MaxEvidence),
	); err != nil {
		return nil, err
	}
	for i, entry := range wire.GetEvidence() {
		if err := errors.Join(
			text("signal", entry.GetSignal(), StringBytes), text("unit", entry.GetUnit(), StringBytes),
			finite("observed", entry.GetObserved()), finite("threshold", entry.GetThreshold()),
		); err != nil {
			return nil, atIndex("evidence", i, err)
		}
		w.Evidence = append(w.Evidence, Evidence{entry.GetSignal(), entry.GetObserved(), entry.GetThreshold(), entry.GetUnit()})
	}
	return w, nil
}
