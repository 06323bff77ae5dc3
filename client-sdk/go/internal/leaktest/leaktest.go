// Package leaktest fails a package's tests when goroutines of theirs are left over.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main runs the tests and then looks for goroutines that none of them ended.
func Main(m *testing.M) {
	code := m.Run()
	if found := left(5 * time.Second); code == 0 && found != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left over:\n%s\n", found)
		code = 1
	}
	os.Exit(code)
}

// left waits until no goroutine but those of the runtime and the test framework is left, and returns those that are all the same.
func left(patience time.Duration) string {
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		found := others()
		if found == "" || time.Now().After(end) {
			return found
		}
	}
}

func others() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var left []string
	// The first is the one that asks.
	for _, stack := range strings.Split(string(stacks), "\n\n")[1:] {
		switch {
		case strings.Contains(stack, "testing."), strings.Contains(stack, "os/signal."), strings.Contains(stack, "runtime/trace."):
		default:
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}
