package host

import (
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// allow fills in the ledger for one call of c alone, if its engine keeps one.
func (c *component) allow() {
	if l := c.guest.ledger; l != nil {
		c.allowAlone(l)
	}
}

func (c *component) allowAlone(l *core.Ledger) {
	credit, requests := c.credit()
	l.Sides[0].Credit, l.Sides[0].Requests = credit, nil
	if requests {
		l.Sides[0].Requests = c.sender.reserved[:1]
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
	if r == nil || r.local == nil || c.sender.epoch != c.host.epoch.Load() || !r.local.hasRoom.Load() || c.sender.quota.tokens < 1 {
		return nil, false
	}
	requests = r.request == nil && c.traits.Callback && c.sender.pending < c.deployment.Quota.PendingRequests && len(c.sender.reserved) > 0
	return &r.credit, requests
}

// reconcile is [core.Ledger]'s.
func (c *component) reconcile() (response *[]byte) {
	if x := c.exchanging.Load(); x != nil {
		return x.reconcile()
	}
	c.deliverOpen(&c.guest.ledger.Open)
	return nil
}

// deliverOpen delivers a message or request that c's guest has sent by its credit.
func (c *component) deliverOpen(t *core.Transfer) {
	if t.Kind == core.TransferNone {
		return
	}
	r := c.sender.last
	m := c.sentByCredit(r.id, t.Payload)
	if t.Kind == core.TransferMessage {
		if err := r.local.deliver(m, c.sched.worker, true); err != nil {
			c.host.deadLetter(m, err)
		}
		return
	}
	m.Correlation, m.Origin, m.Mark = c.sender.reserved[0], c.host, c.host.givenUp.Load()
	if err := c.registerByCredit(t.TimeoutMillis); err != nil {
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
	c.counts.Sent++
	c.sender.quota.take(1)
	c.sender.usedCredit = true
	return c.newMessage(target, payload)
}

// registerByCredit registers a request that was sent by a credit, under the first
// reserved id.
func (c *component) registerByCredit(timeoutMillis uint64) error {
	timeout := time.Duration(timeoutMillis) * time.Millisecond
	if timeout == 0 {
		timeout = c.host.config.RequestTimeout
	}
	_, err := c.register(timeout)
	c.counts.Requests++
	c.sender.pending++
	return err
}

// reserve reserves ids for the next n requests, or for as many as the tracker has.
func (c *component) reserve(n int) {
	have := len(c.sender.reserved)
	if c.host.reserver == nil || !c.traits.Callback || have >= n {
		return
	}
	ids := append(c.sender.reserved, make([]core.RequestID, n-have)...)
	if err := c.host.reserver.Reserve(c, ids[have:]); err != nil {
		ids = ids[:slices.Index(ids, 0)]
	}
	c.sender.reserved = ids
}

// spend removes the first n reserved ids, which an exchange has used. The tracker has
// not seen their requests and replaces the ids, with one call for several exchanges.
func (c *component) spend(n int) {
	if n == 0 {
		return
	}
	s := &c.sender
	s.spent = append(s.spent, s.reserved[:n]...)
	s.reserved = slices.Delete(s.reserved, 0, n)
	if len(s.reserved) >= maxExchangeRequests {
		return
	}
	if err := c.host.reserver.Reserve(c, s.spent); err == nil { // otherwise it is closed
		s.reserved = append(s.reserved, s.spent...)
	}
	s.spent = s.spent[:0]
}
