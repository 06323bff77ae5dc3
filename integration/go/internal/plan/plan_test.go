package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestThePlanIsConsistent(t *testing.T) {
	seen := make(map[string]bool)
	for _, w := range Workloads {
		if seen[w.Name] || w.Title == "" || w.Lasts <= 0 || w.PerSecond <= 0 || w.LimitMiB <= 0 {
			t.Errorf("%+v", w)
		}
		seen[w.Name] = true
		for _, name := range w.Of() {
			if _, known := FindPolicy(name); !known {
				t.Errorf("%s: no policy %q", w.Name, name)
			}
		}
		if w.Of()[0] != "setpoint" {
			t.Errorf("%s: ours is compared with others", w.Name)
		}
	}
	for _, p := range Policies {
		if seen[p.Name] || p.Fault.At > 0 && p.File == "" {
			t.Errorf("%+v", p)
		}
		seen[p.Name] = true
	}
	if _, known := Find("w99"); known {
		t.Error("w99")
	}
}

func TestPolicyFilesAreValid(t *testing.T) {
	binary := os.Getenv("SETPOINT_BINARY")
	if binary == "" {
		t.Skip("NOT TESTED: SETPOINT_BINARY names no sidecar")
	}
	for _, p := range Policies {
		if p.File == "" {
			continue
		}
		directory := t.TempDir()
		if err := os.WriteFile(filepath.Join(directory, "policy.yaml"), []byte(p.File), 0o644); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command(binary, "check", directory).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", p.Name, err, text)
		}
	}
}
