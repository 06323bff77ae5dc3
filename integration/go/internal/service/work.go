package service

import (
	"net/http"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

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
