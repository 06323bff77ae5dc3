// Command rig-gc runs Go services in memory cgroups, under ours and other ways to set GOGC, GOMEMLIMIT and GOMAXPROCS, and says what
// became of them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
	"github.com/setpoint-dev/setpoint/integration/go/internal/service"
)

func main() {
	err := run(os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(64)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run a part that the rig starts itself, or the rig.
func run(arguments []string) error {
	if len(arguments) == 0 {
		return measure(nil)
	}
	switch arguments[0] {
	case "enter":
		split := slices.Index(arguments, "--")
		if split < 0 {
			return errUsage
		}
		return rig.Enter(arguments[1:split], arguments[split+1:])
	case "serve":
		return serve(arguments[1:])
	case "take":
		return take(arguments[1:])
	case "act":
		return act(arguments[1:])
	case "report":
		return remake(arguments[1:])
	default:
		return measure(arguments)
	}
}

func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	workload := flags.String("workload", "w1", "a workload of the evaluation plan")
	policy := flags.String("policy", "static100", "a policy")
	socket := flags.String("socket", "", "unix socket to listen on")
	begun := flags.Bool("begun", false, "begin what the workload does with time at once")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	w, known := plan.Find(*workload)
	p, knownPolicy := plan.FindPolicy(*policy)
	if !known || !knownPolicy {
		return fmt.Errorf("%w: no workload %q or no policy %q", errUsage, *workload, *policy)
	}
	return service.Run(service.Options{Workload: w, Policy: p, Socket: *socket, Begun: *begun}, os.Stdout)
}

func take(arguments []string) error {
	flags := flag.NewFlagSet("take", flag.ContinueOnError)
	kind := flags.String("kind", "process", "process, tmpfs or pagecache")
	mibs := flags.Int("mib", 0, "how much")
	over := flags.Duration("over", time.Second, "in which time")
	file := flags.String("file", "", "file to write, where it is not memory of a process")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	return rig.Take(*kind, *mibs, *over, *file)
}
