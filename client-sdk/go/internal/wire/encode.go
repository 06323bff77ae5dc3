package wire

import (
	"math"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

// Hello is who this process is, what of it may be tuned, and what is in force now.
type Hello struct {
	Service, InstanceID, SDK, Runtime string
	Incarnation                       uint64
	Labels                            map[string]string
	Capabilities                      []string
	Knobs                             []*model.Knob
	LastApplied                       *Version
	State                             []Result
}

// EncodeHello makes the first message.
func EncodeHello(hello *Hello) *v1.ClientMessage {
	wire := &v1.Hello{
		ProtocolMin: ProtocolVersion, ProtocolMax: ProtocolVersion,
		Service: short(hello.Service), InstanceId: short(hello.InstanceID), Incarnation: hello.Incarnation,
		Sdk: short(hello.SDK), Runtime: short(hello.Runtime), Labels: make(map[string]string),
		Knobs: encodeKnobs(hello.Knobs), State: encodeResults(hello.State),
	}
	for key, value := range hello.Labels {
		if key != "" && len(wire.Labels) < MaxLabels {
			wire.Labels[short(key)] = short(value)
		}
	}
	for _, name := range hello.Capabilities {
		wire.Capabilities = append(wire.Capabilities, &v1.Capability{Name: name, Version: 1})
	}
	if hello.LastApplied != nil {
		wire.LastApplied = encodeVersion(*hello.LastApplied)
	}
	return &v1.ClientMessage{Msg: &v1.ClientMessage_Hello{Hello: wire}}
}

// EncodeKnobs tells of knobs that came or went.
func EncodeKnobs(add []*model.Knob, remove []string) *v1.ClientMessage {
	return &v1.ClientMessage{Msg: &v1.ClientMessage_Knobs{Knobs: &v1.KnobUpdate{Add: encodeKnobs(add), Remove: remove}}}
}

func encodeKnobs(knobs []*model.Knob) []*v1.Knob {
	encoded := make([]*v1.Knob, 0, len(knobs))
	for _, knob := range knobs {
		wire := &v1.Knob{
			Name: knob.Name, Kind: v1.Knob_Kind(knob.Kind), Unit: short(knob.Unit), Min: knob.Min, Max: knob.Max, Step: knob.Step,
			Baseline: knob.Baseline, Restrictive: v1.Knob_Restrictive(knob.Restrictive), MaxChangeRatio: knob.MaxChangeRatio,
			MinDwell: encodeDuration(knob.MinDwell), Hot: !knob.Cold, ApplyCost: knob.ApplyCost,
		}
		if knob.Deadline > 0 {
			wire.Deadline = encodeDuration(knob.Deadline)
		}
		encoded = append(encoded, wire)
	}
	return encoded
}

func encodeVersion(version Version) *v1.Version {
	return &v1.Version{Epoch: version.Epoch, Seq: version.Seq}
}

// EncodeAck answers a frame.
func EncodeAck(ack Ack) *v1.ClientMessage {
	wire := &v1.Ack{Channel: v1.Frame_Channel(ack.Channel), Nonce: ack.Nonce, Results: encodeResults(ack.Results)}
	return &v1.ClientMessage{Msg: &v1.ClientMessage_Ack{Ack: wire}}
}

func encodeResults(results []Result) []*v1.Applied {
	encoded := make([]*v1.Applied, 0, len(results))
	for _, result := range results {
		wire := &v1.Applied{
			Knob: short(result.Knob), Status: v1.Applied_Status(result.Status), Effective: sound(result.Effective),
			Detail: clip(result.Detail, TextBytes),
		}
		if result.HasVersion {
			wire.Version, wire.LeaseLeft = encodeVersion(result.Version), encodeDuration(result.LeaseLeft)
		}
		if result.HasShares {
			wire.PriorityShare = append(wire.PriorityShare, result.Shares[:]...)
		}
		encoded = append(encoded, wire)
	}
	return encoded
}

func sound(number float64) float64 {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return 0
	}
	return number
}

// EncodeGoodbye is the last word.
func EncodeGoodbye(why string) *v1.ClientMessage {
	return &v1.ClientMessage{Msg: &v1.ClientMessage_Goodbye{Goodbye: &v1.Goodbye{Why: clip(why, TextBytes)}}}
}
