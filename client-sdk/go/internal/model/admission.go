package model

import (
	"fmt"
	"time"
)

// Priorities is the number of classes that are counted, highest first: critical, high, normal, low, background.
const Priorities = 5

// Shares of a limit that each priority may fill, critical to background.
type Shares [Priorities]float64

// Check returns the first broken rule and the class that breaks it: above 0, at most 1, none larger than the one before, and
// all of it for the highest.
func (s Shares) Check() (class int, err error) {
	for class, share := range s {
		if !(share > 0 && share <= 1) {
			return class, fmt.Errorf("a share must be above 0 and at most 1")
		}
		if class > 0 && share > s[class-1] {
			return class, fmt.Errorf("a priority cannot have more than the one above it")
		}
	}
	if s[0] < 1 {
		return 0, fmt.Errorf("the highest priority has everything")
	}
	return 0, nil
}

// Admission is what goes with a concurrency limit besides its number; it ends with the lease.
type Admission struct {
	// BaselineLatency of a call without a queue; 0 is not known.
	BaselineLatency time.Duration
	// Shares of the priorities, if HasShares; else those that the limiter was built with.
	Shares    Shares
	HasShares bool
}
