package setpoint

import (
	"context"
	"errors"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// Outcome is what one finished call means for a limit and for a breaker.
//
// Only four meanings matter. "The server answered with an error" is not one of them: a 404 says nothing about load, a 429 says
// everything, a 500 says that the callee is sick but not that it is full.
type Outcome = model.Outcome

const (
	// Success: the call did its work, and its latency is a sample.
	Success = model.OutcomeSuccess
	// Ignore: its result says nothing about load or health, such as a cancelled call or one refused by its caller's own fault.
	Ignore = model.OutcomeIgnore
	// Dropped: it ended in overload (time-out, 429, 503, RESOURCE_EXHAUSTED). Lowers a limit, fails a breaker's probe.
	Dropped = model.OutcomeDropped
	// Failure: it failed in another way. No input for a limit; several in a row trip a breaker.
	Failure = model.OutcomeFailure
)

// OutcomeOf is what an error means by default: none is success; context.Canceled is ignored; context.DeadlineExceeded and a
// *Rejected are dropped; any other is a failure.
func OutcomeOf(err error) Outcome {
	var rejected *Rejected
	switch {
	case err == nil:
		return Success
	case errors.Is(err, context.Canceled):
		return Ignore
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &rejected):
		return Dropped
	default:
		return Failure
	}
}

// OutcomeOfHTTPStatus is what an HTTP status means by default: 2xx and 3xx success; 429, 503 and 504 dropped; other 5xx failure;
// the rest is ignored.
func OutcomeOfHTTPStatus(status int) Outcome {
	switch {
	case status == 429 || status == 503 || status == 504:
		return Dropped
	case status >= 200 && status < 400:
		return Success
	case status >= 500 && status < 600:
		return Failure
	default:
		return Ignore
	}
}

// OutcomeOfGRPCCode is what a gRPC status code means by default: 0 success; 4 DEADLINE_EXCEEDED, 8 RESOURCE_EXHAUSTED and 14
// UNAVAILABLE dropped; 2 UNKNOWN, 13 INTERNAL and 15 DATA_LOSS failure; the rest is ignored.
func OutcomeOfGRPCCode(code uint32) Outcome {
	switch code {
	case 0:
		return Success
	case 4, 8, 14:
		return Dropped
	case 2, 13, 15:
		return Failure
	default:
		return Ignore
	}
}
