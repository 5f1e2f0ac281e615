package host

import (
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// maxChain is how many messages and requests a chain handles at most. The response
	// to the last request may follow.
	maxChain = 32
	// maxDirect is the size of the largest payload, in bytes, that a chain hands over.
	maxDirect = maxSpare
	// minChainTimeout is the least timeout of a request in a chain. The tracker does not
	// know the request until the watchdog breaks the chain.
	minChainTimeout = 3 * blockedAfter
)

// chain makes the calls that follow a call on a worker. It hands a message or request that
// a guest has sent by its credit to the target's guest at once, and the response to the
// requester's. Nothing goes through a mailbox or the tracker, and the worker takes no
// lock of a component that the chain holds already. It owns these components until the
// chain ends.
//
// Any goroutine may break a chain while a call is in progress: the watchdog if the call
// takes long, and a goroutine that wants one of the components. The call then becomes a
// call like any other, and the other components are given up. The worker and all others
// compete for turn: the one that changes it may go on.
type chain struct {
	worker *worker
	host   *Host

	// turn is odd while a chain is in progress. The worker adds 2 for each next call, and
	// the goroutine that ends the chain adds 1.
	turn   atomic.Uint64
	broken chan struct{} // gets one value from a goroutine that has broken a chain

	// Written by the worker before it changes turn.
	first *component               // the chain follows its call
	held  [maxChain + 1]*component // components that the chain holds: first, and at most one for each call
	links [2]link                  // the call in progress, and the one after it

	// The worker's.
	own     uint64 // turn, as the worker has left it
	calls   int    // messages and requests handled
	payload []byte // what the call in progress handles, and then the response to it

	// The watchdog's.
	seen  uint64        // the turn that it saw last
	since time.Duration // when it saw this turn first, on the host's clock
	lost  int64         // watchdog.lost at that time
}

// link is a call of a chain.
type link struct {
	component *component        // its guest is called
	kind      core.TransferKind // none is the first call, which is not the chain's
	from      *component        // the sender of the message, request or response
	held      int               // number of components that the chain holds

	id      core.RequestID // of a request, or of the one that a response is for
	timeout time.Duration  // of a request, as are the following; those of other calls are left over
	until   time.Duration  // when it ends, on the host's clock
	room    int            // for the response, in bytes
}

// link returns the call of a turn.
func (x *chain) link(turn uint64) *link { return &x.links[turn>>1&1] }

// run makes the calls that follow a call of c, which has left a message or request open.
// It reports whether the worker still owns c.
func (x *chain) run(c *component) (owned bool) {
	if c.guest.backlog || !c.joinsChains() || !x.isAlone(c) || !x.goesOn() || !c.beginsChain(x) {
		return true
	}
	x.first, x.held[0] = c, c
	*x.link(x.own) = link{component: c, held: 1}
	for {
		now := x.link(x.own)
		next := x.link(x.own + 2)
		if !x.prepare(now, next) {
			return x.end(now)
		}
		if !x.step() {
			x.giveBack(now, next)
			return x.finish(now, nil)
		}
		if err := x.call(next); err != nil {
			x.breakUp()
			return x.finish(next, err)
		}
	}
}

// isAlone reports whether no other component waits in the worker's run-next slot. The
// slot stands for c, which the worker runs.
func (x *chain) isAlone(c *component) bool {
	return x.worker.slot.entry.Load() == &c.entries.running
}

// step goes on to the next call, unless the chain has been broken.
func (x *chain) step() bool {
	if x.own&1 == 0 {
		x.own += 3
		x.turn.Store(x.own)
		return true
	}
	if !x.turn.CompareAndSwap(x.own, x.own+2) {
		return false
	}
	x.own += 2
	return true
}

