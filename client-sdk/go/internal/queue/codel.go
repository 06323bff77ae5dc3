package queue

import "time"

const (
	// Target: a head that has waited less than this is no sign of a standing queue.
	Target = 5 * time.Millisecond
	// Interval over which the shortest wait is looked for.
	Interval = 100 * time.Millisecond
)

// codel says whether a line is a passing burst or a standing queue.
//
// A burst drains by itself: within any interval there is a moment at which whoever stands at the head has not waited long. If there was
// none, more comes in than goes out, and every wait only makes the answer later. That is CoDel's test (Nichols and Jacobson, 2012);
// what follows from it is simpler than CoDel and is what folly does: while the queue stands, whoever has waited for twice the target
// is refused. Times are nanoseconds of one clock.
type codel struct {
	// Shortest wait of the head in this interval, and when that ends.
	shortest, ends uint64
	overloaded     bool
}

// observe: the head of the line has waited this long; 0 for an empty line. To be called whenever the line moves.
func (c *codel) observe(now, head uint64) {
	if now < c.ends {
		c.shortest = min(c.shortest, head)
		return
	}
	// Where nothing was seen for longer than an interval, what was seen last has lasted all the while.
	c.overloaded = min(c.shortest, head) > uint64(Target)
	c.shortest, c.ends = head, now+uint64(Interval)
}

// tooLong is a wait that is not worth it now.
func (c *codel) tooLong(wait uint64) bool { return c.overloaded && wait > 2*uint64(Target) }
