package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
)

var errUsage = errors.New("usage (see --help)")

const help = `Runs Go services in memory cgroups (version 1, as root) under ours and other ways to set GOGC, GOMEMLIMIT and GOMAXPROCS.
The clock that jumps in w11 is libfaketime's (package faketime); without it those runs fail and say so.

  make rig-gc                                              all workloads, three times each; writes docs/gc-results.md
  make rig-gc ARGS="--quick --json result.json"            the three that matter most, once, in under three minutes
  make rig-gc ARGS="--only w5,w6 --policies setpoint,automemlimit --repetitions 5"
  make rig-gc ARGS="--only w9 --renew"                     that workload anew; the other runs of the file stay
  make rig-gc ARGS="--list"                                what there is

Runs are added to the file --runs as they end; with neither --extend nor --renew it begins empty. "rig-gc report --runs FILE --report docs/gc-results.md" makes the page of them anew.

`

// options of the command line.
type options struct {
	quick, list           bool
	extend, renew         bool
	json, only, policies  string
	sidecar, runs, report string
	repetitions, lanes    int
}

func (o *options) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("rig-gc", flag.ContinueOnError)
	flags.BoolVar(&o.quick, "quick", false, "w1, w5 and w6 under the four policies that matter most, once, two at a time")
	flags.BoolVar(&o.list, "list", false, "list workloads and policies")
	flags.BoolVar(&o.extend, "extend", false, "keep the runs that are in the file of runs already")
	flags.BoolVar(&o.renew, "renew", false, "keep them but those of what is run now (the file as it was is kept as FILE.before)")
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
		either(&o.policies, "setpoint,static100,automemlimit,gogcoff")
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