// prepare prepares the call that follows now, and reports whether there is one.
func (x *chain) prepare(now, next *link) bool {
	c := now.component
	open := &c.guest.ledger.Open
	if now.kind == core.TransferRequest {
		next.component, next.from = now.from, c
		next.kind, next.id, next.held = core.TransferResponse, now.id, now.held
		return open.Kind == core.TransferNone && len(x.payload) <= now.room && x.holds(next)
	}
	if open.Kind == core.TransferNone || !x.goesOn() {
		return false
	}
	next.component, next.from = c.sender.last.local, c
	next.kind, next.held = open.Kind, now.held
	if open.Kind == core.TransferRequest {
		next.id, next.timeout = c.sender.free()[0], c.timeoutOf(open.TimeoutMillis)
		next.until, next.room = c.host.clock.Now()+next.timeout, min(maxDirect, c.limits.MessageSize)
		if next.component == c || next.timeout < minChainTimeout || x.worker.sinceShared == sharedEvery-2 {
			return false
		}
	}
	if !x.holds(next) {
		return false
	}
	x.payload, open.Payload = open.Payload, x.payload
	open.Kind = core.TransferNone
	c.countSent()
	return true
}

// goesOn reports whether the chain may handle one more message or request.
func (x *chain) goesOn() bool {
	return x.calls < maxChain && x.worker.sinceShared < sharedEvery-1
}

// holds reports whether the component of next can be called at once. If it is idle, the
// chain holds it from now on.
func (x *chain) holds(next *link) bool {
	c := next.component
	if c.chain.Load() == x {
		return true
	}
	if !c.join(x, next.from) {
		return false
	}
	x.held[next.held] = c
	next.held++
	return true
}

// joinsChains reports whether calls of c can be part of a chain.
func (c *component) joinsChains() bool {
	return c.guest.ledger != nil && c.limits.HandlerTime >= blockedAfter
}

// beginsChain makes c the first component of the chain, if it has nothing else to do.
func (c *component) beginsChain(x *chain) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sched.mailbox.length > 0 || c.sched.wish != nil || c.life.leftBehind || c.life.due != 0 {
		return false
	}
	c.chain.Store(x)
	return true
}

// join makes the worker own c for the chain, if c is idle.
func (c *component) join(x *chain, from *component) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sched.status != idle || !c.joinsChains() || from.exchangesWithLocked(c) {
		return false
	}
	c.sched.become(running)
	c.sched.worker, c.call.fast = x.worker, true
	c.chain.Store(x)
	return true
}

// giveBack undoes prepare for next.
func (x *chain) giveBack(now, next *link) {
	if next.kind != core.TransferResponse {
		c := now.component
		open := &c.guest.ledger.Open
		x.payload, open.Payload = open.Payload, x.payload
		open.Kind = next.kind
		c.counts.Sent--
		c.sender.quota.refund(1)
	}
	if next.held > now.held {
		x.held[now.held] = nil
		next.component.leaveChain(x.worker)
	}
}

// call calls the guest of a link.
func (x *chain) call(now *link) (err error) {
	if delay > 0 {
		spin(delay)
	}
	c := now.component
	x.worker.current = c
	x.worker.sinceShared++
	if now.kind == core.TransferResponse { // it has returned without the tracker
		c.counts.Requests++
		c.spend(1)
	}
	c.allow()
	switch now.kind {
	case core.TransferMessage:
		x.calls++
		err = c.life.instance.HandleMessage(now.from.id, x.payload, nil)
	case core.TransferRequest:
		x.calls++
		c.guest.response = x.payload[:0]
		err = c.life.instance.HandleMessage(now.from.id, x.payload, &c.guest.response)
		x.payload = c.takeResponse(x.payload, err)
	case core.TransferResponse:
		err = c.life.instance.HandleCallback(now.id, x.payload, nil)
	}
	if err == nil {
		x.count(now)
	}
	return err
}

// count counts a call that has succeeded.
func (x *chain) count(now *link) {
	if now.kind == core.TransferResponse {
		now.component.counts.Callbacks++
		return
	}
	now.component.counts.Handled++
}
