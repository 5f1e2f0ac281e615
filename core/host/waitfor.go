package host

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// waits is the graph of instances that wait for others, in a call of a function that a component
// provides. Such an instance waits for an instance that handles the call, or for any of the
// provider's. It can be answered if from it an instance can be reached that does not wait. A
// call after which that is not so would close a ring, and is refused.
type waits struct {
	host   *Host
	inLine atomic.Int64 // calls that wait for an instance

	mu     mutex[ofWaits] // guards the following
	of     map[*component]waiting
	change chan struct{} // closed when those that wait look again, or nil
}

// waiting is the reason why an instance waits.
type waiting struct {
	function *function        // that it has called, or nil: a goroutine that changes it waits
	provider core.ComponentID // of the function
	by       *component       // the instance that handles the call, or nil while there is none
}

// Wait is a call of a function that a component provides, at one moment.
type Wait struct {
	Caller   core.ComponentID
	Function string
	Provider core.ComponentID
	Served   bool // an instance handles the call; otherwise it waits for one
}

// list returns the calls in progress, sorted.
func (w *waits) list() (all []Wait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c, x := range w.of {
		if x.function != nil {
			all = append(all, Wait{c.id, x.function.name, x.provider, x.by != nil})
		}
	}
	slices.SortFunc(all, func(a, b Wait) int {
		return cmp.Or(cmp.Compare(a.Caller.String(), b.Caller.String()), cmp.Compare(a.Function, b.Function))
	})
	return all
}

// wait notes that c waits for an instance of f's provider. If nothing could answer it, it
// does not wait, and wait returns the ring.
func (w *waits) wait(c *component, f *function) (ring string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setLocked(c, waiting{f, f.provider, nil})
	if w.liveLocked(c, make(map[*component]bool)) {
		return ""
	}
	ring = w.ringLocked(c)
	delete(w.of, c)
	return ring
}

// serve notes that an instance handles c's call.
func (w *waits) serve(c *component, f *function, by *component) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setLocked(c, waiting{f, f.provider, by})
}

// hold notes that the goroutine that changes some components waits for another one.
func (w *waits) hold(all []*component, until *component) {
	w.mu.Lock()
	for _, c := range all {
		w.setLocked(c, waiting{by: until})
	}
	w.mu.Unlock()
	w.changed()
}

func (w *waits) setLocked(c *component, x waiting) {
	if w.of == nil {
		w.of = make(map[*component]waiting)
	}
	w.of[c] = x
}

// served notes that c does not wait any more for an instance to handle its call.
func (w *waits) served(c, by *component) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[c].by == by { // otherwise c has left, and may be in another call
		delete(w.of, c)
	}
}

// end notes that c waits no longer.
func (w *waits) end(c *component) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.of, c)
}

// release undoes hold.
func (w *waits) release(all []*component) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range all {
		if w.of[c].function == nil { // otherwise it is in a call, and was not held
			delete(w.of, c)
		}
	}
}

// liveLocked reports whether an instance that does not wait can be reached from c, by
// instances that have not been seen.
func (w *waits) liveLocked(c *component, seen map[*component]bool) bool {
	x, waits := w.of[c]
	if !waits || seen[c] {
		return !waits
	}
	seen[c] = true
	if x.by != nil {
		return w.liveLocked(x.by, seen)
	}
	instances := w.host.instancesOf(x.provider)
	live := func(c *component) bool { return w.liveLocked(c, seen) }
	return len(instances) == 0 || slices.ContainsFunc(instances, live) // none: c finds that out itself
}

// ringLocked returns the way from c to a component on the way, in words.
func (w *waits) ringLocked(c *component) string {
	var text strings.Builder
	text.WriteString(c.id.String())
	way := []core.ComponentID{c.id}
	for link := " waits for "; ; link = ", which waits for " {
		x := w.of[c]
		next := x.provider
		if x.function == nil {
			next = x.by.id
		}
		text.WriteString(link + next.String())
		if slices.Contains(way, next) {
			return text.String()
		}
		way = append(way, next)
		if c = x.by; c == nil {
			instances := w.host.instancesOf(next)
			if len(instances) == 0 {
				return text.String()
			}
			c = instances[0]
		}
	}
}

// next returns a channel that is closed when those that wait look again.
func (w *waits) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.change == nil {
		w.change = make(chan struct{})
	}
	return w.change
}

// changed makes all calls that wait for an instance look again, because instances have come,
// ended or gone. The caller holds no locks.
func (w *waits) changed() {
	if w.inLine.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.change != nil {
		close(w.change)
		w.change = nil
	}
}

// instancesOf returns the components that run a component's instances and have not failed.
func (h *Host) instancesOf(id core.ComponentID) []*component {
	if c := h.local.find(id); c != nil {
		all, _ := c.instances()
		return all
	}
	return nil
}

// instances returns the components that run c's instances and have not failed. If c takes no
// calls, it returns why.
func (c *component) instances() ([]*component, *core.MessagingError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.sched.closed != nil:
		return nil, c.sched.closed
	case c.crew != nil:
		return c.heirsLocked(nil), nil
	}
	return []*component{c}, nil
}
