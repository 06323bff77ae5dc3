package signals

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

var errAbsent = errors.New("absent")

const (
	// The most threads that are watched at a time; a process with more is watched in turns, and the sums are scaled up.
	mostThreads = 256
	// How often the threads are listed even when their number has not changed.
	lookEvery = 5 * time.Second
)

// threadSet says how long the process's threads wait for a CPU, and how many are stuck in the kernel.
//
// /proc/PID/schedstat is the main thread alone, which in a service mostly sleeps; so every thread's file is kept open and the
// differences are added up. The scheduler books a wait when it ends, in lumps as long as a quota period, hence one pass a second.
// A thread counts from its second pass on: its first only says where its counters stand. Stuck is what it is at the moment of a pass.
type threadSet struct {
	path     string
	task     *os.File
	threads  []thread
	turn     int // the next turn begins at this thread
	links    uint64
	lookAt   time.Duration
	passedAt time.Duration
	passed   bool
	noStates bool // they are not looked at
	listed   int
	buffer   [128]byte // as much of stat as holds the state

	perSlice, delayShare, blocked Maybe
}

func newThreadSet(path string) *threadSet { return &threadSet{path: path} }

func (t *threadSet) fill(sample *Sample) {
	sample.RunDelayPerSlice, sample.RunDelayShare, sample.BlockedThreads = t.perSlice, t.delayShare, t.blocked
	sample.Threads = Maybe{float64(t.listed), t.listed > 0}
}

// pass reads the growth of all known threads and then looks for new ones; to be made once a second.
func (t *threadSet) pass(now time.Duration) {
	delay, slices, read := t.advance()
	blocked, lookedAt := 0, 0
	if !t.noStates {
		blocked, lookedAt = t.states()
	}
	if t.look(now) != nil {
		t.listed = 0
	}
	t.blocked = Maybe{}
	if lookedAt > 0 {
		t.blocked = known(math.Round(float64(blocked) * float64(max(t.listed, lookedAt)) / float64(lookedAt)))
	}
	span := now - t.passedAt
	usable := t.passed && span > 0 && read > 0
	t.passedAt, t.passed = now, true
	t.perSlice, t.delayShare = Maybe{}, Maybe{}
	if !usable {
		return
	}
	scale := 1.0
	if t.listed > mostThreads {
		scale = float64(t.listed) / float64(read)
	}
	if slices > 0 {
		t.perSlice = known(delay.Seconds() / float64(slices))
	}
	t.delayShare = known(scale * delay.Seconds() / span.Seconds())
}

// advance reads every watched thread and forgets those that have ended.
func (t *threadSet) advance() (delay time.Duration, slices uint64, read int) {
	kept := t.threads[:0]
	for _, it := range t.threads {
		stat, err := t.read(it.once)
		if err != nil {
			it.close()
			continue
		}
		if stat.delay >= it.last.delay && stat.slices >= it.last.slices {
			delay += stat.delay - it.last.delay
			slices += stat.slices - it.last.slices
			read++
		}
		it.last = stat
		kept = append(kept, it)
	}
	t.threads = kept
	return delay, slices, read
}

func (t *threadSet) read(file *once) (schedStat, error) {
	length, err := file.into(t.buffer[:])
	if err != nil {
		return schedStat{}, err
	}
	return parseSchedStat(t.buffer[:length])
}

// look lists the threads when it is time or their number has changed, and opens those that are new.
func (t *threadSet) look(now time.Duration) error {
	links, err := t.linkCount()
	if err != nil {
		return err
	}
	onTime := now >= t.lookAt
	if !onTime && links == t.links {
		return nil
	}
	ids, err := t.list()
	if err != nil {
		return err
	}
	t.links, t.listed = links, len(ids)
	if onTime {
		t.lookAt = now + lookEvery
	}
	t.watch(ids, onTime)
	return nil
}

// linkCount of the task directory grows and shrinks with the number of threads.
func (t *threadSet) linkCount() (uint64, error) {
	if t.task == nil {
		task, err := os.Open(t.path)
		if err != nil {
			return 0, err
		}
		t.task = task
	}
	info, err := t.task.Stat()
	if err != nil {
		return 0, err
	}
	return linksOf(info), nil
}

func (t *threadSet) list() ([]int, error) {
	entries, err := os.ReadDir(t.path)
	if err != nil {
		return nil, err
	}
	ids := make([]int, 0, len(entries))
	for _, entry := range entries {
		if id, err := strconv.Atoi(entry.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// watch opens what is not open yet; with more threads than places it drops all at each turn and takes the next ones in order.
func (t *threadSet) watch(ids []int, turn bool) {
	begin := 0
	if len(ids) > mostThreads {
		begin, _ = slices.BinarySearch(ids, t.turn)
		if turn {
			t.close()
			t.turn = ids[(begin+mostThreads)%len(ids)]
		}
	}
	open, states := make(map[int]bool, len(t.threads)), 0
	for _, it := range t.threads {
		open[it.id] = true
		if it.state != nil {
			states++
		}
	}
	for i := range ids {
		id := ids[(begin+i)%len(ids)]
		if len(t.threads) == mostThreads {
			return
		}
		if open[id] {
			continue
		}
		it, err := t.first(id)
		if err != nil {
			continue // it has ended
		}
		if states < mostStates && it.watchState(t.path) {
			states++
		}
		t.threads = append(t.threads, it)
	}
}

// first reading of a thread.
func (t *threadSet) first(id int) (thread, error) {
	file, once, err := openOnce(filepath.Join(t.path, strconv.Itoa(id), "schedstat"))
	if err != nil {
		return thread{}, err
	}
	stat, err := t.read(once)
	if err != nil {
		file.Close()
	}
	return thread{id: id, file: file, once: once, last: stat}, err
}

func (t *threadSet) close() {
	for i := range t.threads {
		t.threads[i].close()
	}
	t.threads = t.threads[:0]
	if t.task != nil {
		t.task.Close()
		t.task = nil
	}
}
