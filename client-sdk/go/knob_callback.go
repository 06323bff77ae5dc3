package setpoint

import (
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/actuator"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/wire"
)

// The session waits so long for a callback: less than what counts as a stall of its timer.
const patience = 80 * time.Millisecond

// callback of a knob's owner, called where a hang of it stops nothing.
//
// The session looks after every lease of the process, so it must not stand still because one callback waits for a lock or a
// network. A change that the session makes is told on a goroutine of its own, for which the session waits a moment: nearly always
// the callback is back by then, and whether it took the value is known at once. One that takes longer is left alone. The number
// itself is in force all the same and follows leases and bounds; whatever comes meanwhile is told when the callback is back, the
// newest value only. So calls for one knob never overlap.
type callback struct {
	call func(Change)

	mu sync.Mutex
	// What it took last.
	told float64
	// What it is to be told when it is back.
	next *telling
	// Closed when there is nothing more to tell; nil while nobody tells it anything.
	idle chan struct{}
	// It has refused what the session told it.
	refused bool
}

// telling is a change that a callback is to hear of.
type telling struct {
	to  float64
	why *wire.Why
	// What was wanted before, and what was put in force, for the case that it is refused.
	before    actuator.Wish
	asked     model.Value
	bySession bool
}

// behind: the value that it took last, while it has not come back from the next one.
func (c *callback) behind() (told float64, is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told, c.idle != nil
}

// takeRefusal says whether it has refused something that the session does not know of yet.
func (c *callback) takeRefusal() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	refused := c.refused
	c.refused = false
	return refused
}

// tell it, now or when it is back. False: it has refused.
func (c *callback) tell(k *Knob, change telling) bool {
	idle, mine := c.enter(change)
	switch {
	case !mine:
		return true
	case !change.bySession:
		return c.run(k)
	}
	go c.run(k)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
	return !c.takeRefusal()
}

// enter notes a change. Mine: the caller is the one to run.
func (c *callback) enter(change telling) (idle <-chan struct{}, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		change.before = c.next.before // of what was never told
	}
	c.next = &change
	if mine = c.idle == nil; mine {
		c.idle = make(chan struct{})
	}
	return c.idle, mine
}

// run tells what there is to be told, until there is nothing more. Whether the callback took the first of it.
func (c *callback) run(k *Knob) (first bool) {
	for turn := 0; ; turn++ {
		told, change := c.take()
		if change == nil {
			return first
		}
		took := told == change.to || c.hear(k, told, change)
		if turn == 0 {
			first = took
		}
		c.mu.Lock()
		if took {
			c.told = change.to
		} else {
			c.refused = c.refused || change.bySession
		}
		c.mu.Unlock()
	}
}

// take what comes next; nil: nothing, and nobody runs any more.
func (c *callback) take() (told float64, next *telling) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, c.next = c.next, nil
	if next == nil {
		close(c.idle)
		c.idle = nil
	}
	return c.told, next
}

func (c *callback) hear(k *Knob, old float64, change *telling) (took bool) {
	defer func() {
		if caught := recover(); caught != nil {
			k.slot.Restore(change.before, change.asked, func(value model.Value, _ bool) { k.swap(value) })
			k.log.Error("OnChange panicked, previous value restored", "knob", k.slot.Knob().Name, "old", old, "new", change.to, "panic", caught)
			took = false
		}
	}()
	why := change.why
	c.call(Change{k.slot.Knob().Name, old, change.to, why.Policy, why.Rule, why.Text})
	return true
}
