package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPoliciesAreInterleavedWithinEachRepetition(t *testing.T) {
	all, err := tasks([]string{"w5", "w1"}, []string{"static100", "setpoint"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, task := range all {
		order = append(order, task.workload.Name+" "+task.policy.Name)
	}
	const once = "w1 setpoint, w1 static100, w5 setpoint, w5 static100"
	if got := strings.Join(order, ", "); got != once+", "+once {
		t.Error(got)
	}
}

func TestWrongUseIsToldApart(t *testing.T) {
	for _, arguments := range [][]string{{"--only", "w99"}, {"--policies", "none"}, {"--only", "w1", "--policies", "cores"}, {"--nonsense"}, {"w5"}} {
		if err := run(arguments); !errors.Is(err, errUsage) {
			t.Errorf("%v: %v", arguments, err)
		}
	}
}

func TestQuickIsShort(t *testing.T) {
	o := options{quick: true}
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	all, err := o.tasks()
	if err != nil {
		t.Fatal(err)
	}
	var seconds, alone float64
	for _, task := range all {
		const around = 1
		took := (task.workload.WarmUp(&task.policy) + task.workload.Lasts).Seconds() + around
		if task.workload.Alone {
			alone += took
		} else {
			seconds += took
		}
	}
	if seconds = seconds/float64(o.lanes) + alone; seconds > 160 || o.report != "" {
		t.Errorf("%v s, page %q", seconds, o.report)
	}
}

func TestWhatThereIsIsListed(t *testing.T) {
	var text bytes.Buffer
	if err := list(&text); err != nil || !strings.Contains(text.String(), "w8-stall") || !strings.Contains(text.String(), "automaxprocs") {
		t.Errorf("%v\n%s", err, text.String())
	}
}

func TestABrokenFileOfRunsIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs")
	for text, expected := range map[string]int{"": 0, `{"workload":"w1"}` + "\n" + `{"workload":"w2"}`: 2, `{"workload":`: -1} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		runs, err := read(path)
		if got := len(runs); (err != nil) != (expected < 0) || err == nil && got != expected {
			t.Errorf("%q: %d %v", text, got, err)
		}
	}
}

func TestRenewingForgetsOnlyWhatIsRunAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs")
	all, err := tasks([]string{"w5"}, []string{"setpoint"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := forget(path, all); err != nil {
		t.Fatalf("there is no file yet: %v", err)
	}
	const w1, static = `{"workload":"w1","policy":"setpoint"}`, `{"workload":"w5","policy":"static100"}`
	before := w1 + "\n" + `{"workload":"w5","policy":"setpoint"}` + "\n" + static + "\n"
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := forget(path, all); err != nil {
		t.Fatal(err)
	}
	runs, err := read(path)
	if err != nil || len(runs) != 2 || runs[0].Workload != "w1" || runs[1].Policy != "static100" {
		t.Errorf("%v %+v", err, runs)
	}
	if kept, err := os.ReadFile(path + ".before"); err != nil || string(kept) != before {
		t.Errorf("%v %q", err, kept)
	}
}
