package host

import (
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// maxExchange is how many calls may follow the first one of an exchange.
	maxExchange = 32
	// maxExchangeRequests is the most requests of one side in an exchange.
	maxExchangeRequests = maxExchange / 2
	// exchangeIDs is the number of ids that are reserved for the requests of one side:
	// enough for three exchanges, so that the tracker is seldom asked for others.
	exchangeIDs = 3 * maxExchangeRequests
	// minExchangeHandlerTime is the least handler time of components that exchange:
	// only the watchdog's ticks tell the time of one side from that of the other.
	minExchangeHandlerTime = 10 * time.Millisecond
)

// exchange is two components of one worker whose engine delivers their messages to
// each other by a [core.Ledger]. The worker owns both until the account is
// reconciled, and then only the one of the current call.
type exchange struct {
	sides  [2]*component
	ledger *core.Ledger // of sides[0], until the account is reconciled
	first  entry        // of the call that the host makes, of sides[0]

	// Set when the account is reconciled: the component of the current call, and the
	// message that it handles, if it is not the first call.
	last    *component
	kind    core.TransferKind
	message *core.Message
}

// exchanges reports whether c may exchange with another component by instance.
// Those with a limit of fuel do not: it is for one call.
func (c *component) exchanges() bool {
	return c.guest.ledger != nil && c.traits.Exchanges && c.limits.HandlerTime >= minExchangeHandlerTime && c.limits.Fuel == 0
}

// takePartner returns the component that c may exchange with while it handles e, or nil.
// It is the one that c sent to last, if c has sent by a credit in its last call and
// both have nothing else to do. The worker owns the partner then.
func (c *component) takePartner(e entry) *component {
	if !c.sender.usedCredit {
		return nil
	}
	c.sender.usedCredit = false
	return c.findAndHold(e)
}

func (c *component) findAndHold(e entry) *component {
	w, r := c.sched.worker, c.sender.last
	if !c.life.canExchange || c.guest.backlog || !e.outcome && e.message.IsRequest() || !w.mayExchange() ||
		r == nil || !r.exchangesLast() || !c.sender.quota.has(maxExchange+1) {
		return nil
	}
	p := r.local
	if p == nil || p == c || !p.hold(w, c.deployment.Engine) {
		return nil
	}
	c.mu.Lock()
	waits := c.sched.mailbox.length > 0 // there may be a message that p has sent before
	c.mu.Unlock()
	if waits || !p.sender.quota.has(maxExchange+1) {
		p.mu.Lock()
		p.yieldAndUnlock(nil)
		return nil
	}
	return p
}

// mayExchange reports whether w has nothing else to run next, and is not in an exchange.
func (w *worker) mayExchange() bool {
	return w != nil && w.exchange.last == nil && w.sinceShared < sharedEvery-1 && w.slot.next() == nil
}

// exchangesLast reports whether an exchange on the route promises to take several
// calls: one of a single call costs more than it saves. After four short ones in a
// row, one message in 64 tries whether that has changed.
func (r *route) exchangesLast() bool {
	if r.shortExchanges < 4 {
		return true
	}
	r.shortExchanges++
	if r.shortExchanges < 4+64 {
		return false
	}
	r.shortExchanges = 3
	return true
}

// noteExchange notes how many calls followed the first one of an exchange.
func (r *route) noteExchange(calls uint32) {
	if calls > 1 {
		r.shortExchanges = 0
	} else {
		r.shortExchanges++
	}
}

// exchangesWithLocked reports whether the engine is to exchange the messages that c sends to p,
// its last target. p.mu is held.
func (c *component) exchangesWithLocked(p *component) bool {
	return c.life.canExchange && p.life.canExchange && c.deployment.Engine == p.deployment.Engine && c.sender.last.shortExchanges < 4
}

// hold makes an idle component w's, if it can exchange with one of an engine.
func (c *component) hold(w *worker, engine string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sched.status != idle || !c.life.canExchange || c.deployment.Engine != engine {
		return false
	}
	c.sched.become(running)
	c.sched.worker = w
	return true
}

// run calls c with e, in an exchange with partner, and then works off the mailbox of the
// one that was called last. The worker owns both, and the call has begun.
func (x *exchange) run(c, partner *component, e entry) {
	if delay > 0 {
		spin(delay)
	}
	if e.outcome {
		c.sender.pending--
	}
	x.sides, x.ledger, x.first = [2]*component{c, partner}, c.guest.ledger, e
	x.fillLedger()
	c.exchanging.Store(x)
	var err error
	if m := e.message; e.outcome {
		err = c.life.instance.HandleCallback(m.Correlation, m.Payload, m.Failure)
	} else {
		err = c.life.instance.HandleMessage(m.Sender, m.Payload, nil)
	}
	if x.last == nil {
		x.reconcile() // the engine did nothing by the ledger
	}
	x.last.lockAndEndCall(x.finish(err))
	x.last.workOffAndUnlock()
	*x = exchange{}
}

