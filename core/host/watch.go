package host

import (
	"sync/atomic"
	"time"
)

// watchSlot is where the goroutine that runs a component's guest says which.
type watchSlot struct {
	component atomic.Pointer[component]
	_         [120]byte // cache lines of its own: neighbours are set by other cores
}

func (s *watchSlot) set(c *component) { s.component.Store(c) }

// reserved fills a slot that is taken while it names no component.
var reserved component

// rest has the slot name no component, and stay taken.
func (s *watchSlot) rest() { s.set(&reserved) }

func (s *watchSlot) release() { s.component.Store(nil) }

// watchdog looks, at each tick of the host's clock, at every call in progress.
// No call starts a timer or a goroutine of its own.
type watchdog struct {
	first watchBlock
}

type watchBlock struct {
	slots [64]watchSlot
	more  atomic.Pointer[watchBlock]
}

// reserve returns a slot for a worker, to keep until it is released.
func (d *watchdog) reserve() *watchSlot { return d.acquire(&reserved) }

// acquire takes a free slot for c, to be released after its call.
func (d *watchdog) acquire(c *component) *watchSlot {
	for block := &d.first; ; block = block.next() {
		for i := range uint32(len(block.slots)) {
			slot := &block.slots[(c.serial+i)%uint32(len(block.slots))]
			if slot.component.Load() == nil && slot.component.CompareAndSwap(nil, c) {
				return slot
			}
		}
	}
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
			if c := slot.component.Load(); c != nil && c != &reserved {
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
// the machine was too busy to tick.
func (c *component) watch(slot *watchSlot, now time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.calling || c.worker != nil && c.worker.slot != slot {
		return false
	}
	if c.seen != c.calls {
		c.seen, c.since = c.calls, c.host.clock.Exact()
	}
	took := now - c.since
	if took > c.limits.HandlerTime+c.startTime {
		c.interrupt()
	}
	if took > heldUpAfter {
		c.prompt = false
		if c.worker != nil {
			c.host.workers.heldUp(c.worker)
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
