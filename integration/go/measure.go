package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/setpoint-dev/setpoint/integration/go/internal/report"
	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

func measure(arguments []string) error {
	var o options
	flags := o.flags()
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%w: %q", errUsage, flags.Arg(0))
	}
	if o.list {
		return list(os.Stdout)
	}
	if err := o.complete(); err != nil {
		return err
	}
	all, err := o.tasks()
	if err != nil {
		return err
	}
	if err := rig.Usable(); err != nil {
		return fmt.Errorf("NOT RUN: %w", err)
	}
	if _, err := os.Stat(o.sidecar); err != nil {
		return fmt.Errorf("no sidecar: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.runAll(ctx, all); err != nil {
		return err
	}
	return o.publish()
}

// runAll tasks, and append what became of them to the file of runs.
func (o *options) runAll(ctx context.Context, all []task) error {
	rig.RemoveLeftovers()
	rig.GoFirst()
	scratch, err := os.MkdirTemp("", "rig-gc-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	own, err := os.Executable()
	if err != nil {
		return err
	}
	if o.renew {
		if err := forget(o.runs, all); err != nil {
			return err
		}
	}
	mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if !o.extend && !o.renew {
		mode |= os.O_TRUNC
	}
	file, err := os.OpenFile(o.runs, mode, 0o644)
	if err != nil {
		return err
	}
	runner := &runner{Rig: rig.Rig{Own: own, Sidecar: o.sidecar, Scratch: scratch}, lines: json.NewEncoder(file), count: len(all)}
	runner.run(ctx, all, o.lanes)
	return errors.Join(runner.failed, ctx.Err(), file.Close())
}

// runner makes runs, some at a time.
type runner struct {
	rig.Rig
	count int
	// Held for writing by a run that has to be alone.
	alone sync.RWMutex

	mu     sync.Mutex
	lines  *json.Encoder
	done   int
	failed error
}

func (r *runner) run(ctx context.Context, all []task, lanes int) {
	queue := make(chan task)
	var workers sync.WaitGroup
	for range lanes {
		workers.Go(func() {
			for t := range queue {
				result, err := r.one(ctx, t)
				r.note(t, &result, err)
			}
		})
	}
	for _, t := range all {
		if ctx.Err() != nil {
			break
		}
		queue <- t
	}
	close(queue)
	workers.Wait()
}

func (r *runner) one(ctx context.Context, t task) (rig.Result, error) {
	if t.workload.Alone {
		r.alone.Lock()
		defer r.alone.Unlock()
	} else {
		r.alone.RLock()
		defer r.alone.RUnlock()
	}
	return r.Run(ctx, t.workload, t.policy, t.repetition)
}

func (r *runner) note(t task, result *rig.Result, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	title := fmt.Sprintf("%3d of %d  %-12s %-21s", r.done, r.count, t.workload.Name, t.policy.Name)
	if err != nil {
		fmt.Println(title, err)
		r.failed = errors.Join(r.failed, fmt.Errorf("%s %s: %w", t.workload.Name, t.policy.Name, err))
		return
	}
	fmt.Println(title, report.Line(result))
	if err := r.lines.Encode(result); err != nil {
		r.failed = errors.Join(r.failed, err)
	}
}
