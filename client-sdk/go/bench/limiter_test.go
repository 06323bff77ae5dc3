package bench

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"golang.org/x/sync/semaphore"

	setpoint "github.com/setpoint-dev/setpoint/client-sdk/go"
)

// limit is large: what is measured is the way in and out, not the limit.
const limit = 1000

// each way in and out, once with one goroutine and once with one for each processor.
func each(b *testing.B, call func()) {
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			call()
		}
	})
	b.Run("together", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				call()
			}
		})
	})
}

func start(b *testing.B) *setpoint.Setpoint {
	sdk := setpoint.Start(context.Background(), "bench", setpoint.WithSocket("/nonexistent/sdk.sock"),
		setpoint.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	b.Cleanup(sdk.Stop)
	return sdk
}

func BenchmarkSetpoint(b *testing.B) {
	limiter := start(b).Limiter("bench", setpoint.Bounds(1, 2*limit), setpoint.Baseline(limit))
	each(b, func() {
		permit, err := limiter.TryAcquire(setpoint.Normal)
		if err != nil {
			b.Error(err)
		}
		permit.Finish(setpoint.Success)
	})
}

func BenchmarkSetpointTimed(b *testing.B) {
	limiter := start(b).Limiter("bench", setpoint.Bounds(1, 2*limit), setpoint.Baseline(limit), setpoint.SampleClocks(1))
	each(b, func() {
		permit, err := limiter.TryAcquire(setpoint.Normal)
		if err != nil {
			b.Error(err)
		}
		permit.Finish(setpoint.Success)
	})
}

func BenchmarkSemaphore(b *testing.B) {
	semaphore := semaphore.NewWeighted(limit)
	each(b, func() {
		if !semaphore.TryAcquire(1) {
			b.Error("rejected")
		}
		semaphore.Release(1)
	})
}

func BenchmarkFailsafeBulkhead(b *testing.B) {
	bulkhead := bulkhead.New[any](limit)
	each(b, func() {
		if !bulkhead.TryAcquirePermit() {
			b.Error("rejected")
		}
		bulkhead.ReleasePermit()
	})
}

func BenchmarkFailsafeAdaptive(b *testing.B) {
	limiter := adaptivelimiter.NewBuilder[any]().WithLimits(limit, limit, limit).Build()
	each(b, func() {
		permit, ok := limiter.TryAcquirePermit()
		if !ok {
			b.Error("rejected")
			return
		}
		permit.Record()
	})
}
