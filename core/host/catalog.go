package host

import (
	"context"
	"crypto/sha256"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// catalog keeps compiled components, so that what is deployed many times is
// compiled once.
type catalog struct {
	mu      sync.Mutex // guards entries and their uses
	entries map[compiledKey]*compiled
}

// compiledKey is what two deployments must share to share code.
type compiledKey struct {
	engine string
	path   string // where the code is not at hand: never shared with code
	code   [sha256.Size]byte
	limits core.Limits
}

// compiled is a component with the number of deployments that use it.
type compiled struct {
	core.Component
	key  compiledKey
	uses int
	turn chan struct{} // full while somebody compiles it
}

func newCompiled(key compiledKey) *compiled {
	return &compiled{key: key, turn: make(chan struct{}, 1)}
}

// compile returns the compiled source, from the catalog if it can. It must be
// given back with release.
func (l *catalog) compile(ctx context.Context, e core.Engine, src core.Source, limits core.Limits) (*compiled, error) {
	entry := l.entry(e, src, limits)
	if err := entry.compile(ctx, e, src, limits); err != nil {
		l.forget(entry)
		return nil, err
	}
	return entry, nil
}

// compile compiles the entry, unless somebody else has. That they failed, for
// their context has ended, is no reason not to try.
func (c *compiled) compile(ctx context.Context, e core.Engine, src core.Source, limits core.Limits) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.Component != nil {
		return nil
	}
	component, err := e.Compile(ctx, src, limits)
	if err == nil {
		c.Component = component
	}
	return err
}

func (l *catalog) entry(e core.Engine, src core.Source, limits core.Limits) *compiled {
	if src.Code == nil {
		entry := newCompiled(compiledKey{})
		entry.uses = 1
		return entry
	}
	// Only what changes the code, or has it refused, counts.
	limits = core.Limits{Memory: limits.Memory, TableElements: limits.TableElements, Nesting: limits.Nesting, Stack: limits.Stack, Fuel: min(limits.Fuel, 1)}
	key := compiledKey{e.Name(), src.Path, sha256.Sum256(src.Code), limits}
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := l.entries[key]
	if entry == nil {
		if l.entries == nil {
			l.entries = make(map[compiledKey]*compiled)
		}
		entry = newCompiled(key)
		l.entries[key] = entry
	}
	entry.uses++
	return entry
}

// forget gives entry back, and reports whether nobody uses it any more.
func (l *catalog) forget(entry *compiled) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry.uses--
	if entry.uses > 0 {
		return false
	}
	if l.entries[entry.key] == entry {
		delete(l.entries, entry.key)
	}
	return true
}

// release gives a compiled component back; the last to do so closes it.
func (l *catalog) release(ctx context.Context, entry *compiled) error {
	if !l.forget(entry) {
		return nil
	}
	return entry.Close(ctx)
}

// directory finds the components that can be called directly, without a lock:
// finding costs a load and a comparison, or a map access besides. Components that
// were removed may still be found; they refuse by themselves.
type directory struct {
	near [16]atomic.Pointer[component] // each for the first of its ids that was found
	seen atomic.Pointer[map[core.ComponentID]*component]

	mu  sync.Mutex // guards all
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
