package setpoint

import (
	"testing"
	"time"
)

// BenchmarkTick is what one tick of 50 ms costs a service with four busy limiters and garbage collection, with a report in it.
func BenchmarkTick(b *testing.B) {
	sdk := byHand()
	sdk.own = newOwn()
	defer sdk.own.Close()
	sdk.GC()
	for _, name := range []string{"a", "b", "c", "d"} {
		permit, err := sdk.Limiter(name).TryAcquire(Normal)
		if err != nil {
			b.Fatal(err)
		}
		defer permit.Finish(Success)
	}
	all := sdk.registry.Actuators()
	for name, report := range map[string]bool{"alone": false, "with a report": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				sdk.clock.Move(50 * time.Millisecond)
				for _, it := range all {
					it.Tick()
				}
				if report {
					sdk.own.Sample(sdk.clock.Now())
				}
			}
		})
	}
}
