// Package setpointhttp holds HTTP calls to a limit and a breaker, on the server's and on the client's side.
//
// A refused request is answered 503 (by a rate: 429) with retry-after, and x-setpoint-rejected tells it from any other. A status means
// its default (setpoint.OutcomeOfHTTPStatus): 4xx says nothing about load, 429, 503 and 504 mean overload, other 5xx a failure. A caller
// that goes away is ignored, a panic is a failure. Health checks, metrics, /debug/ and the trace collector pass in every state.
//
// Where the limiter has a queue (setpoint.Queue), requests wait in it. Retries belong outside of all of it, so that each attempt is a
// call of its own.
package setpointhttp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/call"
)

// RejectedHeader tells a rejection by a limit from any other 503; its value is the reason.
const RejectedHeader = "X-Setpoint-Rejected"

// Middleware holds the requests of a handler to a limit. A call ends when the handler returns. Costs a permit, and one allocation for
// the writer that notes the status.
func Middleware(limiter *setpoint.Limiter, options ...Option) func(http.Handler) http.Handler {
	settings := settingsOf(options)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			settings.serve(limiter, next, w, r)
		})
	}
}

func (s *settings) serve(limiter *setpoint.Limiter, next http.Handler, w http.ResponseWriter, r *http.Request) {
	priority := s.priorityOf(r)
	if priority == setpoint.Exempt {
		next.ServeHTTP(w, r)
		return
	}
	if s.deadlines {
		ctx, cancel, err := s.withDeadline(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		defer cancel()
		r = r.WithContext(ctx)
	}
	admitted, err := s.gates.Begin(r.Context(), limiter, priority)
	if err != nil {
		refuse(w, err)
		return
	}
	noting := &writer{ResponseWriter: w}
	returned := false
	defer func() {
		var caught any
		if s.contain && !returned {
			caught = recover()
		}
		outcome := s.served(r, noting, returned)
		admitted.End(outcome, retryAfterOf(outcome, w.Header()))
		if caught != nil {
			contain(noting, caught)
		}
	}()
	next.ServeHTTP(noting, r)
	returned = true
}

// served is what became of a request.
func (s *settings) served(r *http.Request, w *writer, returned bool) setpoint.Outcome {
	switch {
	case errors.Is(r.Context().Err(), context.Canceled):
		return setpoint.Ignore
	case !returned:
		return setpoint.Failure
	default:
		return s.outcome(w.statusCode(), w.Header())
	}
}

// contain a panic of a handler.
func contain(w *writer, caught any) {
	if caught == http.ErrAbortHandler {
		panic(caught) // which is how a handler cuts its connection
	}
	slog.Error("a handler panicked", "panic", caught, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}

var errRepeated = errors.New("is there more than once")

// withDeadline is the request's context with the deadline of its headers and of what was promised.
func (s *settings) withDeadline(r *http.Request) (context.Context, context.CancelFunc, error) {
	ctx := r.Context()
	left, has := time.Duration(0), false
	for _, it := range []struct {
		name  string
		parse func(string) (time.Duration, error)
	}{{setpoint.TimeoutHeader, setpoint.ParseTimeout}, {"Grpc-Timeout", setpoint.ParseGRPCTimeout}} {
		values := r.Header.Values(it.name)
		if len(values) == 0 {
			continue
		}
		said, err := it.parse(values[0])
		if len(values) > 1 {
			err = errRepeated
		}
		if err != nil {
			return nil, nil, errors.New(it.name + ": " + err.Error())
		}
		if !has || said < left {
			left, has = said, true
		}
	}
	if s.promised > 0 && (!has || s.keep.Of(s.promised) < left) {
		left, has = s.keep.Of(s.promised), true
	}
	if !has {
		return ctx, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	return ctx, cancel, nil
}

const retryAfterHeader = "Retry-After"

// retryAfterOf a response is when the callee wants to be asked again: only of a call that went wrong, and only if said as a number. (A
// date is not read: it would need two clocks that agree.)
func retryAfterOf(outcome setpoint.Outcome, header http.Header) time.Duration {
	if wait, ok := call.RetryAfter(outcome, header.Get("Grpc-Retry-Pushback-Ms"), time.Millisecond); ok {
		return wait
	}
	wait, _ := call.RetryAfter(outcome, header.Get(retryAfterHeader), time.Second)
	return wait
}

func refuse(w http.ResponseWriter, err error) {
	var rejected *setpoint.Rejected
	if !errors.As(err, &rejected) {
		// Its time was over while it waited, or its caller has gone.
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	status := http.StatusServiceUnavailable
	if rejected.Reason == setpoint.RateLimit {
		status = http.StatusTooManyRequests
	}
	seconds := max((rejected.RetryAfter+time.Second-1)/time.Second, 1)
	w.Header().Set(retryAfterHeader, strconv.Itoa(int(seconds)))
	w.Header().Set(RejectedHeader, rejected.Reason.String())
	http.Error(w, http.StatusText(status), status)
}
