package signals

import (
	"os"
	"path/filepath"
	"strconv"
)

// The most threads whose state is looked at: that costs three times as much (6 us) as what they ran and waited.
const mostStates = 64

// thread is one that is watched.
type thread struct {
	id   int
	file *os.File
	once *once
	last schedStat
	// Its stat, if its state is looked at.
	state     *os.File
	stateOnce *once
}

func (t *thread) close() {
	t.file.Close()
	if t.state != nil {
		t.state.Close()
	}
}

// watchState opens the file that tells a thread's state; without it nothing is lost but whether the thread is stuck.
func (t *thread) watchState(path string) bool {
	var err error
	t.state, t.stateOnce, err = openOnce(filepath.Join(path, strconv.Itoa(t.id), "stat"))
	return err == nil
}

// states counts the threads that are stuck in the kernel, of those that are looked at.
func (t *threadSet) states() (blocked, lookedAt int) {
	for i := range t.threads {
		if t.threads[i].state == nil {
			continue
		}
		length, err := t.threads[i].stateOnce.into(t.buffer[:])
		if err != nil {
			continue // it has ended, as the next pass will find
		}
		if is, err := threadBlocked(t.buffer[:length]); err == nil {
			lookedAt++
			if is {
				blocked++
			}
		}
	}
	return blocked, lookedAt
}
