package actuator

import (
	"sort"
	"sync"
)

// MaxKnobs is the most knobs of one process. A name for each user or key is a mistake that must not cost memory without end.
const MaxKnobs = 1024

// Registry is everything registered in this process.
type Registry struct {
	mu       sync.Mutex
	entries  map[string]Actuator
	disabled bool
	changed  chan struct{}
}

// NewRegistry is empty.
func NewRegistry() *Registry {
	return &Registry{entries: make(map[string]Actuator), changed: make(chan struct{}, 1)}
}

// Register returns what is registered under a name, made and registered first if there is nothing. False when the list is full.
func (r *Registry) Register(name string, create func() Actuator) (Actuator, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if entry, ok := r.entries[name]; ok {
		return entry, true
	}
	if len(r.entries) >= MaxKnobs {
		return nil, false
	}
	entry := create()
	if r.disabled {
		entry.Enforce(false)
	}
	r.entries[name] = entry
	r.signal()
	return entry, true
}

func (r *Registry) signal() {
	select {
	case r.changed <- struct{}{}:
	default: // told already
	}
}

// Changed wakes when something came or went.
func (r *Registry) Changed() <-chan struct{} { return r.changed }

// Actuators are all of them, by name.
func (r *Registry) Actuators() []Actuator {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Actuator, 0, len(r.entries))
	for _, entry := range r.entries {
		all = append(all, entry)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Knob().Name < all[j].Knob().Name })
	return all
}

// Disabled says whether the kill switch is on.
func (r *Registry) Disabled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.disabled
}

// SetDisabled turns the kill switch. Whether that changed anything.
func (r *Registry) SetDisabled(disabled bool) bool {
	r.mu.Lock()
	changed := r.disabled != disabled
	r.disabled = disabled
	r.mu.Unlock()
	if changed {
		// Outside of the lock: a knob's callback may register another knob.
		for _, entry := range r.Actuators() {
			entry.Enforce(!disabled)
		}
	}
	return changed
}
