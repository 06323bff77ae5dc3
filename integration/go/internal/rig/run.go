package rig

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
)

// Rig runs a service under a policy through a workload, again and again.
type Rig struct {
	// Own is this program, Sidecar the setpoint binary.
	Own, Sidecar string
	// Scratch is where runs have their files.
	Scratch string
	// Seen is told of each point of a run; nil: nobody is.
	Seen func(policy string, point Point)
}

// stage of one run: everything that has to be cleared away after it.
type stage struct {
	*Rig
	workload plan.Workload
	policy   plan.Policy
	home     string
	group    *group
	sidecar  *child
	// The second process of a workload that has two; nil: it has none.
	companion     *instance
	companionFrom float64
	began         time.Time

	mu        sync.Mutex
	instances []*instance
	// Where in its own life an instance was when what is measured began; and whether it has.
	from      []float64
	begun     bool
	neighbour *child
	drains    int
	firstEnd  time.Time
}

// Run one. Everything it started is gone when it returns, also when the context ends.
func (r *Rig) Run(ctx context.Context, w plan.Workload, p plan.Policy, repetition int) (Result, error) {
	home, err := os.MkdirTemp(r.Scratch, "run-")
	if err != nil {
		return Result{}, err
	}
	s := &stage{Rig: r, workload: w, policy: p, home: home}
	ctx, cancel := context.WithCancel(ctx)
	defer s.clear()
	defer cancel()
	if s.group, err = newGroup(filepath.Base(home), w.LimitMiB, w.Cores); err != nil {
		return Result{}, err
	}
	if p.File != "" {
		if s.sidecar, err = startSidecar(r.Sidecar, home, p); err != nil {
			return Result{}, err
		}
	}
	if err := s.start(ctx); err != nil {
		return Result{}, err
	}
	if w.CompanionPerSecond > 0 {
		if s.companion, err = s.launch(s.companionSocket()); err != nil {
			return Result{}, err
		}
		if err := answers(ctx, s.companionSocket(), s.companion); err != nil {
			return Result{}, err
		}
	}
	return s.play(ctx, repetition)
}

// play the load and what happens around it.
func (s *stage) play(ctx context.Context, repetition int) (Result, error) {
	s.began = time.Now().Add(s.workload.WarmUp(&s.policy))
	around, end := context.WithDeadline(ctx, s.began.Add(s.workload.Lasts))
	defer end()
	before := s.counters()
	var acts sync.WaitGroup
	acts.Go(func() { s.supervise(around) })
	load := make(chan Load, 1)
	loader := &generator{url: "http://service/work", client: client(s.socket())}
	go func() { load <- loader.run(ctx, s.workload.At, s.workload.Lasts, s.began, uint64(repetition)) }()
	others := make(chan Load, 1)
	if s.companion != nil {
		loader := &generator{url: "http://service/work", client: client(s.companionSocket())}
		steady := func(time.Duration) float64 { return s.workload.CompanionPerSecond }
		go func() { others <- loader.run(ctx, steady, s.workload.Lasts, s.began, uint64(repetition)<<32) }()
	}
	if !sleepUntil(ctx, s.began) {
		return Result{}, ctx.Err()
	}
	before = s.begin(ctx, before.kills)
	result := Result{Workload: s.workload.Name, Policy: s.policy.Name, Repetition: repetition}
	acts.Go(func() { s.disturb(around) })
	acts.Go(func() { s.fault(around) })
	acts.Go(func() { result.SenseMs = s.dip(around) })
	acts.Go(func() { result.ResizeSeconds = s.resize(around) })
	acts.Go(func() { result.Trace = s.trace(around, before) })
	acts.Wait()
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	s.count(&result, before)
	result.SafeSeconds = s.afterFault(result.Trace)
	answers := <-load
	if s.companion != nil {
		answers.join(<-others)
	}
	s.judge(&result, answers)
	return result, nil
}

// begin what is measured. Kills are counted from before the load on, since some do not live until here.
func (s *stage) begin(ctx context.Context, kills float64) counters {
	s.mu.Lock()
	s.begun = true
	for i, instance := range s.instances {
		if lines := instance.figures(); len(lines) > 0 {
			s.from[i] = lines[len(lines)-1].Seconds
		}
	}
	s.mu.Unlock()
	if s.companion != nil {
		s.companionFrom = s.companion.newest().Seconds
	}
	err := s.post(ctx, "/begin")
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: the service is down when its workload begins: %v\n", s.workload.Name, s.policy.Name, err)
	}
	if err := s.group.resetPeak(); err != nil {
		fmt.Fprintln(os.Stderr, "the peak includes the warm-up:", err)
	}
	now := s.counters()
	now.kills = kills
	return now
}

func (s *stage) post(ctx context.Context, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://service"+path, nil)
	if err != nil {
		return err
	}
	caller := client(s.socket())
	defer caller.CloseIdleConnections()
	response, err := caller.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// clear everything away.
func (s *stage) clear() {
	s.mu.Lock()
	processes := make([]*child, 0, len(s.instances)+2)
	for _, i := range s.instances {
		processes = append(processes, i.child)
	}
	processes = append(processes, s.neighbour, s.sidecar)
	s.mu.Unlock()
	if s.companion != nil {
		processes = append(processes, s.companion.child)
	}
	for _, process := range processes {
		if process != nil {
			process.kill()
		}
	}
	if s.group != nil {
		if err := s.group.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "a control group is left over:", err)
		}
	}
	_ = os.RemoveAll(s.home)        // files of a run are worth nothing after it
	_ = os.Remove(s.fileInMemory()) // most runs have none
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
