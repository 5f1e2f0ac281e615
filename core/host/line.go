package host

import (
	"slices"
	"sync/atomic"
)

// wish says that others wait for a component that has an owner: a goroutine that changes it,
// which comes first, and calls of functions that it provides.
type wish struct {
	claim  chan struct{} // closed when the goroutine that claims the component owns it, or nil
	calls  []*ticket     // the first one is next
	picked *ticket       // of calls, the one that gets the component now, or nil
}

// claimed reports whether a goroutine claims the component.
func (w *wish) claimed() bool { return w != nil && w.claim != nil }

// ticket is a call that stands in the lines of all instances of its provider.
type ticket struct {
	taken   atomic.Bool
	granted chan *component // gets the instance that the caller owns from then on
	lines   []*component    // the caller's
}

func newTicket() *ticket { return &ticket{granted: make(chan *component, 1)} }

// wishLocked returns c's wish, which is not nil.
func (c *component) wishLocked() *wish {
	if c.sched.wish == nil {
		c.sched.wish = new(wish)
	}
	return c.sched.wish
}

// dropWishLocked drops c's wish if nobody waits any more.
func (c *component) dropWishLocked() {
	if w := c.sched.wish; w != nil && w.claim == nil && len(w.calls) == 0 {
		c.sched.wish = nil
	}
}

// stopsLocked reports whether c's worker, which has handled n messages, makes way for others. A
// call gets its turn after one message.
func (c *component) stopsLocked(n int) bool {
	if c.sched.wish.claimed() {
		return true
	}
	if n > 0 {
		c.sched.mailTurn = false
	}
	return n > 0
}

// picksLocked chooses the first that waits, and reports whether there is one.
func (c *component) picksLocked() bool {
	w := c.sched.wish
	if w.claim != nil {
		return true
	}
	if c.life.instance == nil || c.life.leftBehind || c.sched.closed != nil || c.pauses() || c.sched.mailTurn && c.hasMailLocked() {
		return false
	}
	for len(w.calls) > 0 {
		t := w.calls[0]
		w.calls = slices.Delete(w.calls, 0, 1)
		if !t.taken.Swap(true) { // otherwise another instance has it, or its caller has left
			w.picked = t
			return true
		}
	}
	c.sched.wish = nil
	return false
}

// grantAndUnlock gives c to the one that picksLocked has chosen.
func (c *component) grantAndUnlock() {
	w := c.sched.wish
	if claim := w.claim; claim != nil {
		w.claim = nil
		c.dropWishLocked()
		c.sched.become(claimed)
		c.pauseAndUnlock()
		close(claim)
		return
	}
	t := w.picked
	w.picked = nil
	c.dropWishLocked()
	c.sched.become(idle)
	c.beginServingAndUnlock()
	t.granted <- c
}

// hasMailLocked reports whether a message waits for c, or another duty of its worker.
func (c *component) hasMailLocked() bool {
	if c.sched.mailbox.length > 0 || c.life.due != 0 || c.post == nil {
		return c.sched.mailbox.length > 0 || c.life.due != 0
	}
	f := c.post.front
	f.mu.lockPartner()
	defer f.mu.Unlock()
	return f.crew != nil && f.crew.next(c) != nil
}

// beginServingAndUnlock makes the caller own c, which is idle or queued, and begins the call of a
// function.
func (c *component) beginServingAndUnlock() {
	c.sched.become(running)
	c.serving.fast = c.call.fast
	if c.call.ownSlot == nil {
		c.keepSlotLocked(c.host.watch.acquire(c))
	}
	c.beginCallAndUnlock()
}

// endServing ends a call begun by beginServingAndUnlock, and gives up c. trap is the error that
// ended the instance, or nil. Messages in the mailbox have their turn before the next call.
func (c *component) endServing(trap error) {
	c.serving = serving{}
	c.lockAndEndCall(trap)
	c.returnSlotLocked()
	c.sched.mailTurn = c.hasMailLocked()
	c.yieldAndUnlock(nil)
}

// freeLocked reports whether a call may take c at once.
func (c *component) freeLocked() bool {
	switch {
	case c.sched.closed != nil || c.life.leftBehind || c.life.instance == nil || c.pauses():
		return false
	case c.sched.status == idle:
		return true
	}
	return c.sched.status == queued && c.sched.wish == nil && !c.sched.mailTurn
}

// lineUp makes the caller the owner of the first instance that is free, and begins a call.
// If none is, t stands in all lines from then on. t may be nil. away says that all instances
// belong to goroutines that change them.
func lineUp(instances []*component, t *ticket) (free *component, away bool) {
	away = true
	for _, c := range instances {
		c.mu.Lock()
		if c.freeLocked() && (t == nil || !t.taken.Swap(true)) {
			c.beginServingAndUnlock()
			return c, false
		}
		away = away && c.sched.status == claimed
		if t == nil || slices.Contains(t.lines, c) || c.sched.status == removed {
			c.mu.Unlock()
			continue
		}
		w := c.wishLocked()
		w.calls = append(w.calls, t)
		t.lines = append(t.lines, c)
		runner := c.sched.worker
		c.mu.Unlock()
		if runner != nil {
			runner.chain.breakUp() // it may hold c for other components
		}
	}
	return nil, away
}

// leaveLines takes t out of all lines, after its caller has got by. If by is nil, an instance may
// come in the same moment: then it is the caller's, and returned.
func (t *ticket) leaveLines(by *component) (late *component) {
	if by == nil && t.taken.Swap(true) {
		late = <-t.granted
	}
	for _, c := range t.lines {
		c.mu.Lock()
		if w := c.sched.wish; w != nil {
			w.calls = slices.DeleteFunc(w.calls, func(other *ticket) bool { return other == t })
			c.dropWishLocked()
		}
		c.mu.Unlock()
	}
	t.lines = nil
	return late
}
