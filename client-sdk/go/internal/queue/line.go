package queue

import "github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"

// Waiter is somebody who waits. Times are nanoseconds.
type Waiter[P any] struct {
	// Ready has something to receive once there is an answer.
	Ready chan struct{}

	class  int
	places uint32
	// Since when; admitted later than latest, it could not meet its deadline.
	since, latest uint64
	inLine        bool
	older, newer  *Waiter[P]
	answer        Answer[P]
}

// line is everybody who waits for one limiter, in what order, and for how long it is worth it. No clock, no lock, nobody is woken here.
//
//	who comes next?                        the highest priority; within it the oldest, or the newest while that line stands: the newest
//	                                       still has its time, the oldest has lost most of it already
//	who must go?                           whoever's deadline could not be met any more, and, while its line stands, whoever has waited
//	                                       twice the target
//	who makes room when all is full?       whoever of a lower priority would come last
type line[P any] struct {
	classes [model.Priorities]class[P]
	waiting int
	room    int
}

type class[P any] struct {
	oldest, newest *Waiter[P]
	codel          codel
}

func (c *class[P]) observe(now uint64) {
	head := uint64(0)
	if c.oldest != nil {
		head = now - min(c.oldest.since, now)
	}
	c.codel.observe(now, head)
}

func (c *class[P]) next() *Waiter[P] {
	if c.codel.overloaded {
		return c.newest
	}
	return c.oldest
}

func (c *class[P]) last() *Waiter[P] {
	if c.codel.overloaded {
		return c.oldest
	}
	return c.newest
}

func (l *line[P]) isFull() bool { return l.waiting >= l.room }

// enter puts somebody in.
func (l *line[P]) enter(w *Waiter[P]) {
	c := &l.classes[w.class]
	w.older, w.newer, w.inLine = c.newest, nil, true
	if c.newest != nil {
		c.newest.newer = w
	} else {
		c.oldest = w
	}
	c.newest = w
	l.waiting++
	c.observe(w.since)
}

// leave takes somebody out; false: it was not in.
func (l *line[P]) leave(w *Waiter[P], now uint64) bool {
	if !w.inLine {
		return false
	}
	c := &l.classes[w.class]
	if w.older != nil {
		w.older.newer = w.newer
	} else {
		c.oldest = w.newer
	}
	if w.newer != nil {
		w.newer.older = w.older
	} else {
		c.newest = w.older
	}
	w.older, w.newer, w.inLine = nil, nil, false
	l.waiting--
	c.observe(now)
	return true
}

// lastBelow is who makes room for somebody of that class; nil: nobody.
func (l *line[P]) lastBelow(class int) *Waiter[P] {
	for below := model.Priorities - 1; below > class; below-- {
		if last := l.classes[below].last(); last != nil {
			return last
		}
	}
	return nil
}

// next in line; nil: nobody.
func (l *line[P]) next() *Waiter[P] {
	for i := range l.classes {
		if next := l.classes[i].next(); next != nil {
			return next
		}
	}
	return nil
}

func (l *line[P]) isLate(w *Waiter[P], now uint64) bool {
	return now >= w.latest || l.classes[w.class].codel.tooLong(now-min(w.since, now))
}

// each calls for everybody, who may leave meanwhile.
func (l *line[P]) each(see func(*Waiter[P])) {
	for i := range l.classes {
		for w := l.classes[i].oldest; w != nil; {
			newer := w.newer
			see(w)
			w = newer
		}
	}
}
