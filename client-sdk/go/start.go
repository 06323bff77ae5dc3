package setpoint

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"strconv"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/clock"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/session"
)

// Version of the SDK.
const Version = "0.1.0"

// DefaultSocket is where the sidecar listens unless told otherwise.
const DefaultSocket = "/run/setpoint/setpoint.sock"

// Option of Start.
type Option func(*settings)

type settings struct {
	socket   string
	disabled bool
	labels   map[string]string
	log      *slog.Logger
	custom   func() map[string]float64
	dump     func(*Dump)
	dial     session.Dial
	own      session.Own
}

// WithSocket is the sidecar's socket. Default: the environment's SETPOINT_SOCKET, else DefaultSocket.
func WithSocket(path string) Option { return func(s *settings) { s.socket = path } }

// WithLabel is a label that the sidecar shows with this process, such as its version or zone. At most 16, and fixed.
func WithLabel(name, value string) Option { return func(s *settings) { s.labels[name] = value } }

// WithLogger is where state changes and mistakes are told. Default: slog.Default().
func WithLogger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

// WithDial is another way to the sidecar than its socket file. It is called for each attempt to connect.
func WithDial(dial func(ctx context.Context) (net.Conn, error)) Option {
	return func(s *settings) { s.dial = dial }
}

// WithDisabled switches the SDK off: everything is admitted and there is no session. Default: whether the environment's
// SETPOINT_DISABLED is 1.
func WithDisabled(disabled bool) Option { return func(s *settings) { s.disabled = disabled } }

// WithCustom reports numbers of the service's own, 64 at most, under the names that policies know them by. It is called on the
// session's goroutine before each report, ten times a second, and should take no longer than some microseconds.
func WithCustom(numbers func() map[string]float64) Option {
	return func(s *settings) { s.custom = numbers }
}

// WithDump is called with each Dump, on the dump's own goroutine: for what only the service knows (its pools, its queues), or to keep
// the stacks elsewhere than in the log.
func WithDump(call func(*Dump)) Option { return func(s *settings) { s.dump = call } }

// Start starts the SDK of the service of that name. It never waits for the sidecar and never fails: without one, everything is at
// its baseline. The session ends with the context or with Stop.
func Start(ctx context.Context, service string, options ...Option) *Setpoint {
	s := settings{
		socket: DefaultSocket, disabled: os.Getenv("SETPOINT_DISABLED") == "1", labels: make(map[string]string), log: slog.Default(),
	}
	if socket := os.Getenv("SETPOINT_SOCKET"); socket != "" {
		s.socket = socket
	}
	for _, option := range options {
		option(&s)
	}
	if service == "" {
		service = "unnamed" // a sidecar refuses who has no name
	}
	sdk := &Setpoint{
		service: service, log: s.log, clock: clock.Start(), seed: rand.Uint64(), registry: actuator.NewRegistry(), own: newOwn(),
		dumps: dumps{hook: s.dump},
	}
	_, err := os.Stat(session.DisableFile(s.socket))
	sdk.registry.SetDisabled(s.disabled || err == nil)
	if !s.disabled {
		sdk.session = session.Start(ctx, sdk.registry, sdk.sessionOptions(&s))
	}
	return sdk
}

func (s *Setpoint) sessionOptions(from *settings) session.Options {
	options := session.Options{
		Service: s.service, InstanceID: strconv.FormatUint(s.seed, 16), Seed: s.seed, SDK: "go/" + Version, Runtime: runtimeVersion(),
		Labels: maps.Clone(from.labels), DisableFile: session.DisableFile(from.socket), Dial: from.dial, Clock: s.clock, Log: s.log,
		Own: from.own, Custom: from.custom, OnTaskLeak: func(why string) { s.Dump(why) },
	}
	if options.Dial == nil {
		options.Dial = session.UnixSocket(from.socket)
	}
	if options.Own == nil {
		options.Own = s.own
	}
	return options
}
