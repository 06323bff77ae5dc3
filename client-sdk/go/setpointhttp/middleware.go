// Package setpointhttp holds HTTP calls to a limit and a breaker, on the server's and on the client's side.
//
// A refused request is answered 503 with retry-after, and x-setpoint-rejected tells it from any other 503. A status means its default
// (setpoint.OutcomeOfHTTPStatus): 4xx says nothing about load, 429, 503 and 504 mean overload, other 5xx a failure. A caller that goes
// away is ignored, a panic is a failure.
package setpointhttp

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// RejectedHeader tells a rejection by a limit from any other 503; its value is the reason.
const RejectedHeader = "X-Setpoint-Rejected"

// Option of Middleware and Transport.
type Option func(*settings)

type settings struct {
	exact    map[string]bool
	below    []string
	exemptIf func(*http.Request) bool
	priority func(*http.Request) setpoint.Priority
	outcome  func(status int, header http.Header) setpoint.Outcome
}

// Exempt lets paths through always and uncounted: exactly this one, or everything below it if it ends in /*. Beside the default ones:
// /healthz, /livez, /readyz, /metrics, /debug/* and /grpc.health.v1.Health/*.
func Exempt(paths ...string) Option {
	return func(s *settings) {
		for _, path := range paths {
			if prefix, ok := strings.CutSuffix(path, "*"); ok && strings.HasSuffix(prefix, "/") {
				s.below = append(s.below, prefix)
			} else {
				s.exact[path] = true
			}
		}
	}
}

// ExemptIf lets requests through always and uncounted, beside the exempt paths.
func ExemptIf(exempt func(*http.Request) bool) Option {
	return func(s *settings) { s.exemptIf = exempt }
}

// PriorityOf says how much a request matters. Default: what is noted in its context, else normal.
func PriorityOf(priority func(*http.Request) setpoint.Priority) Option {
	return func(s *settings) { s.priority = priority }
}

// OutcomeOf says what a response means. Default: setpoint.OutcomeOfHTTPStatus.
func OutcomeOf(outcome func(status int, header http.Header) setpoint.Outcome) Option {
	return func(s *settings) { s.outcome = outcome }
}

func settingsOf(options []Option) *settings {
	s := &settings{
		exact:    make(map[string]bool),
		priority: func(r *http.Request) setpoint.Priority { return setpoint.PriorityFrom(r.Context()) },
		outcome:  func(status int, _ http.Header) setpoint.Outcome { return setpoint.OutcomeOfHTTPStatus(status) },
	}
	Exempt("/healthz", "/livez", "/readyz", "/metrics", "/debug/*", "/grpc.health.v1.Health/*")(s)
	for _, option := range options {
		option(s)
	}
	return s
}

func (s *settings) priorityOf(request *http.Request) setpoint.Priority {
	path := request.URL.Path
	if s.exact[path] || s.exemptIf != nil && s.exemptIf(request) {
		return setpoint.Exempt
	}
	for _, prefix := range s.below {
		if strings.HasPrefix(path, prefix) {
			return setpoint.Exempt
		}
	}
	return s.priority(request)
}

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
	permit, err := limiter.TryAcquire(priority)
	if err != nil {
		refuse(w, err)
		return
	}
	noting := &writer{ResponseWriter: w}
	returned := false
	defer func() {
		permit.Finish(s.served(r, noting, returned))
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

func refuse(w http.ResponseWriter, err error) {
	reason, after := "rejected", time.Second
	var rejected *setpoint.Rejected
	if errors.As(err, &rejected) {
		reason, after = rejected.Reason.String(), rejected.RetryAfter
	}
	seconds := max((after+time.Second-1)/time.Second, 1)
	w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	w.Header().Set(RejectedHeader, reason)
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}
