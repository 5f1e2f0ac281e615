package host

import (
	"maps"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// directory finds the components that can be called directly, without a lock:
// finding costs a load and a comparison, or a map access besides. Components that
// were removed may still be found; they refuse by themselves.
type directory struct {
	near [16]atomic.Pointer[component] // each for the first of its ids that was found
	seen atomic.Pointer[map[core.ComponentID]*component]

	mu  mutex[ofLeaf] // guards all
	all map[core.ComponentID]*component
}

func (d *directory) add(c *component) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = make(map[core.ComponentID]*component)
	}
	d.all[c.id] = c
	d.forgetSeen(c.id)
}

func (d *directory) remove(c *component) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all[c.id] == c {
		delete(d.all, c.id)
	}
	d.forgetSeen(c.id)
}

// place is where a component that was found is near.
func (d *directory) place(id core.ComponentID) *atomic.Pointer[component] {
	text := id.String()
	if text == "" {
		return &d.near[0]
	}
	return &d.near[(len(text)+int(text[len(text)-1]))%len(d.near)]
}

// forgetSeen has an id looked up anew that finders may have seen.
func (d *directory) forgetSeen(id core.ComponentID) {
	d.place(id).Store(nil)
	if seen := d.seen.Load(); seen != nil && (*seen)[id] != nil {
		d.seen.Store(nil)
	}
}

func (d *directory) find(id core.ComponentID) *component {
	near := d.place(id)
	if c := near.Load(); c != nil && c.id == id {
		return c
	}
	return d.findFar(near, id)
}

// findFar finds a component that is not near, and makes it near if its place is free.
func (d *directory) findFar(near *atomic.Pointer[component], id core.ComponentID) *component {
	if seen := d.seen.Load(); seen != nil {
		if c := (*seen)[id]; c != nil {
			near.CompareAndSwap(nil, c)
			return c
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.all[id]
	if c != nil {
		seen := maps.Clone(d.all)
		d.seen.Store(&seen)
	}
	return c
}
