package host

import (
	"time"

	"github.com/airhost/airhost/core"
)

// end ends the chain after the call now, which nothing follows at once. It reports
// whether the worker still owns the first component.
func (x *chain) end(now *link) (owned bool) {
	if x.own&1 == 0 { // it has not begun
		now.component.chain.Store(nil)
		x.forget(now.held)
		return true
	}
	if now.kind == core.TransferRequest {
		x.breakUp() // the response has the tracker's way
		return x.finish(now, nil)
	}
	if !x.turn.CompareAndSwap(x.own, x.own+1) {
		return x.finish(now, nil)
	}
	x.own++
	first, last := x.first, now.component
	for _, c := range x.held[1:now.held] {
		if c != last {
			c.leaveChain(x.worker)
		}
	}
	x.worker.current = first
	last.sendOpen()
	if last != first {
		last.leaveChain(x.worker)
	}
	first.chain.Store(nil)
	x.forget(now.held)
	return true
}

// finish ends the call now, in which the chain was broken. err is the call's error.
func (x *chain) finish(now *link, err error) (owned bool) {
	<-x.broken
	x.own++
	c := now.component
	c.sendOpen()
	trap := x.passOn(now, err)
	x.forget(now.held)
	c.lockAndEndCall(trap)
	c.workOffAndUnlock()
	return false
}

// passOn passes on the result of a call, as it is done for any other call.
func (x *chain) passOn(now *link, err error) (trap error) {
	c := now.component
	if err == nil && now.kind != core.TransferRequest {
		return nil
	}
	m := c.newMessage(c.id, x.payload)
	m.Sender = now.from.id
	if now.kind != core.TransferMessage {
		m.Correlation, m.Origin = now.id, c.host
	}
	switch {
	case err == nil:
		c.host.respond(m, x.worker)
		return nil
	case now.kind == core.TransferRequest:
		return c.answered(m, err)
	case now.kind == core.TransferResponse:
		return c.calledBack(m, err)
	}
	return c.received(m, err)
}

// forget forgets the components of the chain, which may be removed from now on.
func (x *chain) forget(held int) {
	x.first, x.calls = nil, 0
	clear(x.held[:held])
	x.links = [2]link{}
	if cap(x.payload) > maxDirect {
		x.payload = nil
	}
}

// breakUp breaks the chain that is in progress, if there is one.
func (x *chain) breakUp() {
	for {
		turn := x.turn.Load()
		if turn&1 == 0 {
			return
		}
		if x.breakAt(turn, 0) != nil {
			return
		}
	}
}

// breakAt breaks the chain in the call of a turn, unless that call has ended. took is
// how long the call has taken, as far as it is known. It returns the call's component, or
// nil.
func (x *chain) breakAt(turn uint64, took time.Duration) *component {
	if !x.turn.CompareAndSwap(turn, turn+1) {
		return nil
	}
	defer func() { x.broken <- struct{}{} }() // even after a panic
	x.dissolve(x.link(turn), took)
	return x.link(turn).component
}

// breakChain is called by c's owner before c sends anything in a call: the targets may be
// components that a chain holds.
func (c *component) breakChain() {
	if w := c.sched.worker; w != nil {
		w.chain.breakUp()
	}
}

// dissolve makes the call now a call like any other, and gives up all other components
// of the chain.
func (x *chain) dissolve(now *link, took time.Duration) {
	c := now.component
	if now.kind == core.TransferRequest {
		id := now.id
		if err := now.from.registerByCredit(max(1, now.timeout-took)); err != nil {
			now.from.endRequest(id) // the tracker is closed
		}
	}
	for _, other := range x.held[:now.held] {
		if other != c {
			other.leaveChain(nil)
		}
	}
	c.mu.Lock()
	c.chain.Store(nil)
	if c.life.leftBehind {
		c.interruptLocked()
	}
	c.call.seen.Store(c.call.begun + 1)
	c.call.since, c.call.lost, c.call.away = c.host.clock.Exact()-took, c.host.watch.lost.Load(), 0
	c.call.inProgress, c.call.fast = true, true // backlog is the worker's, which is in the call
	c.call.begun++
	c.host.clock.Now() // wakes the clock if it rests
	c.mu.Unlock()
	x.worker.slot.entry.CompareAndSwap(&x.first.entries.running, &c.entries.running)
}

// leaveChain gives c up at the end of a chain. w is the worker that looks for work next,
// or nil.
func (c *component) leaveChain(w *worker) {
	c.mu.Lock()
	c.chain.Store(nil)
	c.call.inProgress = false
	c.publishLocked()
	if c.life.leftBehind && !c.sched.wish.claimed() {
		c.sched.worker = nil
		c.sched.become(queued) // a worker removes it
		c.mu.Unlock()
		c.host.workers.push(&c.entries.queued)
		return
	}
	c.yieldAndUnlock(w)
}

// watch is component.watch for the chain of a worker: it breaks the chain if the call in
// progress takes long. It reports whether a chain is in progress.
func (x *chain) watch(slot *watchSlot, now time.Duration) bool {
	turn := x.turn.Load()
	if turn&1 == 0 {
		return false
	}
	if x.seen != turn {
		x.seen, x.since, x.lost = turn, x.host.clock.Exact(), x.host.watch.lost.Load()
	}
	took := now - x.since
	if took <= blockedAfter {
		return true
	}
	if c := x.breakAt(turn, took); c != nil {
		c.mu.Lock()
		c.call.lost = x.lost
		c.mu.Unlock()
		c.watch(slot, now)
	}
	return true
}
