package setpoint

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// Deadline budgets: until when the answer of a request is of use.
//
// A caller that has given up does not need an answer any more, and every service behind the one it called goes on working for it all the
// same, unless the deadline travels with the request. So a deadline is set once, where the request comes in, a little before the caller
// gives up; each service gives the next one what is left of it, less what it needs itself; and work whose deadline is over is not begun.
// In Go the deadline is that of the context. It travels as a time that is left, for no two machines have one clock: gRPC does that by
// itself, setpointhttp by a header.

// TimeoutHeader is the time that is left for an HTTP request: 1 to 8 digits, milliseconds, up to 27 hours.
const TimeoutHeader = "X-Setpoint-Timeout-Ms"

// Reserve is what is kept back of a budget: for the way of the answer, and for what is still to be done with it. The zero value keeps
// nothing back.
type Reserve struct {
	ratio float64
	time  time.Duration
}

// KeepRatio keeps a share of what is left, 0 to 1.
func KeepRatio(ratio float64) Reserve {
	if !(ratio > 0) {
		ratio = 0
	}
	return Reserve{ratio: min(ratio, 1)}
}

// KeepTime keeps a time.
func KeepTime(length time.Duration) Reserve { return Reserve{time: max(length, 0)} }

// Of a budget, what remains: nothing when more is kept than there is.
func (r Reserve) Of(budget time.Duration) time.Duration {
	return max(time.Duration(float64(budget)*(1-r.ratio))-r.time, 0)
}

// Within a promise to the caller (500 ms), less what is kept back of it (a fifth), the answer is of use: a context with that deadline,
// 400 ms from now, or with its own if that is earlier.
func Within(ctx context.Context, promised time.Duration, keep Reserve) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, keep.Of(promised))
}

// Part of a request: a context with an earlier deadline for a call that is a part of it, since something is kept back of what is left.
// Without a deadline it stays without one.
func Part(ctx context.Context, keep Reserve) (context.Context, context.CancelFunc) {
	left, ok := timeLeft(ctx)
	if !ok || keep == (Reserve{}) {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, keep.Of(max(left, 0)))
}

const (
	timeoutDigits  = 8
	longestTimeout = 99_999_999
)

// ErrBadTimeout says that a header is no time.
var ErrBadTimeout = errors.New("must be 1 to 8 digits, with a unit in grpc-timeout: one of H, M, S, m, u, n")

// ParseTimeout is the time of a TimeoutHeader; the error is ErrBadTimeout.
func ParseTimeout(text string) (time.Duration, error) {
	millis, ok := digits(text)
	if !ok {
		return 0, ErrBadTimeout
	}
	return time.Duration(millis) * time.Millisecond, nil
}

// FormatTimeout is a time as a TimeoutHeader has it: rounded down, for nobody should be promised more than there is.
func FormatTimeout(left time.Duration) string {
	return strconv.FormatInt(min(max(left, 0).Milliseconds(), longestTimeout), 10)
}

// The units of grpc-timeout.
var timeoutUnits = map[byte]time.Duration{
	'n': time.Nanosecond, 'u': time.Microsecond, 'm': time.Millisecond, 'S': time.Second, 'M': time.Minute, 'H': time.Hour,
}

// The longest time of all: what is longer is as long as this.
const longestLeft = time.Duration(1<<63 - 1)

// ParseGRPCTimeout is the time of a grpc-timeout: digits and a unit; the error is ErrBadTimeout. More than 292 years are 292 years.
func ParseGRPCTimeout(text string) (time.Duration, error) {
	if text == "" {
		return 0, ErrBadTimeout
	}
	unit, known := timeoutUnits[text[len(text)-1]]
	count, ok := digits(text[:len(text)-1])
	if !known || !ok {
		return 0, ErrBadTimeout
	}
	if time.Duration(count) > longestLeft/unit {
		return longestLeft, nil
	}
	return time.Duration(count) * unit, nil
}

// digits, one to eight and nothing else.
func digits(text string) (count int64, ok bool) {
	if len(text) == 0 || len(text) > timeoutDigits {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		count = 10*count + int64(text[i]-'0')
	}
	return count, true
}