// fillLedger fills in the ledger for both sides.
func (x *exchange) fillLedger() {
	l := x.ledger
	l.Most = min(maxExchange, sharedEvery-1-x.sides[0].sched.worker.sinceShared)
	l.Ended, l.Side, l.Current, l.Open.Kind = [2]core.CallCounts{}, 0, core.Transfer{}, core.TransferNone
	for i, c := range x.sides {
		if len(c.sender.free()) < maxExchangeRequests {
			c.reserve(exchangeIDs)
		}
		credit, requests := c.credit()
		l.Sides[i] = core.Side{Instance: c.life.instance, Credit: credit}
		if requests {
			l.Sides[i].Requests = c.sender.free()
		}
	}
	l.Progress.Store(0)
}

// finish passes on the result of the last call, which is err. It returns the error
// that ended the instance of the call's component, or nil.
func (x *exchange) finish(err error) (trap error) {
	last, m := x.last, x.message
	switch x.kind {
	case core.TransferMessage:
		return last.received(m, err)
	case core.TransferRequest:
		m.Payload = last.takeResponse(m.Payload, err)
		return last.answered(m, err)
	case core.TransferResponse:
		return last.calledBack(m, err)
	}
	return last.finishFirst(x.first, err)
}

// finishFirst ends the first call of an exchange, which returned err.
func (c *component) finishFirst(e entry, err error) (trap error) {
	if e.outcome {
		return c.calledBack(e.message, err)
	}
	return c.received(e.message, err)
}

// reconcile counts and ends the calls of the account as the host does for its own. The
// current call becomes a call like any other: its component stays the worker's, and
// the other one is given up.
func (x *exchange) reconcile() (response *[]byte) {
	l := x.ledger
	calls := l.Progress.Load() >> 1 // the lowest bit is the side
	current, other := x.sides[l.Side], x.sides[1-l.Side]
	x.last, x.kind = current, l.Current.Kind
	current.sched.worker.sinceShared += int(calls)
	x.sides[0].sender.last.noteExchange(calls)
	open := l.Open
	l.Sides, l.Most, l.Open.Kind = [2]core.Side{}, 0, core.TransferNone
	if open.Kind != core.TransferNone {
		defer current.deliverOpen(&open)
	}
	defer x.release(current, other, calls) // comes first, even after a panic: both must be free again

	switch l.Current.Kind {
	case core.TransferMessage:
		x.message = other.sentByCredit(current.id, l.Current.Payload)
	case core.TransferRequest:
		x.message = other.sentByCredit(current.id, l.Current.Payload)
		x.message.Correlation, x.message.Origin = other.sender.free()[l.Ended[l.Side].Requests], other.host
		current.guest.response = x.message.Payload[:0]
		response = &current.guest.response
	case core.TransferResponse:
		x.message = current.newMessage(current.id, nil)
	}
	if calls > 0 {
		_ = x.sides[0].finishFirst(x.first, nil)
	}
	x.count(0)
	x.count(1)
	if l.Current.Kind == core.TransferRequest {
		timeout := other.timeoutOf(l.Current.TimeoutMillis)
		x.message.Deadline = other.host.deadlineAfter(timeout)
		if err := other.registerByCredit(timeout); err != nil {
			other.endRequest(x.message.Correlation) // the tracker is closed
		}
	}
	return response
}

// release gives up the other component, and makes the watchdog see the current call
// in its own component.
func (x *exchange) release(current, other *component, calls uint32) {
	c, w := x.sides[0], current.sched.worker
	c.mu.Lock()
	c.exchanging.Store(nil)
	c.call.begun += uint64(calls)
	c.call.inProgress = current == c // otherwise its call has ended: the time since belongs to the partner
	c.publishLocked()
	c.mu.Unlock()
	x.sides, x.ledger = [2]*component{}, nil // the other one may be removed from here on
	if current != c {
		current.mu.Lock()
		current.publishLocked()
		if current.life.leftBehind {
			current.interruptLocked()
		}
		current.beginCallAndUnlock()
		w.current = current
		w.slot.set(current)
	}
	other.lockAndEndCall(nil)
	other.yieldAndUnlock(nil)
}

// count counts the calls of one side that have ended, and the messages that the other
// side has sent for them.
func (x *exchange) count(side int) {
	receiver, sender, ended := x.sides[side], x.sides[1-side], x.ledger.Ended[side]
	sent := ended.Messages + ended.Requests
	receiver.counts.Handled += uint64(sent)
	receiver.counts.Callbacks += uint64(ended.Responses)
	if sent > 0 {
		sender.counts.Sent += uint64(sent)
		sender.counts.Requests += uint64(ended.Requests)
		sender.sender.quota.take(float64(sent))
		sender.sender.usedCredit = true
		sender.spend(ended.Requests)
	}
}
