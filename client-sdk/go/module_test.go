package setpoint

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page lies outside the module, so it is looked for in a checkout only.
func TestThePageSaysHowToGetTheModule(t *testing.T) {
	page, err := os.ReadFile("../../docs/sdk-go.md")
	if os.IsNotExist(err) {
		t.Log("NOT RUN: this is no checkout of the repository")
		return
	}
	file, _ := os.ReadFile("go.mod")
	said := regexp.MustCompile(`(?m)^module (\S+)\n\ngo (\d+\.\d+)`).FindStringSubmatch(string(file))
	if said == nil {
		t.Fatalf("%s", file)
	}
	module, version := said[1], said[2]
	for _, expected := range []string{"Module `" + module + "`, Go " + version + " or newer", "\ngo get " + module + " ", "-replace " + module + "="} {
		if !strings.Contains(string(page), expected) {
			t.Errorf("the page does not say %q", expected)
		}
	}
}
