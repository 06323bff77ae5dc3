package setpoint

import (
	"errors"
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/bucket"
)

// KeyedRate is a rate limit for each key (a client, a client and a route), knob rate.NAME. Make one with Setpoint.KeyedRate.
//
// All keys share a rate and a burst, and so a knob: keys that deserve other ones are of another class, with a KeyedRate of its own, or
// have a Rate of their own (SetOverride), which is a knob as well. Keys are hashed and never kept: no list of them can be had, and none
// shows in a metric.
//
// A key that was not seen before has a full bucket. Memory is fixed when it is registered; made-up keys neither grow it, nor get a key
// rejected that has tokens, nor make it forget cheaply that a key has spent its own. They do get a burst each: where anybody can make up
// keys, bound all of them together with a Rate as well.
type KeyedRate struct {
	meter
	table *bucket.Table
	// Made anew in each process: nobody outside knows which keys share a set.
	seed maphash.Seed

	mu        sync.Mutex
	overrides atomic.Pointer[map[uint64]*Rate]
}

// MostOverrides is how many keys of a KeyedRate may have a rate of their own.
const MostOverrides = 256

// ErrTooManyOverrides says that as many keys as may have a rate of their own already do.
var ErrTooManyOverrides = errors.New("256 keys have a rate of their own already")

func newKeyedRate(sdk *Setpoint, spec *rateSpec, keys int) *KeyedRate {
	k := &KeyedRate{table: bucket.NewTable(keys), seed: maphash.MakeSeed()}
	k.meter.start(sdk, spec)
	return k
}

// TryAcquire takes a token of this key for one call; the error is a *Rejected: its bucket is empty. It never waits or locks.
func (k *KeyedRate) TryAcquire(key string) error { return k.TryAcquireMany(key, 1) }

// TryAcquireMany takes so many tokens of this key, as Rate.TryAcquireMany does.
func (k *KeyedRate) TryAcquireMany(key string, tokens uint32) error {
	if k.unlimited.Load() {
		return nil
	}
	hash := maphash.String(k.seed, key)
	if overrides := k.overrides.Load(); overrides != nil {
		if rate := (*overrides)[hash]; rate != nil {
			return rate.TryAcquireMany(tokens)
		}
	}
	if wait, ok := k.terms.Load().TakeKey(k.table, hash, tokens); !ok {
		return k.reject(wait)
	}
	return nil
}

// SetOverride gives a key a rate of its own, which is a knob of its own. The error is ErrTooManyOverrides.
func (k *KeyedRate) SetOverride(key string, rate *Rate) error {
	return k.override(func(overrides map[uint64]*Rate) error {
		hash := maphash.String(k.seed, key)
		if len(overrides) >= MostOverrides && overrides[hash] == nil {
			return ErrTooManyOverrides
		}
		overrides[hash] = rate
		return nil
	})
}

// ClearOverride gives a key back to the rate of all.
func (k *KeyedRate) ClearOverride(key string) {
	_ = k.override(func(overrides map[uint64]*Rate) error { // never refused
		delete(overrides, maphash.String(k.seed, key))
		return nil
	})
}

func (k *KeyedRate) override(edit func(map[uint64]*Rate) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := make(map[uint64]*Rate)
	if overrides := k.overrides.Load(); overrides != nil {
		maps.Copy(next, *overrides)
	}
	if err := edit(next); err != nil {
		return err
	}
	k.overrides.Store(&next)
	return nil
}

// Forgotten is how often a key was forgotten that had not got back all that it had spent, because its set was full of keys that had
// spent more. If this grows fast, there are more keys than it was made for.
func (k *KeyedRate) Forgotten() uint64 { return k.table.Forgotten() }

// keyedTuning is the session's side.
type keyedTuning struct {
	meterTuning
	it *KeyedRate
}

func (k *KeyedRate) tuning() *keyedTuning { return &keyedTuning{meterTuning{meter: &k.meter}, k} }
