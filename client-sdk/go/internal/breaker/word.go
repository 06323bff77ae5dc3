package breaker

// How the breaker's facts are packed into 64 bits, so that each changes as a whole: 3 bits of state, 21 of generation, 40 of
// milliseconds (34 years). A generation wraps: it only has to differ from those of calls that are still out.
const (
	generationBits = 21
	generations    = 1 << generationBits
	timeBits       = 40
	times          = 1 << timeBits
	latestMs       = times - 1
	generationMask = (generations - 1) << timeBits
)

// State is what the breaker does with calls now.
type State uint8

// The states.
const (
	Closed State = iota
	Open
	HalfOpen
	PushedClosed
	PushedHalfOpen
	PushedOpen
	ForcedOpen
)

// String is the name in logs.
func (s State) String() string {
	names := [...]string{"closed", "open", "half_open", "pushed_closed", "pushed_half_open", "pushed_open", "forced_open"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

func (s State) isLocal() bool { return s <= HalfOpen }

// word is state, generation and the end of the wait.
type word struct {
	state      State
	generation uint64
	untilMs    uint64
}

func unpackWord(packed uint64) word {
	return word{State(packed >> (generationBits + timeBits)), packed >> timeBits % generations, packed % times}
}

func (w word) pack() uint64 {
	return uint64(w.state)<<(generationBits+timeBits) | w.generation<<timeBits | min(w.untilMs, latestMs)
}

func (w word) nextGeneration() uint64 { return (w.generation + 1) % generations }

// passesAll says whether every call goes through, without taking the word apart.
func passesAll(packed uint64) bool {
	state := State(packed >> (generationBits + timeBits))
	return state == Closed || state == PushedClosed
}

// tally is a count that belongs to one generation.
type tally struct{ generation, count uint64 }

func unpackTally(packed uint64) tally { return tally{packed % generations, packed >> generationBits} }

func (t tally) pack() uint64 { return t.count<<generationBits | t.generation }

// probe is a call that is out: its generation, which of the eight slots it holds, and its deadline, which is never at zero.
type probe struct {
	generation, deadlineMs uint64
	index                  int
}

func unpackProbe(packed uint64) probe {
	return probe{packed >> timeBits % generations, packed % times, int(packed >> (generationBits + timeBits))}
}

func (p probe) pack() uint64 {
	return uint64(p.index)<<(generationBits+timeBits) | p.generation<<timeBits | min(p.deadlineMs, latestMs)
}

// expired: out for too long.
func (p probe) expired(nowMs uint64) bool { return p.deadlineMs < nowMs }

// isBefore: let out before that generation, in the wrapping order.
func (p probe) isBefore(generation uint64) bool {
	ahead := (generation - p.generation) % generations
	return 0 < ahead && ahead < generations/2
}
