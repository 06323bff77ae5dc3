package places

// Ticket is what a call in flight holds of its limiter. Two words, so that a permit is made and moved in registers.
type Ticket struct {
	// at is when it came, nanoseconds; of a quick one, microseconds as far as they fit into the words of a shard.
	at uint64
	// rest is the number of places, 32 bits, the shard, 16 bits, and the kind.
	rest uint64
}

func newTicket(at, places uint64, seat int, kind kind) Ticket {
	return Ticket{at, places<<32 | uint64(seat)<<16 | uint64(kind)}
}

// Places that it takes.
func (t Ticket) Places() uint64 { return t.rest >> 32 }

func (t Ticket) seat() int  { return int(t.rest >> 16 & 0xffff) }
func (t Ticket) kind() kind { return kind(t.rest) }

// IsQuick: it was let in by TryQuick, and LeaveQuick is for it if it succeeded.
func (t Ticket) IsQuick() bool { return t.kind() == quick }

// kind of a ticket.
type kind uint8

const (
	// Its time was read from the clock.
	timed kind = iota
	// Its time was estimated.
	estimated
	// It was let in on a shard's quota.
	quick
)
