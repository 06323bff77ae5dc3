package service

import (
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/bytedance/gopkg/util/gctuner"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"go.uber.org/automaxprocs/maxprocs"
)

// middleware that a policy puts before the work; nil: none.
type middleware func(http.Handler) http.Handler

// install a policy that needs no sidecar, as its documentation says. An unknown name is an error; ours is not one of these.
func install(policy string) (middleware, error) {
	switch policy {
	case "static100":
	case "automemlimit", "automemlimit-limiter":
		return nil, automemlimit()
	case "automemlimit-failsafe":
		return failsafe(), automemlimit()
	case "gogcoff-half":
		debug.SetGCPercent(-1)
		_, err := memlimit.Set(memlimit.WithRatio(0.45))
		return nil, err
	case "gogcoff":
		debug.SetGCPercent(-1)
		return nil, automemlimit()
	case "bytedance":
		limit, err := memlimit.FromCgroup()
		gctuner.Tuning(limit * 7 / 10)
		return nil, err
	case "tidb":
		limit, err := memlimit.FromCgroup()
		tuneAsTiDB(limit)
		return nil, err
	case "cores":
		runtime.GOMAXPROCS(runtime.NumCPU())
	case "automaxprocs":
		_, err := maxprocs.Set()
		return nil, err
	default:
		return nil, fmt.Errorf("unknown policy %q", policy)
	}
	return nil, nil
}

func automemlimit() error {
	_, err := memlimit.Set() // 0.9 of what the cgroup says
	return err
}

// failsafe is another project's limiter that judges by latency, with its defaults, and refuses without queueing.
func failsafe() middleware {
	limiter := adaptivelimiter.NewBuilder[any]().WithLimits(1, 2000, 50).Build()
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			permit, ok := limiter.TryAcquirePermit()
			if !ok {
				http.Error(w, "limit", http.StatusServiceUnavailable)
				return
			}
			defer permit.Record()
			next.ServeHTTP(w, r)
		})
	}
}
