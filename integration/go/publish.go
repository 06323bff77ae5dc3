package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
	"github.com/setpoint-dev/setpoint/integration/go/internal/report"
	"github.com/setpoint-dev/setpoint/integration/go/internal/rig"
)

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

// forget the runs of what is to be run anew. The file as it was stays beside it.
func forget(path string, all []task) error {
	runs, err := read(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for lines := json.NewEncoder(&text); len(runs) > 0; runs = runs[1:] {
		run := runs[0]
		anew := func(t task) bool { return t.workload.Name == run.Workload && t.policy.Name == run.Policy }
		if slices.ContainsFunc(all, anew) {
			continue
		}
		if err := lines.Encode(run); err != nil {
			return err
		}
	}
	if err := os.Rename(path, path+".before"); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
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
