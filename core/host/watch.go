package host

import (
	"math"
	"sync/atomic"
	"time"
)

// watchSlot says which component's guest a goroutine runs. A worker's slot is also
// its run-next slot: while it holds the entry of a component that runs next, the
// worker runs that component's previous one. One pointer holds both, because each
// message stores to it, and an atomic store is dear.
type watchSlot struct {
	_     [64]byte // cache lines of its own, apart from words that other cores read or write
	entry atomic.Pointer[runEntry]
	chain atomic.Pointer[chain] // of the worker whose slot it is, or nil
	_     [112]byte
}

// set makes the slot name a component that runs.
func (s *watchSlot) set(c *component) { s.entry.Store(&c.entries.running) }

// reserved is in a slot that is taken and names no component.
var reserved runEntry

// rest makes the slot name no component, and stay taken.
func (s *watchSlot) rest() { s.entry.Store(&reserved) }

func (s *watchSlot) release() {
	s.chain.Store(nil)
	s.entry.Store(nil)
}

// next returns the entry of the run-next slot, or nil.
func (s *watchSlot) next() *runEntry {
	if e := s.entry.Load(); e.next {
		return e
	}
	return nil
}

// running returns the component that the slot stands for, or nil.
func (s *watchSlot) running() *component {
	e := s.entry.Load()
	if e == nil || e == &reserved {
		return nil
	}
	if !e.next {
		return e.component
	}
	e.component.mu.Lock()
	defer e.component.mu.Unlock()
	return e.component.sched.previous
}

// watchdog looks, at each tick of the host's clock, at every call in progress. No
// call starts a timer or a goroutine of its own.
type watchdog struct {
	first    watchBlock
	ownSlots atomic.Int32
	direct   int // how many slots there are for calls on the goroutines of Go programs, and for workers

	checked time.Duration // time of the last check; the clock's goroutine's
	lost    atomic.Int64  // by how much checks were late, all in all, in ns; that goroutine writes it
}

// lateAfter is the time between two checks from which the machine, and not a guest, is to
// blame for a call that took too long.
const lateAfter = 20 * time.Millisecond

// maxOwnSlots is how many slots components keep for themselves. The watchdog looks at
// each in every tick.
const maxOwnSlots = 32

// keep reports whether a component may keep the slot that it has acquired until it is
// removed, instead of releasing it after its call.
func (d *watchdog) keep() bool {
	if d.ownSlots.Add(1) <= maxOwnSlots {
		return true
	}
	d.ownSlots.Add(-1)
	return false
}

// giveUp releases a slot that was kept.
func (d *watchdog) giveUp(s *watchSlot) {
	s.release()
	d.ownSlots.Add(-1)
}

type watchBlock struct {
	slots [64]watchSlot
	more  atomic.Pointer[watchBlock]
}

// reserve returns a slot for a worker, to be released when the worker ends.
func (d *watchdog) reserve() *watchSlot { return d.take(&reserved, 0, math.MaxInt) }

// acquire takes a free slot for c, to be released after its call.
func (d *watchdog) acquire(c *component) *watchSlot {
	return d.take(&c.entries.running, c.slotHint, math.MaxInt)
}

// tryAcquire is acquire for a call that can also be made by a worker: it returns nil
// if the slots for such calls are taken.
func (d *watchdog) tryAcquire(c *component) *watchSlot {
	return d.take(&c.entries.running, c.slotHint, d.direct)
}

// take takes a free one of the first n slots for e, or returns nil. In each block the
// search begins at slot number first.
func (d *watchdog) take(e *runEntry, first uint32, n int) *watchSlot {
	for block := &d.first; n > 0; block = block.next() {
		here := uint32(min(n, len(block.slots)))
		for i := range here {
			slot := &block.slots[(first+i)%here]
			if slot.entry.Load() == nil && slot.entry.CompareAndSwap(nil, e) {
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

// check interrupts calls that have taken too long, and reports whether any call is in
// progress.
func (d *watchdog) check(now time.Duration) (busy bool) {
	if gap := now - d.checked; gap > lateAfter {
		d.lost.Add(int64(gap))
	}
	d.checked = now
	for block := &d.first; block != nil; block = block.more.Load() {
		for i := range block.slots {
			slot := &block.slots[i]
			if x := slot.chain.Load(); x != nil && x.watch(slot, now) {
				busy = true
				continue
			}
			if c := slot.running(); c != nil {
				busy = c.watch(slot, now) || busy
			}
		}
	}
	return busy
}

// watch looks at c's call in progress, if it is the one that slot stands for, and
// reports whether there is one. A worker's slot may still name the component that the
// worker has run before; and a component in a run-next slot has begun its call, but
// its worker has yet to come to it.
//
// A call's time is counted from the moment in which the watchdog first saw it. By the
// clock's reading at its beginning it could seem older than it is, by as much as the
// machine was too busy to tick. Engines that count the time that a guest runs end its
// calls themselves.
func (c *component) watch(slot *watchSlot, now time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.call.inProgress || c.sched.worker != nil && c.sched.worker.slot != slot {
		return false
	}
	callee, call := c, c.call.begun
	if x := c.exchanging.Load(); x != nil {
		progress := x.ledger.Progress.Load()
		callee, call = x.sides[progress&1], call+uint64(progress>>1)
	}
	if c.call.seen.Load() != call {
		c.call.seen.Store(call)
		c.call.since = c.host.clock.Exact() // after seen: see answerMany
		c.call.lost, c.call.away = c.host.watch.lost.Load(), 0
	}
	took, allowed := now-c.call.since, callee.call.allowed
	if c.call.function || c.call.away > 0 {
		allowed = c.call.withFunctions(now, took, allowed, c.wallTimeLocked())
	}
	if took <= min(blockedAfter, allowed) {
		return true
	}
	if callee != c {
		callee.mu.lockPartner() // while c.mu is held, the exchange does not release it
		defer callee.mu.Unlock()
	}
	if took > allowed {
		callee.call.late = c.host.watch.lost.Load() > c.call.lost
		callee.interruptLocked()
	}
	if took > blockedAfter {
		callee.call.fast = false
		if c.sched.worker != nil {
			c.host.workers.replaceLocked(c)
		}
	}
	return true
}

// withFunctions returns how long a call may take that has called functions: their time is not
// the guest's, and only the wall time bounds it.
func (w *watchedCall) withFunctions(now, took, allowed, wall time.Duration) time.Duration {
	away := w.away
	if w.function {
		away += max(0, now-max(w.entered, w.since))
	}
	if took-away > allowed {
		return allowed
	}
	return max(allowed, wall)
}

// interruptLocked stops the call in progress, if the engine can.
func (c *component) interruptLocked() {
	if !c.call.interrupted {
		c.call.interrupted = true
		c.life.instance.Interrupt()
		if x := c.call.functionContext; x != nil {
			x.cancel()
		}
	}
}
