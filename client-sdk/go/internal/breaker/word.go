package breaker

// How the breaker's facts are packed into 64 bits, so that each changes as a whole: state, generation and time have 4, 21 and 39
// bits. A generation wraps: it only has to differ from those of calls that are still out.
const (
	generationBits = 21
	generations    = 1 << generationBits
	timeBits       = 39
	times          = 1 << timeBits
	latestMs       = times - 1
	stateShift     = generationBits + timeBits
	// The generation where it is, in a word as in a probe.
	generationMask = (generations - 1) << timeBits
)

// State of a breaker.
type State uint8

// The states. The first few let every call through, so that one comparison tells.
const (
	Closed State = iota
	PushedClosed
	Disabled
	Shadow
	Recovering
	HalfOpen
	Open
	PushedHalfOpen
	PushedOpen
	ForcedOpen

	stateCount = int(ForcedOpen) + 1
	firstPicky = uint64(Recovering) << stateShift
)

// String is the name in logs.
func (s State) String() string {
	names := [...]string{
		"closed", "pushed_closed", "disabled", "shadow", "recovering", "half_open", "open", "pushed_half_open", "pushed_open", "forced_open",
	}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// isShut: no call goes through.
func (s State) isShut() bool { return s == PushedOpen || s == ForcedOpen }

// isLocal: the breaker's own rules decide.
func (s State) isLocal() bool { return s == Closed || s == Recovering || s == HalfOpen || s == Open }

// wasRejecting on another's word, which may be out of date.
func (s State) wasRejecting() bool { return s == PushedOpen || s == PushedHalfOpen }

// word is state, generation and the end of what the state waits for, in milliseconds of the clock (17 years).
type word struct {
	state      State
	generation uint64
	untilMs    uint64
}

func unpackWord(packed uint64) word {
	return word{State(packed >> stateShift), packed >> timeBits % generations, packed % times}
}

func (w word) pack() uint64 {
	return uint64(w.state)<<stateShift | w.generation<<timeBits | min(w.untilMs, latestMs)
}

func (w word) nextGeneration() uint64 { return (w.generation + 1) % generations }

// passesAll says whether every call goes through, without taking the word apart.
func passesAll(packed uint64) bool { return packed < firstPicky }

// probe is a call that is out: its generation, which of the eight slots it holds, and its deadline, which is never at zero.
type probe struct {
	generation, deadlineMs uint64
	index                  int
}

func unpackProbe(packed uint64) probe {
	return probe{packed >> timeBits % generations, packed % times, int(packed >> stateShift)}
}

func (p probe) pack() uint64 {
	return uint64(p.index)<<stateShift | p.generation<<timeBits | min(p.deadlineMs, latestMs)
}

// expired: out for too long.
func (p probe) expired(nowMs uint64) bool { return p.deadlineMs < nowMs }

// isBefore: let out before that generation, in the wrapping order.
func (p probe) isBefore(generation uint64) bool {
	ahead := (generation - p.generation) % generations
	return 0 < ahead && ahead < generations/2
}
