package setpoint

import (
	"os"
	"runtime"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/goruntime"
)

// RuntimeOption is an option of Setpoint.GC and Setpoint.Parallelism.
type RuntimeOption func(*runtimeSettings)

type runtimeSettings struct{ override bool }

// OverrideEnvironment lets the sidecar decide although the environment sets GOGC, GOMEMLIMIT or GOMAXPROCS. Default: what the
// environment sets is respected; then nothing is touched, and what would have been set can be asked for.
func OverrideEnvironment() RuntimeOption { return func(s *runtimeSettings) { s.override = true } }

// respected says whether one of these variables decides.
func respected(options []RuntimeOption, variables ...string) bool {
	var settings runtimeSettings
	for _, option := range options {
		option(&settings)
	}
	for _, variable := range variables {
		if os.Getenv(variable) != "" {
			return !settings.override
		}
	}
	return false
}

// GC is the garbage collection of this process, knob gc. Make one with Setpoint.GC.
type GC struct{ it *goruntime.GC }

// GC lets the sidecar tune GOGC and GOMEMLIMIT, as one envelope that is evaluated here after each collection. When the sidecar is
// lost, what is in force within a lease's ttl is a safe static setting (90 % of the container's memory limit less what others use,
// and the percentage from the start, at least 50); Stop restores what was in force before.
//
// It is for the process: call it on one Setpoint only. Costs about 3 us every 50 ms; stops nothing.
func (s *Setpoint) GC(options ...RuntimeOption) *GC {
	entry, ok := s.registry.Register("gc", func() actuator.Actuator {
		return goruntime.NewGC(s.live(), s.clock, respected(options, "GOGC", "GOMEMLIMIT"))
	})
	if tuning, is := entry.(*goruntime.GC); ok && is {
		return &GC{tuning}
	}
	s.standIn("gc")
	return &GC{goruntime.NewGC(s.live(), s.clock, true)}
}

// Percent is GOGC in force, as read from the runtime within the last 50 ms; -1 is off.
func (g *GC) Percent() int { return int(g.it.InForceNow().Percent) }

// MemoryLimit is GOMEMLIMIT in force, bytes.
func (g *GC) MemoryLimit() int64 { return g.it.InForceNow().MemoryLimitBytes }

// Recommended is what is or would be in force if the environment did not decide.
func (g *GC) Recommended() (percent int, memoryLimit int64) {
	setting := g.it.Recommended()
	return int(setting.Percent), setting.MemoryLimitBytes
}

// Parallelism is GOMAXPROCS of this process, knob parallelism. Make one with Setpoint.Parallelism.
type Parallelism struct{ it *goruntime.Procs }

// Parallelism lets the sidecar tune GOMAXPROCS between 1 and the CPUs there are. Each change stops the world, so there are few. When the
// sidecar is lost and with Stop it is handed back to the runtime's own choice (since Go 1.25), or to what the service had set.
//
// It is for the process: call it on one Setpoint only. A service that sets GOMAXPROCS itself does so before.
func (s *Setpoint) Parallelism(options ...RuntimeOption) *Parallelism {
	entry, ok := s.registry.Register("parallelism", func() actuator.Actuator {
		return goruntime.NewProcs(s.live(), runtime.NumCPU(), respected(options, "GOMAXPROCS"))
	})
	if tuning, is := entry.(*goruntime.Procs); ok && is {
		return &Parallelism{tuning}
	}
	s.standIn("parallelism")
	return &Parallelism{goruntime.NewProcs(s.live(), runtime.NumCPU(), true)}
}

// Threads is GOMAXPROCS in force, as read from the runtime within the last 50 ms.
func (p *Parallelism) Threads() int { return int(p.it.InForce().Number) }

// Recommended is what the sidecar wants; 0: nothing.
func (p *Parallelism) Recommended() int { return p.it.Recommended() }

func (s *Setpoint) live() *goruntime.Live {
	live := &goruntime.Live{
		Reader:    goruntime.NewReader(),
		Container: func(time.Duration, uint64) goruntime.Memory { return goruntime.Memory{} },
		Quota:     func() float64 { return 0 },
		// Told here, since what was set before main is not seen otherwise where it is what the runtime would have chosen.
		FromEnvironment: os.Getenv("GOMAXPROCS") != "",
	}
	if s.own != nil {
		live.Container, live.Quota = s.own.memory, s.own.quota
	}
	return live
}
