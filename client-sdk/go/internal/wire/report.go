package wire

import (
	"math"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

// Report is one round of measurements. Container and Runtime are left out when nothing in them is known.
type Report struct {
	Window              time.Duration
	AtNanos, StallNanos uint64
	Resources           []Resource
	// Breakers are what breakers do with calls now, whoever decided that.
	Breakers  map[string]model.BreakerState
	Container *v1.ContainerStats
	Runtime   *v1.RuntimeStats
	Custom    map[string]float64
}

// Resource is a limiter and its counters.
type Resource struct {
	Knob   string
	Totals model.Totals
}

// EncodeBeat says that the SDK lives, and the worst stall since the last time.
func EncodeBeat(n uint64, stall time.Duration) *v1.ClientMessage {
	return &v1.ClientMessage{Msg: &v1.ClientMessage_Beat{Beat: &v1.Beat{N: n, AppStall: encodeDuration(stall)}}}
}

// EncodeReport makes the message of a report. Costs about 1 us and one allocation for each limiter.
func EncodeReport(report *Report) *v1.ClientMessage {
	wire := &v1.Report{
		Window: encodeDuration(report.Window), AtNanos: report.AtNanos, StallNanos: report.StallNanos,
		Container: report.Container, Runtime: report.Runtime, Custom: make(map[string]float64, len(report.Custom)),
		Breakers: make(map[string]v1.Breaker_State, len(report.Breakers)),
	}
	for i := range report.Resources[:min(len(report.Resources), MaxResources)] {
		wire.Resources = append(wire.Resources, encodeTotals(&report.Resources[i]))
	}
	for knob, state := range report.Breakers {
		if len(wire.Breakers) < MaxKnobs {
			wire.Breakers[short(knob)] = v1.Breaker_State(state)
		}
	}
	for key, number := range report.Custom {
		if key != "" && len(wire.Custom) < MaxCustom && number == sound(number) {
			wire.Custom[short(key)] = number
		}
	}
	return &v1.ClientMessage{Msg: &v1.ClientMessage_Report{Report: wire}}
}

func encodeTotals(resource *Resource) *v1.ResourceStats {
	t := &resource.Totals
	wire := &v1.ResourceStats{
		Knob: resource.Knob, Arrived: t.Arrived, Admitted: t.Admitted, Completed: t.Completed, Dropped: t.Dropped, Failed: t.Failed,
		Cancelled: t.Cancelled, Rejected: t.Rejected[:], Late: t.Late,
		AdmitTimeSum: t.AdmitTimeSum, ReleaseTimeSum: t.ReleaseTimeSum, LatencySum: t.LatencySum,
		SuccessLatencySum: t.SuccessLatencySum, SuccessLatencySqSum: t.SuccessLatencySqSum,
		InFlight: t.InFlight(), InFlightPeak: t.InFlightPeak, InFlightAgeSum: uint64(t.InFlightAgeSum()),
		LimitInForce: math.Max(sound(t.LimitInForce), 0), Limited: t.Limited, ConsecutiveFailures: t.ConsecutiveFailures,
		Reflexes: t.Reflexes, Reflex: v1.ResourceStats_Reflex(t.Reflex),
	}
	wire.QueueWaits, wire.QueueWaitSum, wire.Waiting = t.QueueWaits, t.QueueWaitSum, t.Waiting
	if p := t.Probed; t.HasProbed {
		wire.Probes = &v1.Probes{Round: p.Round, LetOut: p.LetOut, Succeeded: p.Succeeded, Failed: p.Failed, Ignored: p.Ignored}
	}
	if t.RetryAfter > 0 {
		wire.RetryAfterSeen = encodeDuration(t.RetryAfter)
	}
	for _, slow := range t.Slow[:t.SlowWatched] {
		wire.Slow = append(wire.Slow, &v1.SlowCalls{After: encodeDuration(slow.After), Calls: slow.Calls})
	}
	return wire
}
