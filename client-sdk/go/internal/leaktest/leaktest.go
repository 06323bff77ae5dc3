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
	if left := Left(5 * time.Second); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left over:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// Left waits until no goroutine but those of the runtime and the test framework is left, and returns those that are all the same.
func Left(patience time.Duration) string {
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		left := others()
		if left == "" || time.Now().After(end) {
			return left
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
