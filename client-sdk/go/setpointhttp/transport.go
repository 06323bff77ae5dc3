package setpointhttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// Transport holds the requests of a client to a limit. A call ends when the head of the response is there; its error is a
// *setpoint.Rejected (errors.As) when it was not let in. Put it inside of whatever retries: a permit is for one attempt.
func Transport(limiter *setpoint.Limiter, base http.RoundTripper, options ...Option) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{limiter, base, settingsOf(options)}
}

type transport struct {
	limiter  *setpoint.Limiter
	base     http.RoundTripper
	settings *settings
}

// RoundTrip makes one attempt.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	priority := t.settings.priorityOf(request)
	if priority == setpoint.Exempt {
		return t.base.RoundTrip(request)
	}
	ctx, cancel := setpoint.Part(request.Context(), t.settings.keep)
	defer cancel()
	admitted, err := t.settings.gates.Begin(ctx, t.limiter, priority)
	if err != nil {
		if request.Body != nil {
			request.Body.Close() // which a RoundTripper owes in any case
		}
		return nil, err
	}
	outcome, retryAfter := setpoint.Failure, time.Duration(0)
	defer func() { admitted.End(outcome, retryAfter) }()
	response, err := t.base.RoundTrip(t.settings.passDeadline(ctx, request))
	if err != nil {
		outcome = outcomeOfError(err)
		return response, err
	}
	outcome = t.settings.outcome(response.StatusCode, response.Header)
	retryAfter = retryAfterOf(outcome, response.Header)
	return response, nil
}

// passDeadline tells the callee how long is left.
func (s *settings) passDeadline(ctx context.Context, request *http.Request) *http.Request {
	deadline, ok := ctx.Deadline()
	if !ok || !s.deadlines {
		return request
	}
	request = request.Clone(request.Context()) // which is not ours to change
	request.Header.Set(setpoint.TimeoutHeader, setpoint.FormatTimeout(time.Until(deadline)))
	return request
}

// CloseIdleConnections of the transport beneath.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// outcomeOfError: a time-out of whatever kind is overload.
func outcomeOfError(err error) setpoint.Outcome {
	var timeout net.Error
	if outcome := setpoint.OutcomeOf(err); outcome != setpoint.Failure {
		return outcome
	}
	if errors.As(err, &timeout) && timeout.Timeout() {
		return setpoint.Dropped
	}
	return setpoint.Failure
}
