package session

import (
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// What the sidecar calls it when a breaker is open because goroutines pile up.
const taskLeak = "task_leak"

// leakWatch knows the trip that was told last: a sidecar says what it wants again and again, and after a restart as well.
type leakWatch struct {
	epoch, decision uint64
	told            bool
}

// heard says why goroutines are taken to leak, if this frame says so and none of the same trip did before.
func (w *leakWatch) heard(frame *wire.Frame) (why string, news bool) {
	if frame.Shadow {
		return "", false
	}
	for _, it := range frame.Set {
		if it.Why.Rule != taskLeak || it.Value.Form != model.FormBreaker || it.Value.Breaker.State != model.BreakerOpen {
			continue
		}
		trip := leakWatch{frame.Version.Epoch, it.DecisionID, true}
		news = *w != trip
		*w = trip
		return it.Why.Text, news
	}
	return "", false
}
