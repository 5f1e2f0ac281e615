package host

import (
	"sync/atomic"
	"time"
)

// watchSlot is where the goroutine that runs a component's guest says which.
type watchSlot struct {
	component atomic.Pointer[component]
	_         [56]byte // a cache line each: neighbours are set by other cores
}

func (s *watchSlot) set(c *component) { s.component.Store(c) }

// reserved fills a slot that is taken while it names no component.
var reserved component

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
			if c := block.slots[i].component.Load(); c != nil && c != &reserved {
				busy = c.watch(now) || busy
			}
		}
	}
	return busy
}

// watch looks at c's call in progress, and reports whether there is one.
func (c *component) watch(now time.Duration) bool {
	c.mu.Lock()
	if !c.calling {
		c.mu.Unlock()
		return false
	}
	took := now - c.started
	if took > c.limits.HandlerTime && !c.overdue {
		c.overdue = true
		c.instance.Interrupt()
	}
	var held *worker
	if took > heldUpAfter {
		held = c.worker
	}
	c.mu.Unlock()
	if held != nil {
		c.host.workers.heldUp(held)
	}
	return true
}
