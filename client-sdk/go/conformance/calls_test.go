package conformance

import (
	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	v1 "github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire/v1"
)

// mostCalls are tried at once.
const mostCalls = 1000

// outcomes by name.
var outcomes = map[string]setpoint.Outcome{
	"success": setpoint.Success, "ignore": setpoint.Ignore, "dropped": setpoint.Dropped, "failure": setpoint.Failure,
}

// count does what has to do with calls.
func (d *driver) count(s *step) {
	switch s.key {
	case "calls":
		d.calls(s.Calls)
	case "admits":
		for name, expected := range s.Admits {
			d.admits(name, expected)
		}
	case "report":
		d.report(s.Report)
	}
}

func (d *driver) limiter(name string) *setpoint.Limiter {
	limiter := d.limiters["limit."+name]
	if limiter == nil {
		d.Fatalf("line %d: no limiter %s", d.step.line, name)
	}
	return limiter
}

func (d *driver) calls(calls *calls) {
	outcome, known := outcomes[calls.Outcome]
	if !known {
		d.errorf("%q is no outcome", calls.Outcome)
	}
	for range calls.Count {
		permit, err := d.limiter(calls.Limiter).TryAcquire(setpoint.Normal)
		if err != nil {
			d.errorf("%v", err)
			return
		}
		permit.Finish(outcome)
	}
}

func (d *driver) admits(name string, expected int) {
	permits := make([]setpoint.Permit, 0, mostCalls)
	for len(permits) < mostCalls {
		permit, err := d.limiter(name).TryAcquire(setpoint.Critical)
		if err != nil {
			break
		}
		permits = append(permits, permit)
	}
	for i := range permits {
		permits[i].Finish(setpoint.Ignore)
	}
	if len(permits) != expected {
		d.errorf("%d at once", len(permits))
	}
}

func (d *driver) report(expected map[string]map[string]uint64) {
	var newest *v1.Report
	for range 20 {
		if newest = d.talk.Report(); newest == nil || d.reported(newest, expected) {
			break
		}
	}
	if newest == nil || !d.reported(newest, expected) {
		d.errorf("not in twenty reports, such as %v", newest)
	}
}

func (d *driver) reported(report *v1.Report, expected map[string]map[string]uint64) bool {
	left := len(expected)
	for _, stats := range report.GetResources() {
		counters, asked := expected[stats.GetKnob()]
		if !asked || stats.GetClass() != 0 {
			continue
		}
		left--
		for name, count := range counters {
			if d.counter(stats, name) != count {
				return false
			}
		}
	}
	return left == 0
}

func (d *driver) counter(stats *v1.ResourceStats, name string) uint64 {
	switch name {
	case "arrived":
		return stats.GetArrived()
	case "admitted":
		return stats.GetAdmitted()
	case "completed":
		return stats.GetCompleted()
	case "cancelled":
		return stats.GetCancelled()
	case "dropped":
		return stats.GetDropped()
	case "failed":
		return stats.GetFailed()
	case "in_flight":
		return stats.GetInFlight()
	case "rejected":
		var sum uint64
		for _, rejected := range stats.GetRejected() {
			sum += rejected
		}
		return sum
	}
	d.Fatalf("line %d: no counter %s", d.step.line, name)
	return 0
}
