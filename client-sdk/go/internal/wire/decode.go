package wire

import (
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

// What holds where the sidecar says nothing.
const (
	defaultBeatEvery   = time.Second
	defaultLostAfter   = 5 * time.Second
	defaultReportEvery = 100 * time.Millisecond
	defaultRetryAfter  = time.Second
)

// ErrUnknownMessage is a message of a kind that this build does not know: it is passed over.
var ErrUnknownMessage = errors.New("the message is of no kind that this build knows")

// Decode checks a message of the sidecar and translates it to a *Welcome, *Frame, *Beat or *Drain. The error names the bad field.
func Decode(message *v1.ServerMessage) (any, error) {
	switch wire := message.GetMsg().(type) {
	case *v1.ServerMessage_Welcome:
		return under[*Welcome]("welcome")(welcome(wire.Welcome))
	case *v1.ServerMessage_Frame:
		return under[*Frame]("frame")(frame(wire.Frame))
	case *v1.ServerMessage_Beat:
		return under[*Beat]("beat")(beat(wire.Beat))
	case *v1.ServerMessage_Drain:
		return under[*Drain]("drain")(drain(wire.Drain))
	default:
		return nil, ErrUnknownMessage
	}
}

func under[T any](segment string) func(T, error) (any, error) {
	return func(message T, err error) (any, error) {
		if err != nil {
			return nil, at(segment, err)
		}
		return message, nil
	}
}

func welcome(wire *v1.Welcome) (*Welcome, error) {
	w := &Welcome{
		Protocol: wire.GetProtocol(), Epoch: wire.GetEpoch(), Unbound: wire.GetUnbound(), Missing: wire.GetMissing(),
		ConfigRevision: wire.GetConfigRevision(),
	}
	var err error
	if w.Protocol == 0 {
		return nil, at("protocol", problem("missing"))
	}
	if w.BeatEvery, err = period("beat_every", wire.GetBeatEvery(), defaultBeatEvery); err != nil {
		return nil, err
	}
	if w.LostAfter, err = duration("lost_after", wire.GetLostAfter(), defaultLostAfter); err != nil {
		return nil, err
	}
	if w.LostAfter < 3*w.BeatEvery {
		return nil, at("lost_after", problem("must be at least 3 beats"))
	}
	if w.ReportEvery, err = period("report_every", wire.GetReportEvery(), defaultReportEvery); err != nil {
		return nil, err
	}
	return w, errors.Join(
		count("capabilities", len(wire.GetCapabilities()), MaxCapabilities),
		knobNames("unbound", w.Unbound), knobNames("missing", w.Missing),
		text("config_revision", w.ConfigRevision, StringBytes),
	)
}

func period(name string, wire *durationpb.Duration, otherwise time.Duration) (time.Duration, error) {
	length, err := duration(name, wire, otherwise)
	if err == nil && length < ShortestPeriod {
		err = at(name, problem("must be at least 10 ms"))
	}
	return length, err
}

func beat(wire *v1.Beat) (*Beat, error) {
	if err := count("renew", len(wire.GetRenew()), MaxRenewals); err != nil {
		return nil, err
	}
	age, err := duration("loop_age", wire.GetLoopAge(), 0)
	if err != nil {
		return nil, err
	}
	b := &Beat{LoopTick: wire.GetLoopTick(), LoopAge: age}
	for i, entry := range wire.GetRenew() {
		channel, err := channel(entry.GetChannel())
		if isUnsupported(err) {
			continue // it holds nothing here that could be renewed
		}
		if err == nil && entry.GetVersion() == nil {
			err = at("version", problem("missing"))
		}
		if err != nil {
			return nil, atIndex("renew", i, err)
		}
		b.Renew = append(b.Renew, Renewal{channel, version(entry.GetVersion())})
	}
	return b, nil
}

func drain(wire *v1.Drain) (*Drain, error) {
	after, err := duration("retry_after", wire.GetRetryAfter(), defaultRetryAfter)
	if err != nil {
		return nil, err
	}
	return &Drain{after, wire.GetWhy()}, text("why", wire.GetWhy(), TextBytes)
}

func version(wire *v1.Version) Version { return Version{wire.GetEpoch(), wire.GetSeq()} }

func channel(wire v1.Frame_Channel) (Channel, error) {
	switch {
	case wire == 0:
		return 0, at("channel", problem("missing"))
	case wire < v1.Frame_SAFETY || wire > v1.Frame_CUSTOM:
		return 0, notKnown("channel", int32(wire))
	default:
		return Channel(wire), nil
	}
}

func isUnsupported(err error) bool {
	var unknown *unsupported
	return errors.As(err, &unknown)
}
