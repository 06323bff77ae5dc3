package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
