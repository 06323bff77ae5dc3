package rig

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Answers that take longer are worth nothing.
	inTime = time.Second
	// No request is waited for longer.
	patience = 5 * time.Second
	// So many are waiting at most; further ones count as not answered.
	mostInFlight = 3000
)

// Load are the answers to requests that were due within what is measured.
type Load struct {
	Offered, Answered, InTime, Refused, Failed int
	// Latencies of those answered, from when they were due, in no order.
	Latencies []time.Duration
}

// generator is an open loop: requests are sent when they are due, whatever became of those before, and latency is counted from then.
type generator struct {
	url      string
	client   *http.Client
	inFlight atomic.Int64
	sent     sync.WaitGroup
	mu       sync.Mutex
	load     Load
}

// run sends so many requests a second as there are to be then, from now to so long after the beginning, and waits for the last answers.
func (g *generator) run(ctx context.Context, perSecond func(time.Duration) float64, lasts time.Duration, began time.Time, seed uint64) Load {
	dice := rand.New(rand.NewPCG(seed, 1))
	at := time.Until(began) * -1
	for at < lasts && ctx.Err() == nil {
		rate := perSecond(at)
		at += time.Duration(dice.ExpFloat64() / rate * float64(time.Second))
		time.Sleep(time.Until(began.Add(at)))
		g.send(ctx, began.Add(at), at >= 0 && at < lasts)
	}
	g.sent.Wait()
	g.client.CloseIdleConnections()
	return g.load
}

func (g *generator) send(ctx context.Context, due time.Time, counts bool) {
	if g.inFlight.Load() >= mostInFlight {
		g.note(counts, func(l *Load) { l.Failed++ })
		return
	}
	g.inFlight.Add(1)
	g.sent.Add(1)
	go func() {
		defer g.sent.Done()
		defer g.inFlight.Add(-1)
		status := g.call(ctx, due)
		took := time.Since(due)
		g.note(counts, func(l *Load) { l.add(status, took) })
	}()
}

func (g *generator) call(ctx context.Context, due time.Time) int {
	ctx, cancel := context.WithDeadline(ctx, due.Add(patience))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url, nil)
	if err != nil {
		return 0
	}
	response, err := g.client.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close() // it is empty
	return response.StatusCode
}

func (g *generator) note(counts bool, edit func(*Load)) {
	if !counts {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.load.Offered++
	edit(&g.load)
}

// join the answers of another process.
func (l *Load) join(other Load) {
	l.Offered += other.Offered
	l.Answered += other.Answered
	l.InTime += other.InTime
	l.Refused += other.Refused
	l.Failed += other.Failed
	l.Latencies = append(l.Latencies, other.Latencies...)
}

func (l *Load) add(status int, took time.Duration) {
	switch status {
	case http.StatusOK:
		l.Answered++
		l.Latencies = append(l.Latencies, took)
		if took <= inTime {
			l.InTime++
		}
	case http.StatusServiceUnavailable:
		l.Refused++
	default:
		l.Failed++
	}
}
