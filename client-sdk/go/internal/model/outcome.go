package model

// Outcome is what one finished call means for the estimator of a limit and for a breaker.
type Outcome uint8

// The outcomes.
const (
	OutcomeSuccess Outcome = iota
	OutcomeIgnore
	OutcomeDropped
	OutcomeFailure
)

// String is the name in logs.
func (o Outcome) String() string {
	names := [...]string{"success", "ignore", "dropped", "failure"}
	if int(o) < len(names) {
		return names[o]
	}
	return "unknown"
}
