package setpoint

import (
	"context"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Priority is how much a call matters when not all can be let in.
//
// Every priority has a share of the limit, and the shares are nested: a call is admitted while fewer than share * limit calls are
// in flight, whoever they belong to. One comparison, strict degradation, nothing to rebalance.
type Priority uint8

const (
	// Normal is the ordinary, and what a caller gets that says nothing.
	Normal Priority = iota
	// Critical is what must work when nothing else does.
	Critical
	// High is before the ordinary.
	High
	// Low can wait.
	Low
	// Background: nobody waits for it.
	Background
	// Exempt is for health checks, traces and the like: always admitted, not counted.
	Exempt
)

// DefaultShares of the limit unless a limiter is built with others, from critical to background: a service that knows no
// priorities uses its entire limit.
var defaultShares = model.Shares{1, 1, 1, 0.85, 0.5}

// class that the calls are counted in; negative for exempt ones.
func (p Priority) class() int { return int(classes[p&7]) }

var classes = [8]int8{Critical: 0, High: 1, Normal: 2, Low: 3, Background: 4, Exempt: -1, 6: -1, 7: -1}

type priorityKey struct{}

// WithPriority notes in a context how much what is done with it matters; the middleware and the interceptors heed it.
func WithPriority(ctx context.Context, priority Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, priority)
}

// PriorityFrom is the priority noted in a context, Normal without one.
func PriorityFrom(ctx context.Context) Priority {
	priority, _ := ctx.Value(priorityKey{}).(Priority)
	return priority
}

// ParsePriority of a header or metadata: critical, high, normal, low or background, and nothing above atMost; false for anything
// else. Only where callers are trusted that far: a priority is claimed, not earned.
func ParsePriority(text string, atMost Priority) (Priority, bool) {
	names := map[string]Priority{"critical": Critical, "high": High, "normal": Normal, "low": Low, "background": Background}
	priority, known := names[text]
	if known && priority.class() < atMost.class() {
		priority = atMost
	}
	return priority, known
}
