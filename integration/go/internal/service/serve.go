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
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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
}

// Run serves until it is killed or drained. Figures go to out.
func Run(options Options, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &service{shape: options.Workload.Service, cache: newCache(), ctx: ctx, cancel: cancel}
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
	return s.serve(options.Socket, mux, health, out)
}

// govern puts the policy in force.
func (s *service) govern(options Options) (middleware, func() string, error) {
	guard, health := middleware(nil), func() string { return "" }
	if options.Policy.Name != "setpoint" && options.Policy.Name != "setpoint-killed" {
		var err error
		if guard, err = install(options.Policy.Name); err != nil {
			return nil, nil, err
		}
	}
	if options.Policy.File == "" {
		return guard, health, nil
	}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	sdk := setpoint.Start(s.ctx, "workload", setpoint.WithLogger(quiet))
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
		newMeter().tell(out, health, s.ctx.Done())
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

// work is a request.
func (s *service) work(w http.ResponseWriter, _ *http.Request) {
	litter(s.shape.GarbageKiB)
	s.cache.replace()
	spin(s.shape.Work)
	stall(s.shape.Stall)
	if s.shape.Hold > 0 {
		pieces := held(s.shape.HeldKiB)
		time.Sleep(s.shape.Hold)
		_ = w.Header() // what is held is needed until here
		pieces[0][0]++
	}
	w.WriteHeader(http.StatusOK)
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

// mapMemory takes memory outside the Go heap, as C code would.
func (s *service) mapMemory(w http.ResponseWriter, r *http.Request) {
	mibs, err := strconv.Atoi(r.URL.Query().Get("mib"))
	over, err2 := time.ParseDuration(r.URL.Query().Get("over"))
	if err := errors.Join(err, err2); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	go func() { _ = TakeMapped(mibs, over) }() // the rig sees what became of it in the cgroup
}

// TakeMapped maps so much memory and uses all of it, evenly over a time.
func TakeMapped(mibs int, over time.Duration) error {
	return evenly(mibs, over, func() error {
		mapped, err := syscall.Mmap(-1, 0, mib, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		for at := 0; at < len(mapped); at += page {
			mapped[at] = 1
		}
		return err
	})
}

// TakeFile writes so much into a file, evenly over a time.
func TakeFile(path string, mibs int, over time.Duration) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	data := make([]byte, mib)
	err = evenly(mibs, over, func() error {
		_, err := file.Write(data)
		return err
	})
	return errors.Join(err, file.Close())
}

func evenly(times int, over time.Duration, do func() error) error {
	began := time.Now()
	for i := range times {
		time.Sleep(time.Until(began.Add(over * time.Duration(i) / time.Duration(times))))
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// spun keeps the compiler from leaving work away.
var spun atomic.Uint64

// spin uses CPU time, as the kernel counts it for this thread.
func spin(work time.Duration) {
	if work == 0 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() int64 {
		var now unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now) // this clock is always there
		return now.Nano()
	}
	var sum uint64
	for end := used() + work.Nanoseconds(); used() < end; {
		for i := range uint64(20_000) {
			sum += i * i
		}
	}
	spun.Store(sum)
}

// stall hangs in the kernel, and keeps its thread.
func stall(long time.Duration) {
	if long > 0 {
		wait := syscall.NsecToTimespec(long.Nanoseconds())
		_ = syscall.Nanosleep(&wait, nil) // cut short is as good
	}
}
