package goruntime

import (
	"errors"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// More threads come no faster than this: each change stops the world, and behind a running collection.
const procsDwell = 3 * time.Second

// Procs is the actuator of GOMAXPROCS. What it found is handed back when the lease ends: to the runtime's own choice, where that was
// in force and this runtime can take it back. An environment that sets GOMAXPROCS is respected, unless told otherwise.
type Procs struct {
	actuator.Defaults
	knob      *model.Knob
	world     World
	respected bool

	mu          sync.Mutex
	start       int
	wanted      int // 0: not pushed
	inForce     int
	moved       bool
	off, closed bool
}

// NewProcs takes the runtime as it finds it. Respected: the environment decides.
func NewProcs(world World, cores int, respected bool) *Procs {
	procs := world.Procs()
	knob := &model.Knob{
		Name: "parallelism", Kind: model.KindParallelism, Unit: "1", Min: 1, Max: float64(max(cores, procs)), Step: 1,
		Baseline: float64(procs), Restrictive: model.RestrictiveLower, MinDwell: procsDwell, ApplyCost: 2,
	}
	return &Procs{knob: knob, world: world, respected: respected, start: procs, inForce: procs}
}

// Knob is parallelism.
func (p *Procs) Knob() *model.Knob { return p.knob }

// Pinned where the environment decides.
func (p *Procs) Pinned() bool { return p.respected }

// Tick reads back: while the runtime chooses by itself it follows the quota.
func (p *Procs) Tick() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inForce = p.world.Procs()
	return false
}

// InForce is GOMAXPROCS, as read back within the last tick.
func (p *Procs) InForce() model.Value {
	p.mu.Lock()
	defer p.mu.Unlock()
	return model.Value{Form: model.FormThreads, Number: float64(p.inForce)}
}

// Recommended is what was pushed last; 0: nothing.
func (p *Procs) Recommended() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted
}

// Apply takes a number of threads, or the baseline.
func (p *Procs) Apply(value model.Value, _ *wire.Why) (model.Value, error) {
	if value.Form != model.FormThreads {
		return model.Value{}, errors.New("a value of another kind")
	}
	p.settle(func() { p.wanted, p.closed = int(value.Number), false })
	return p.InForce(), nil
}

// Admit nothing: the sidecar's word counts no more.
func (p *Procs) Admit(admission *model.Admission) {
	if admission == nil {
		p.settle(func() { p.wanted = 0 })
	}
}

// Enforce is the kill switch.
func (p *Procs) Enforce(on bool) { p.settle(func() { p.off = !on }) }

// Close hands back.
func (p *Procs) Close() { p.settle(func() { p.closed = true }) }

func (p *Procs) settle(edit func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	edit()
	switch {
	case p.respected:
	case p.wanted == 0 || p.off || p.closed:
		p.handBack()
	case p.wanted != p.world.Procs():
		if !p.moved {
			p.moved, p.start = true, p.world.Procs()
		}
		p.world.SetProcs(p.wanted)
	}
	p.inForce = p.world.Procs()
}

func (p *Procs) handBack() {
	if !p.moved {
		return
	}
	p.moved = false
	if !p.world.DefaultProcs() {
		p.world.SetProcs(p.start)
	}
}
