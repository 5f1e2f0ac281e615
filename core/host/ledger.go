package host

import (
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// allow fills in the ledger for one call of c alone, if its engine keeps one.
func (c *component) allow() {
	l := c.guest.ledger
	if l != nil && (c.sender.last != nil || l.Sides[0].Credit != nil) { // otherwise it allows nothing already
		c.allowAlone(l)
	}
}

// allowUnlessSlow is allow for a call that no chain follows if messages wait. A component in
// Go gets no credit then: the payload would be copied once more.
func (c *component) allowUnlessSlow() {
	if l := c.guest.ledger; l != nil && c.guest.backlog && c.traits.InGo {
		l.Sides[0].Credit, l.Sides[0].Requests = nil, nil
		return
	}
	c.allow()
}

func (c *component) allowAlone(l *core.Ledger) {
	credit, requests := c.credit()
	l.Sides[0].Credit, l.Sides[0].Requests = credit, nil
	if requests {
		l.Sides[0].Requests = c.sender.free()[:1]
	}
	l.Most = 0
}

// credit returns c's credit with its last target, or nil, and whether c may send
// requests by it. The credit is an answer in advance, so nothing that the answer depends
// on may get worse until it is used:
//   - the quota and the pending requests are c's own;
//   - only a change of the host's configuration ends the route, and then the message
//     goes the way of those that were sent just before;
//   - a message that is sent by a credit has its place in the target's mailbox.
func (c *component) credit() (credit *core.Credit, requests bool) {
	r := c.sender.last
	if r == nil || r.local == nil || c.sender.epoch != c.host.epoch.Load() || !r.local.hasRoom.Load() || !c.sender.quota.hasOne() {
		return nil, false
	}
	requests = r.request == nil && c.traits.Callback && c.sender.pending < c.sender.mostPending && len(c.sender.free()) > 0
	return &r.credit, requests
}

// reconcile is [core.Ledger]'s.
func (c *component) reconcile() (response *[]byte) {
	if x := c.exchanging.Load(); x != nil {
		return x.reconcile()
	}
	c.breakChain()
	c.sendOpen()
	return nil
}

// sendOpen delivers the message or request that c's guest has sent by its credit, if it
// has sent one.
func (c *component) sendOpen() {
	if l := c.guest.ledger; l != nil && l.Open.Kind != core.TransferNone {
		c.deliverOpen(&l.Open)
	}
}

func (c *component) deliverOpen(t *core.Transfer) {
	r, kind := c.sender.last, t.Kind
	t.Kind = core.TransferNone
	m := c.sentByCredit(r.id, t.Payload)
	if kind == core.TransferMessage {
		if err := r.local.deliver(m, c.sched.worker, true); err != nil {
			c.host.deadLetter(m, err)
		}
		return
	}
	timeout := c.timeoutOf(t.TimeoutMillis)
	m.Correlation, m.Origin, m.Mark = c.sender.free()[0], c.host, c.host.givenUp.Load()
	m.Deadline = c.host.deadlineAfter(timeout)
	if err := c.registerByCredit(timeout); err != nil {
		m.Fail(errHostStopping) // the tracker is closed
		c.outcome(m, c.sched.worker)
		return
	}
	if err := r.local.deliver(m, c.sched.worker, true); err != nil {
		c.host.undeliverable(m, core.Undelivered(core.AsMessagingError(err)))
	}
}

// sentByCredit makes the message that c has sent by a credit, and counts it.
func (c *component) sentByCredit(target core.ComponentID, payload []byte) *core.Message {
	c.countSent()
	return c.newMessage(target, payload)
}

// countSent counts a message that c has sent by a credit.
func (c *component) countSent() {
	c.counts.Sent++
	c.sender.quota.take(1)
	c.sender.usedCredit = true
}

// timeoutOf returns the timeout of a request that was sent by a credit.
func (c *component) timeoutOf(millis uint64) time.Duration {
	if millis == 0 {
		return c.host.config.RequestTimeout
	}
	return time.Duration(millis) * time.Millisecond
}

// registerByCredit registers a request that was sent by a credit, under the first free
// id.
func (c *component) registerByCredit(timeout time.Duration) error {
	_, err := c.register(timeout)
	c.counts.Requests++
	c.sender.pending++
	return err
}

// reserve makes all of c's reserved ids free, and reserves more until there are n, or as
// many as the tracker has. One call of the tracker replaces all ids that were used.
func (c *component) reserve(n int) {
	s := &c.sender
	if c.host.reserver == nil || !c.traits.Callback {
		return
	}
	if s.used > 0 {
		if err := c.host.reserver.Reserve(c, s.ids[:s.used]); err != nil {
			return // it is closed
		}
		slices.Reverse(s.ids[:s.used]) // the ids that were free come first
		slices.Reverse(s.ids[s.used:])
		slices.Reverse(s.ids)
		s.used = 0
	}
	have := len(s.ids)
	if have >= n {
		return
	}
	s.ids = append(s.ids, make([]core.RequestID, n-have)...)
	if err := c.host.reserver.Reserve(c, s.ids[have:]); err != nil {
		s.ids = s.ids[:slices.Index(s.ids, 0)]
	}
}

// spend notes that the first n free ids were used without the tracker.
func (c *component) spend(n int) {
	c.sender.used += n
	if len(c.sender.free()) < maxExchangeRequests {
		c.reserve(exchangeIDs)
	}
}
