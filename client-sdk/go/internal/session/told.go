package session

import "github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"

// told is what the log of the service had last of a knob, and which moves are news after that. A law moves a knob by many small
// steps: one that is far from what the log had last is news. A decay moves it with every tick: its beginning and its end are news,
// what is between is not. The sidecar's log goes by the same rule.
type told struct {
	value model.Value
	any   bool
	// The last move was one of a lease that is over.
	decaying bool
}

// isNews says whether a move to this value is; then it counts as told.
func (t *told) isNews(to model.Value, decaying bool, baseline float64) bool {
	news := !t.any || to.IsFarFrom(t.value)
	if decaying {
		news = !t.decaying || to.Scalar() == baseline
	}
	t.decaying = decaying
	if news {
		t.value, t.any = to, true
	}
	return news
}
