package plan

import (
	"slices"
	"time"
)

// Policy is one way to run a Go service.
type Policy struct {
	Name, Title string
	// File of policies of the sidecar; empty: there is none.
	File string
	// Fault that befalls the sidecar, for good.
	Fault Fault
	// NoFiles: the service sees no control groups at all.
	NoFiles bool
}

// Harmless: nothing may be touched for what is wrong.
func (p *Policy) Harmless() bool { return p.NoFiles || p.Fault.Kind == Jumped }

// Fault of the sidecar: it is Killed or Stopped (SIGSTOP), the service's connection is Cut and comes back no more, or its clock has
// Jumped.
type Fault struct {
	Kind string
	At   time.Duration
}

// Kinds of faults.
const (
	Killed  = "killed"
	Stopped = "stopped"
	Cut     = "cut"
	Jumped  = "jumped"
)

// Names of policies that are tried on memory, on memory that changes from outside, on calls that hold it, on threads, on memory that two
// processes share, and on faults of ours.
var (
	MemoryPolicies = []string{"setpoint", "static100", "automemlimit", "gogcoff", "bytedance", "tidb"}
	ChangePolicies = append(slices.Clone(MemoryPolicies), "setpoint-killed")
	CallPolicies   = append(slices.Clone(ChangePolicies), "automemlimit-limiter", "automemlimit-failsafe")
	ThreadPolicies = []string{"setpoint", "static100", "cores", "automaxprocs"}
	SharePolicies  = []string{"setpoint", "static100", "gogcoff", "gogcoff-half"}
	FaultPolicies  = []string{"setpoint", "setpoint-killed", "setpoint-stopped", "setpoint-cut", "setpoint-jumped", "setpoint-nofiles"}
)

// Policies of all kinds.
var Policies = []Policy{
	{Name: "setpoint", Title: "ours: SDK and sidecar", File: memory + threads},
	{Name: "static100", Title: "plain Go: GOGC=100 and its container-aware GOMAXPROCS"},
	{Name: "automemlimit", Title: "GOMEMLIMIT = 0.9 of the limit by KimMachineGun/automemlimit"},
	{Name: "gogcoff", Title: "GOGC=off and GOMEMLIMIT = 0.9 of the limit"},
	{Name: "bytedance", Title: "bytedance/gopkg gctuner at 0.7 of the limit, as its documentation advises"},
	{Name: "tidb", Title: "TiDB's two tuners, re-implemented from their public formulas"},
	{Name: "setpoint-killed", Title: "ours, with the sidecar killed at 10 s", File: memory + threads, Fault: Fault{Killed, faultAt}},
	{Name: "setpoint-stopped", Title: "ours, with the sidecar stopped (SIGSTOP) at 10 s", File: memory + threads, Fault: Fault{Stopped, faultAt}},
	{Name: "setpoint-cut", Title: "ours, with the line to the sidecar cut at 10 s", File: memory + threads, Fault: Fault{Cut, faultAt}},
	{Name: "setpoint-jumped", Title: "ours, with the sidecar's clock set an hour ahead at 10 s, then two back", File: memory + threads, Fault: Fault{Jumped, faultAt}},
	{Name: "setpoint-nofiles", Title: "ours, in a container without control group files", File: memory + threads, NoFiles: true},
	{Name: "automemlimit-limiter", Title: "automemlimit and our adaptive limiter, which does not see the heap", File: latency},
	{Name: "automemlimit-failsafe", Title: "automemlimit and failsafe-go's adaptive limiter"},
	{Name: "gogcoff-half", Title: "GOGC=off and GOMEMLIMIT = 0.45 of the limit: of two processes each has half"},
	{Name: "cores", Title: "GOMAXPROCS = cores of the machine"},
	{Name: "automaxprocs", Title: "GOMAXPROCS = whole part of the quota by uber-go/automaxprocs"},
}

const faultAt = 10 * seconds

const (
	memory = `version: setpoint/v1
name: rig
policies:
  - name: heap
    gc_target: {mode: throughput}
  - name: inbound-heap
    heap_cap: {knob: limit.inbound}
  - name: leak
    heap_drain: {knob: drain, before: 6s}
`
	threads = `  - name: cores
    parallelism: {follow: quota}
`
	latency = `version: setpoint/v1
name: rig
policies:
  - name: inbound
    adaptive_concurrency: {knob: limit.inbound, max: 2000}
`
)

// FindPolicy by its name.
func FindPolicy(name string) (Policy, bool) {
	for _, p := range Policies {
		if p.Name == name {
			return p, true
		}
	}
	return Policy{}, false
}
