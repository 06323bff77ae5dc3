// Package service is the service that the rig puts under pressure: it keeps, allocates, holds and leaks memory as its workload says, and
// answers requests on a unix socket.
package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
	"github.com/setpoint-dev/setpoint/client-sdk/go/setpointhttp"

	"github.com/setpoint-dev/setpoint/integration/go/internal/plan"
)

// Options of a service.
type Options struct {
	Workload plan.Workload
	Policy   plan.Policy
	// Socket to listen on.
	Socket string
	// Begun: what its workload does with time begins at once, and not with POST /begin.
	Begun bool
}

type service struct {
	shape  plan.Shape
	cache  *cache
	begin  sync.Once
	cancel context.CancelFunc
	ctx    context.Context
	line   line
	watch  bool
}

// Run serves until it is killed or drained. Figures go to out.
func Run(options Options, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &service{
		shape: options.Workload.Service, cache: newCache(), ctx: ctx, cancel: cancel,
		line: line{socket: os.Getenv("SETPOINT_SOCKET")}, watch: options.Workload.Dips.MiB > 0,
	}
	guard, health, err := s.govern(options)
	if err != nil {
		return err
	}
	s.cache.resize(float64(s.shape.LiveMiB))
	if options.Begun {
		s.started()
	}
	var work http.Handler = http.HandlerFunc(s.work)
	if guard != nil {
		work = guard(work)
	}
	mux := http.NewServeMux()
	mux.Handle("/work", work)
	mux.HandleFunc("POST /begin", func(http.ResponseWriter, *http.Request) { s.started() })
	mux.HandleFunc("POST /map", s.mapMemory)
	mux.HandleFunc("POST /cut", func(http.ResponseWriter, *http.Request) { s.line.sever() })
	return s.serve(options.Socket, mux, health, out)
}

// govern puts the policy in force.
func (s *service) govern(options Options) (middleware, func() string, error) {
	guard, health := middleware(nil), func() string { return "" }
	if ours := options.Policy.Name == "setpoint" || strings.HasPrefix(options.Policy.Name, "setpoint-"); !ours {
		var err error
		if guard, err = install(options.Policy.Name); err != nil {
			return nil, nil, err
		}
	}
	if options.Policy.File == "" {
		return guard, health, nil
	}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	sdk := setpoint.Start(s.ctx, "workload", setpoint.WithLogger(quiet), setpoint.WithDial(s.line.dial))
	if guard == nil && options.Policy.Name != "automemlimit-limiter" {
		sdk.GC()
		sdk.Parallelism()
		sdk.Knob("drain", setpoint.Switch(), setpoint.OnChange(func(change setpoint.Change) {
			if change.To != 0 {
				s.cancel()
			}
		}))
	}
	inbound := sdk.Limiter("inbound", setpoint.Bounds(4, 2000), setpoint.Baseline(2000), setpoint.Deadline(time.Second))
	return setpointhttp.Middleware(inbound), func() string { return sdk.Health().String() }, nil
}

func (s *service) serve(socket string, handler http.Handler, health func() string, out io.Writer) error {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler}
	told := make(chan struct{})
	go func() {
		newMeter().tell(out, health, s.watch, s.ctx.Done())
		close(told)
	}()
	go func() {
		<-s.ctx.Done()
		patience, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(patience) // what has not finished by then is cut off
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-told
	return nil
}

// started begins what the workload does with time.
func (s *service) started() {
	s.begin.Do(func() {
		if s.shape.GrowOver == 0 && s.shape.BurstEvery == 0 && s.shape.LeakMiBPerSecond == 0 {
			return
		}
		go func() {
			for began, ticks := time.Now(), time.Tick(50*time.Millisecond); s.ctx.Err() == nil; <-ticks {
				s.cache.resize(kept(&s.shape, time.Since(began)))
			}
		}()
	})
}
