package wire

import (
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

// maxThreads bounds what is pushed to the runtime: beyond it there is only a mistake.
const maxThreads = 1 << 16

// value decodes the value of a setpoint. What the wire can say and this build does not do (a limit with a queue or a local floor)
// is unsupported as a whole: to enforce half of it would be answered with "applied", and that would be a lie.
func value(wire *v1.Setpoint) (model.Value, model.Admission, error) {
	none := model.Admission{}
	switch wire := wire.GetValue().(type) {
	case *v1.Setpoint_Limit:
		value, admission, err := limit(wire.Limit)
		return value, admission, at("limit", err)
	case *v1.Setpoint_Breaker:
		value, err := breaker(wire.Breaker)
		return value, none, at("breaker", err)
	case *v1.Setpoint_Gc:
		value, err := gcTarget(wire.Gc)
		return value, none, at("gc", err)
	case *v1.Setpoint_Parallelism:
		value, err := parallelism(wire.Parallelism)
		return value, none, at("parallelism", err)
	case *v1.Setpoint_Number:
		return model.Number(wire.Number), none, finite("number", wire.Number)
	case *v1.Setpoint_On:
		return model.Switch(wire.On), none, nil
	default:
		return model.Value{}, none, &unsupported{"there is no value of a kind that this build knows"}
	}
}

func limit(wire *v1.Limit) (value model.Value, admission model.Admission, err error) {
	_, timeoutErr := duration("queue_timeout", wire.GetQueueTimeout(), 0)
	admission, admissionErr := admissionOf(wire)
	if err = errors.Join(
		optional("concurrency", wire.Concurrency), optional("rate_per_s", wire.RatePerS), optional("burst", wire.Burst),
		optional("floor", wire.Floor), timeoutErr, admissionErr,
	); err != nil {
		return value, admission, err
	}
	with := wire.GetBaselineLatency() != nil || admission.HasShares
	switch {
	case wire.Queue != nil || wire.GetLocalAdapt() || wire.Floor != nil:
		err = &unsupported{"queue, local_adapt and floor are not supported by this build"}
	case wire.Concurrency != nil && wire.RatePerS != nil:
		err = &unsupported{"concurrency and rate in one setpoint are not supported by this build"}
	case wire.Concurrency != nil:
		value = model.Concurrency(wire.GetConcurrency())
	case wire.RatePerS != nil && with:
		err = &unsupported{"priority_share and baseline_latency of a rate are not supported by this build"}
	case wire.RatePerS != nil:
		value = model.Value{Form: model.FormRate, Number: wire.GetRatePerS(), Burst: wire.GetBurst(), HasBurst: wire.Burst != nil}
	default:
		err = &unsupported{"there is no limit of a kind that this build knows"}
	}
	return value, admission, err
}

func optional(name string, number *float64) error {
	if number == nil {
		return nil
	}
	return notNegative(name, *number)
}

func admissionOf(wire *v1.Limit) (a model.Admission, err error) {
	if a.BaselineLatency, err = duration("baseline_latency", wire.GetBaselineLatency(), 0); err != nil {
		return a, err
	}
	if isZero(wire.GetBaselineLatency()) {
		return a, at("baseline_latency", problem("must be above 0"))
	}
	if len(wire.GetPriorityShare()) == 0 {
		return a, nil
	}
	if len(wire.GetPriorityShare()) != model.Priorities {
		return a, at("priority_share", problem("must be one share for each of 5 priorities"))
	}
	a.Shares, a.HasShares = model.Shares(wire.GetPriorityShare()), true
	if class, broken := a.Shares.Check(); broken != nil {
		return a, atIndex("priority_share", class, problem(broken.Error()))
	}
	return a, nil
}

func isZero(wire *durationpb.Duration) bool { return wire != nil && wire.AsDuration() == 0 }

// What holds of a breaker where the sidecar says nothing.
const (
	defaultProbeTotal    = 10
	defaultProbeDeadline = 3 * time.Second
	defaultRamp          = 10 * time.Second
)

func breaker(wire *v1.Breaker) (model.Value, error) {
	value := model.Value{Form: model.FormBreaker}
	var errs [4]error
	// A round of so many probes has no use for a share of calls; it has to be a share all the same.
	errs[0] = ratio("probe_ratio", wire.GetProbeRatio())
	after, err := duration("retry_after", wire.GetRetryAfter(), time.Second)
	errs[1] = err
	deadline, err := duration("probe_deadline", wire.GetProbeDeadline(), defaultProbeDeadline)
	errs[2] = err
	ramp, err := duration("ramp", wire.GetRamp(), defaultRamp)
	errs[3] = err
	if err := errors.Join(errs[:]...); err != nil {
		return value, err
	}
	b := &value.Breaker
	b.State = model.BreakerState(wire.GetState())
	switch b.State {
	case model.BreakerLocal, model.BreakerClosed, model.BreakerDisabled:
	case model.BreakerHalfOpen:
		b.Round, b.ProbeMax, b.ProbeTotal, b.ProbeDeadline = wire.GetRound(), wire.GetProbeMax(), defaultProbeTotal, deadline
		if wire.ProbeTotal != nil {
			b.ProbeTotal = wire.GetProbeTotal()
		}
	case model.BreakerOpen, model.BreakerForcedOpen:
		b.RetryAfter = after
	case model.BreakerRecovering:
		b.Ramp = ramp
	case model.BreakerShadow:
		b.WouldReject = wire.GetWouldReject()
	default:
		return value, notKnown("breaker state", int32(wire.GetState()))
	}
	return value, nil
}

// gcTarget: zero is unset for all of its numbers, because none of them makes sense as zero; what the mode needs must be there.
func gcTarget(wire *v1.GcTarget) (model.Value, error) {
	gc := model.FixedGC(0)
	value := model.Value{Form: model.FormGC}
	gc.Mode, gc.Collect, gc.ReturnMemory = model.GcMode(wire.GetMode()), wire.GetForceCollect(), wire.GetReturnMemory()
	if gc.Mode == 0 {
		return value, at("mode", problem("missing"))
	}
	if gc.Mode < model.GcThroughput || gc.Mode > model.GcFixed {
		return value, notKnown("mode", int32(gc.Mode))
	}
	if err := errors.Join(
		bytesOf("budget_bytes", wire.GetBudgetBytes(), &gc.BudgetBytes), bytesOf("memory_limit_bytes", wire.GetMemoryLimitBytes(), &gc.MemoryLimitBytes),
		percentOf("fixed_percent", wire.GetFixedPercent(), &gc.Percent), percentOf("percent_min", wire.GetPercentMin(), &gc.PercentMin),
		percentOf("percent_max", wire.GetPercentMax(), &gc.PercentMax), shareOf("gc_cpu_target", wire.GetGcCpuTarget(), &gc.CPUTarget),
		shareOf("gc_cpu_cap", wire.GetGcCpuCap(), &gc.CPUCap),
	); err != nil {
		return value, err
	}
	switch {
	case gc.Mode == model.GcThroughput && gc.BudgetBytes == 0:
		return value, at("budget_bytes", problem("missing"))
	case gc.Mode == model.GcFixed && gc.Percent == 0 && gc.MemoryLimitBytes == 0:
		return value, at("fixed_percent", problem("missing"))
	case gc.PercentMin > gc.PercentMax:
		return value, at("percent_min", problem("must be at most percent_max"))
	}
	value.GC = gc
	return value, nil
}

func bytesOf(name string, wire int64, into *int64) error {
	if wire < 0 || wire > model.GcBytesLimit {
		return at(name, problem("must be 1 byte to 8 PiB, or 0 for unset"))
	}
	*into = wire
	return nil
}

func percentOf(name string, wire int32, into *int32) error {
	if wire < 0 || wire > model.GcPercentLimit {
		return at(name, problem("must be 1 to 100000, or 0 for unset"))
	}
	if wire != 0 {
		*into = wire
	}
	return nil
}

func shareOf(name string, wire float64, into *float64) error {
	if wire != 0 {
		*into = wire
	}
	return ratio(name, wire)
}

func parallelism(wire *v1.Parallelism) (model.Value, error) {
	if wire.GetThreads() < 1 || wire.GetThreads() > maxThreads {
		return model.Value{}, at("threads", problem("must be 1 to 65536"))
	}
	if wire.GetBlockingThreads() != 0 {
		return model.Value{}, &unsupported{"blocking_threads are not supported by this build"}
	}
	return model.Value{Form: model.FormThreads, Number: float64(wire.GetThreads())}, nil
}
