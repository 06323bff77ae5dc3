package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
	"github.com/setpoint-dev/setpoint/integration/go/internal/report"
	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

var errUsage = errors.New("usage (see --help)")

const help = `Runs Go services in memory cgroups (version 1, as root) under ours and other ways to set GOGC, GOMEMLIMIT and GOMAXPROCS.

  make rig-gc                                              all workloads, three times each; writes docs/gc-results.md
  make rig-gc ARGS="--quick --json result.json"            the three that matter most, once, in under three minutes
  make rig-gc ARGS="--only w5,w6 --policies setpoint,automemlimit --repetitions 5"
  make rig-gc ARGS="--list"                                what there is

Runs are added to the file --runs as they end. "rig-gc report --runs FILE --report docs/gc-results.md" makes the page of them anew.

`

// options of the command line.
type options struct {
	quick, list, extend   bool
	json, only, policies  string
	sidecar, runs, report string
	repetitions, lanes    int
}

func (o *options) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("rig-gc", flag.ContinueOnError)
	flags.BoolVar(&o.quick, "quick", false, "w1, w5 and w6 under the five policies that matter most, once, two at a time")
	flags.BoolVar(&o.list, "list", false, "list workloads and policies")
	flags.BoolVar(&o.extend, "extend", false, "keep the runs that are in the file of runs already")
	flags.StringVar(&o.json, "json", "", "also write medians as JSON to this file")
	flags.StringVar(&o.only, "only", "", "only these workloads, with commas between them")
	flags.StringVar(&o.policies, "policies", "", "only these policies, with commas between them")
	flags.StringVar(&o.sidecar, "sidecar", "", "the setpoint binary (default: beside this program)")
	flags.StringVar(&o.runs, "runs", "", "file to keep runs in (default: rig-gc-runs.jsonl beside this program)")
	flags.StringVar(&o.report, "report", "", "page to write (default: docs/gc-results.md where everything is run, else none)")
	flags.IntVar(&o.repetitions, "repetitions", 0, "how often each (default 3, with --quick 1)")
	flags.IntVar(&o.lanes, "lanes", 0, "how many runs at a time (default 1, with --quick 2)")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), help)
		flags.PrintDefaults()
	}
	return flags
}

// complete what was left out.
func (o *options) complete() error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	either := func(value *string, otherwise string) {
		if *value == "" {
			*value = otherwise
		}
	}
	either(&o.sidecar, filepath.Join(filepath.Dir(own), "setpoint"))
	either(&o.runs, filepath.Join(filepath.Dir(own), "rig-gc-runs.jsonl"))
	repetitions, lanes := 3, 1
	if o.quick {
		repetitions, lanes = 1, 2
		either(&o.only, "w1,w5,w6")
		either(&o.policies, "setpoint,static100,automemlimit,gogcoff,bytedance")
	} else if o.only == "" && o.policies == "" {
		either(&o.report, "docs/gc-results.md")
	}
	if o.repetitions <= 0 {
		o.repetitions = repetitions
	}
	if o.lanes <= 0 {
		o.lanes = lanes
	}
	return nil
}

// task is one run to be made.
type task struct {
	workload   plan.Workload
	policy     plan.Policy
	repetition int
}

// tasks in the order in which they run: of each repetition all workloads, and of each of these all policies one after the other, so that
// whatever the machine does befalls all of them alike.
func tasks(only, policies []string, repetitions int) ([]task, error) {
	var all []task
	for repetition := 1; repetition <= repetitions; repetition++ {
		for _, w := range plan.Workloads {
			if len(only) > 0 && !slices.Contains(only, w.Name) {
				continue
			}
			for _, name := range w.Of() {
				if len(policies) > 0 && !slices.Contains(policies, name) {
					continue
				}
				p, known := plan.FindPolicy(name)
				if !known {
					return nil, fmt.Errorf("no policy %q", name)
				}
				all = append(all, task{w, p, repetition})
			}
		}
	}
	return all, nil
}

// names out of a list with commas, each of which has to be known.
func names(list string, known func(string) bool) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	found := strings.Split(list, ",")
	for _, name := range found {
		if !known(name) {
			return nil, fmt.Errorf("%w: there is no %q", errUsage, name)
		}
	}
	return found, nil
}

func (o *options) tasks() ([]task, error) {
	only, err := names(o.only, func(name string) bool { _, ok := plan.Find(name); return ok })
	policies, err2 := names(o.policies, func(name string) bool { _, ok := plan.FindPolicy(name); return ok })
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	all, err := tasks(only, policies, o.repetitions)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%w: none of these workloads is played under one of these policies", errUsage)
	}
	return all, err
}

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
	mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if !o.extend {
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
				result, err := r.Run(ctx, t.workload, t.policy, t.repetition)
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

// publish what is in the file of runs.
func (o *options) publish() error {
	runs, err := read(o.runs)
	if err != nil {
		return err
	}
	table := report.Of(runs)
	if o.json != "" {
		text, err := json.MarshalIndent(table.JSON(), "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.report == "" {
		fmt.Print("\n", table.Text())
		return nil
	}
	return table.Write(o.report)
}

func read(path string) ([]rig.Result, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var runs []rig.Result
	for lines := json.NewDecoder(bufio.NewReader(file)); ; {
		var run rig.Result
		switch err := lines.Decode(&run); {
		case errors.Is(err, io.EOF):
			return runs, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		runs = append(runs, run)
	}
}

// report makes the page of runs that were made before.
func remake(arguments []string) error {
	var o options
	if err := o.flags().Parse(arguments); err != nil {
		return err
	}
	if err := o.complete(); err != nil {
		return err
	}
	return o.publish()
}

func list(to io.Writer) error {
	var text strings.Builder
	text.WriteString("workloads\n")
	for _, w := range plan.Workloads {
		fmt.Fprintf(&text, "  %-13s %s (%s, %d policies)\n", w.Name, w.Title, (w.Warm + w.Lasts).Round(time.Second), len(w.Of()))
	}
	text.WriteString("policies\n")
	for _, p := range plan.Policies {
		fmt.Fprintf(&text, "  %-21s  %s\n", p.Name, p.Title)
	}
	_, err := io.WriteString(to, text.String())
	return err
}
