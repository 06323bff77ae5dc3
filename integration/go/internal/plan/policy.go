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
	// KillSidecarAt is when the sidecar is killed, and stays dead; 0: never.
	KillSidecarAt time.Duration
}

// Names of policies that are tried on memory, on memory that changes from outside, on calls that hold it, and on threads.
var (
	MemoryPolicies = []string{"setpoint", "static100", "automemlimit", "gogcoff", "bytedance", "tidb"}
	ChangePolicies = append(slices.Clone(MemoryPolicies), "setpoint-killed")
	CallPolicies   = append(slices.Clone(ChangePolicies), "automemlimit-limiter", "automemlimit-failsafe")
	ThreadPolicies = []string{"setpoint", "static100", "cores", "automaxprocs"}
)

// Policies of all kinds.
var Policies = []Policy{
	{Name: "setpoint", Title: "ours: SDK and sidecar", File: memory + threads},
	{Name: "static100", Title: "plain Go: GOGC=100 and its container-aware GOMAXPROCS"},
	{Name: "automemlimit", Title: "GOMEMLIMIT = 0.9 of the limit by KimMachineGun/automemlimit"},
	{Name: "gogcoff", Title: "GOGC=off and GOMEMLIMIT = 0.9 of the limit"},
	{Name: "bytedance", Title: "bytedance/gopkg gctuner at 0.7 of the limit, as its documentation advises"},
	{Name: "tidb", Title: "TiDB's two tuners, re-implemented from their public formulas"},
	{Name: "setpoint-killed", Title: "ours, with the sidecar killed at 10 s", File: memory + threads, KillSidecarAt: 10 * seconds},
	{Name: "automemlimit-limiter", Title: "automemlimit and our adaptive limiter, which does not see the heap", File: latency},
	{Name: "automemlimit-failsafe", Title: "automemlimit and failsafe-go's adaptive limiter"},
	{Name: "cores", Title: "GOMAXPROCS = cores of the machine"},
	{Name: "automaxprocs", Title: "GOMAXPROCS = whole part of the quota by uber-go/automaxprocs"},
}

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
