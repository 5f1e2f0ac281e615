package host

import (
	"math"
	"sync/atomic"
	"time"
)

// watchSlot is where the goroutine that runs a component's guest says which. A
// worker's is also the head of its queue: while it holds the turn of a component
// with a message in hand, the worker runs the one that gave it the message, and
// that turn is next. Both are in one word, since writing to it is dear.
type watchSlot struct {
	_    [64]byte // cache lines of its own: beside it lies what other cores read or write
	turn atomic.Pointer[turn]
	_    [120]byte
}

// set has the slot name a component that runs.
func (s *watchSlot) set(c *component) { s.turn.Store(&c.running) }

// reserved fills a slot that is taken while it names no component.
var reserved turn

// rest has the slot name no component, and stay taken.
func (s *watchSlot) rest() { s.turn.Store(&reserved) }

func (s *watchSlot) release() { s.turn.Store(nil) }

// next returns the turn that is next, or nil.
func (s *watchSlot) next() *turn {
	if t := s.turn.Load(); t.inHand {
		return t
	}
	return nil
}

// running returns the component that the slot stands for, or nil.
func (s *watchSlot) running() *component {
	t := s.turn.Load()
	if t == nil || t == &reserved {
		return nil
	}
	if !t.inHand {
		return t.component
	}
	t.component.mu.Lock()
	defer t.component.mu.Unlock()
	return t.component.giver
}

// watchdog looks, at each tick of the host's clock, at every call in progress.
// No call starts a timer or a goroutine of its own.
type watchdog struct {
	first  watchBlock
	kept   atomic.Int32
	direct int // how many slots are for calls on their callers' goroutines, and for workers
}

// maxKept is how many slots components keep for themselves. Each is looked at in
// every tick.
const maxKept = 32

// keep reports whether a component may keep the slot that it has acquired, until
// it is removed, instead of releasing it after its call.
func (d *watchdog) keep() bool {
	if d.kept.Add(1) <= maxKept {
		return true
	}
	d.kept.Add(-1)
	return false
}

// giveUp releases a slot that was kept.
func (d *watchdog) giveUp(s *watchSlot) {
	s.release()
	d.kept.Add(-1)
}

type watchBlock struct {
	slots [64]watchSlot
	more  atomic.Pointer[watchBlock]
}

// reserve returns a slot for a worker, to keep until it is released.
func (d *watchdog) reserve() *watchSlot { return d.take(&reserved, 0, math.MaxInt) }

// acquire takes a free slot for c, to be released after its call.
func (d *watchdog) acquire(c *component) *watchSlot { return d.take(&c.running, c.serial, math.MaxInt) }

// tryAcquire is acquire for a call that can be made in another way: it returns nil
// where the slots for such calls are taken.
func (d *watchdog) tryAcquire(c *component) *watchSlot {
	return d.take(&c.running, c.serial, d.direct)
}

// take takes a free one of the first n slots for t, in each block from the one on
// that first says, or returns nil.
func (d *watchdog) take(t *turn, first uint32, n int) *watchSlot {
	for block := &d.first; n > 0; block = block.next() {
		here := uint32(min(n, len(block.slots)))
		for i := range here {
			slot := &block.slots[(first+i)%here]
			if slot.turn.Load() == nil && slot.turn.CompareAndSwap(nil, t) {
				return slot
			}
		}
		n -= int(here)
	}
	return nil
}

func (b *watchBlock) next() *watchBlock {
	if b.more.Load() == nil {
		b.more.CompareAndSwap(nil, new(watchBlock))
	}
	return b.more.Load()
}

// check interrupts what is overdue, and reports whether any call is in progress.
func (d *watchdog) check(now time.Duration) (busy bool) {
	for block := &d.first; block != nil; block = block.more.Load() {
		for i := range block.slots {
			slot := &block.slots[i]
			if c := slot.running(); c != nil {
				busy = c.watch(slot, now) || busy
			}
		}
	}
	return busy
}

// watch looks at c's call in progress, if it is the one that slot stands for, and
// reports whether there is one. A worker's slot may name what the worker has run
// before; and a component with a message in hand has a worker that has yet to
// come to it.
//
// A call's time is counted from when the watchdog first saw it. By what the clock
// showed at its beginning it could be taken for older than it is, by as much as
// the machine was too busy to tick. Engines that count what a guest runs end its
// calls themselves.
func (c *component) watch(slot *watchSlot, now time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.calling || c.worker != nil && c.worker.slot != slot {
		return false
	}
	who, call := c, c.calls
	if r := c.relaying.Load(); r != nil {
		progress := r.Progress.Load()
		who, call = r.sides[progress&1], call+uint64(progress>>1)
	}
	if c.seen != call {
		c.seen, c.since = call, c.host.clock.Exact()
	}
	took, allowed := now-c.since, who.allowed
	if took <= min(heldUpAfter, allowed) {
		return true
	}
	if who != c {
		who.mu.Lock() // c is not given up meanwhile
		defer who.mu.Unlock()
	}
	if took > allowed {
		who.interrupt()
	}
	if took > heldUpAfter {
		who.prompt = false
		if c.worker != nil {
			c.host.workers.heldUp(c)
		}
	}
	return true
}

// interrupt stops the call in progress, if the engine can, with c.mu held.
func (c *component) interrupt() {
	if !c.overdue {
		c.overdue = true
		c.instance.Interrupt()
	}
}
