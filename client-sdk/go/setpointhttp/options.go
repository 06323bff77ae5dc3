package setpointhttp

import (
	"net/http"
	"strings"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/call"
)

// Option of Middleware and Transport.
type Option func(*settings)

type settings struct {
	exact    map[string]bool
	below    []string
	exemptIf func(*http.Request) bool
	priority func(*http.Request) setpoint.Priority
	outcome  func(status int, header http.Header) setpoint.Outcome
	gates    call.Gates
	// Deadlines are read, or passed on.
	deadlines bool
	promised  time.Duration
	keep      setpoint.Reserve
	contain   bool
}

// Exempt lets paths through always and uncounted: exactly this one, or everything below it if it ends in /*. Beside the default ones:
// /healthz, /livez, /readyz, /metrics, /debug/*, the health service of gRPC and the trace collector of OpenTelemetry.
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

// PriorityFrom a header, and nothing above atMost: see setpoint.ParsePriority. Anything else is what the context says.
func PriorityFrom(header string, atMost setpoint.Priority) Option {
	return PriorityOf(func(r *http.Request) setpoint.Priority {
		if priority, ok := setpoint.ParsePriority(r.Header.Get(header), atMost); ok {
			return priority
		}
		return setpoint.PriorityFrom(r.Context())
	})
}

// OutcomeOf says what a response means. Default: setpoint.OutcomeOfHTTPStatus.
func OutcomeOf(outcome func(status int, header http.Header) setpoint.Outcome) Option {
	return func(s *settings) { s.outcome = outcome }
}

// Throttle is for clients: refuses requests that their callee would most likely refuse. It is asked first.
func Throttle(throttle *setpoint.Throttle) Option {
	return func(s *settings) { s.gates.Throttle = throttle }
}

// Rate holds requests to a rate as well, and tells it how they end. It is asked last: a token is taken when nothing else can refuse the
// request any more.
func Rate(rate *setpoint.Rate) Option {
	return func(s *settings) { s.gates.Rate = rate }
}

// Deadlines is for servers: gives each request's context a deadline, that of its header (setpoint.TimeoutHeader or grpc-timeout) or that
// of what was promised to callers (0: nothing), less what is kept back of it, whichever is earlier. A request whose deadline is over is
// refused; one whose header is no time is answered 400.
func Deadlines(promised time.Duration, keep setpoint.Reserve) Option {
	return func(s *settings) { s.deadlines, s.promised, s.keep = true, promised, keep }
}

// PassDeadline is for clients: tells the callee how long is left of the request's context, less what is kept back of it, in
// setpoint.TimeoutHeader. A request for which nothing is left is refused.
func PassDeadline(keep setpoint.Reserve) Option {
	return func(s *settings) { s.deadlines, s.keep = true, keep }
}

// ContainPanics is for servers: answers 500 when the handler panics, and logs it, instead of letting the panic go on to the server. One
// that comes after the head of the answer cuts the connection, because a cut body must not look whole. Default: off, and a panic goes on
// once it is counted.
func ContainPanics() Option {
	return func(s *settings) { s.contain = true }
}

func settingsOf(options []Option) *settings {
	s := &settings{
		exact:    make(map[string]bool),
		priority: func(r *http.Request) setpoint.Priority { return setpoint.PriorityFrom(r.Context()) },
		outcome:  func(status int, _ http.Header) setpoint.Outcome { return setpoint.OutcomeOfHTTPStatus(status) },
	}
	Exempt("/healthz", "/livez", "/readyz", "/metrics", "/debug/*", "/grpc.health.v1.Health/*",
		"/opentelemetry.proto.collector.trace.v1.TraceService/*")(s)
	for _, option := range options {
		option(s)
	}
	return s
}

// priorityOf a request; exempt ones are so in every state, so nothing else is asked before.
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
