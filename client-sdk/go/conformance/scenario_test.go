package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"
)

// scenarios are shared by all SDKs.
const scenarios = "../../../integration/conformance"

// scenario is one file.
type scenario struct {
	Name  string
	Shows []string
	Knobs []knob
	Steps []step
}

// knob that the service registers.
type knob struct {
	Limiter, Rate, Knob string
	Bounds              [2]float64
	Baseline            float64
	Step                float64
	MaxChangeRatio      float64       `yaml:"max_change_ratio"`
	MinDwell            time.Duration `yaml:"min_dwell"`
	// Panics: its callback does at these values.
	Panics []float64
	// Hangs: it hangs at these, until it is released.
	Hangs []float64
}

// step has one of these; its key and line are for messages.
type step struct {
	Hello   *hello
	Welcome *welcome
	Push    *push
	Again   *again
	Beats   *beats
	Beat    *bool
	Wait    time.Duration
	HangUp  bool `yaml:"hang_up"`
	Shut    *bool
	Drain   time.Duration
	Unknown bool
	Disable *bool
	Pin     map[string]float64
	Unpin   string
	Stop    bool
	Release string
	// Register one more.
	Register  *knob
	Announced []string
	Calls     *calls
	Admits    map[string]int
	Report    map[string]map[string]uint64
	Expect    *expect

	key  string
	line int
}

type hello struct {
	State   map[string]result
	Knobs   []string
	LastSeq uint64 `yaml:"last_seq"`
	Within  time.Duration
}

type welcome struct {
	Epoch    uint64
	Protocol uint32
}

type push struct {
	Seq     uint64
	Channel string
	Epoch   uint64
	Atomic  bool
	Shadow  bool
	Lease   *lease
	Set     map[string]any
	Ack     map[string]result
}

type lease struct {
	TTL, Hold, Decay time.Duration
	OnExpiry         string `yaml:"on_expiry"`
	Safe             float64
}

type again struct {
	Channel string
	Ack     map[string]result
}

type beats struct {
	Count   int
	Advance bool
}

// calls of a limiter, one after the other.
type calls struct {
	Limiter, Outcome string
	Count            int
}

type expect struct {
	Health string
	Values map[string]float64
	Within time.Duration
}

// result of a knob: its status, and the value read back.
type result struct {
	Status string
	Value  float64
}

func (r *result) UnmarshalYAML(node *yaml.Node) error {
	if len(node.Content) != 2 {
		return fmt.Errorf("line %d: [STATUS, VALUE]", node.Line)
	}
	if err := node.Content[0].Decode(&r.Status); err != nil {
		return err
	}
	return node.Content[1].Decode(&r.Value)
}

func (b *beats) UnmarshalYAML(node *yaml.Node) error {
	b.Advance = true
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&b.Count)
	}
	type plain beats
	return node.Decode((*plain)(b))
}

func (s *step) UnmarshalYAML(node *yaml.Node) error {
	if len(node.Content) != 2 {
		return fmt.Errorf("line %d: a step has one key", node.Line)
	}
	type plain step
	if err := node.Decode((*plain)(s)); err != nil {
		return err
	}
	s.key, s.line = node.Content[0].Value, node.Line
	return nil
}

// load a scenario; keys that mean nothing are an error.
func load(path string) (*scenario, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	it := new(scenario)
	if err := decoder.Decode(it); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if it.Name == "" || len(it.Knobs) == 0 || len(it.Steps) == 0 {
		return nil, fmt.Errorf("%s: a scenario has a name, knobs and steps", filepath.Base(path))
	}
	return it, nil
}
