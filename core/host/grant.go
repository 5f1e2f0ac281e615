package host

import (
	"time"

	"github.com/airhost/airhost/core"
)

var _ core.Granter = (*component)(nil)

// Grant implements [core.Granter]: what the sender's last target would take. It
// is an answer in advance, so nothing that the answer depends on may get worse
// until it is redeemed: the quota and the pending requests are the sender's own,
// the route is given up only by a change of configuration, after which what was
// granted goes the way of what was sent just before; and in the target's mailbox
// what was granted has its place.
func (c *component) Grant() (*core.Grant, core.RequestID) {
	r := c.out.last
	if r == nil || r.local == nil || c.out.epoch != c.host.epoch.Load() || !r.local.taking.Load() || c.out.quota.tokens < 1 {
		return nil, 0
	}
	if r.request != nil || !c.traits.Callback || c.out.pending >= c.plan.Quota.PendingRequests || len(c.out.reserved) == 0 {
		return &r.grant, 0
	}
	return &r.grant, c.out.reserved[0]
}

// SendGranted implements [core.Granter].
func (c *component) SendGranted(message []byte) {
	r := c.out.last
	m := c.granted(r.id, message)
	if err := r.local.deliver(m, c.worker, true); err != nil {
		c.host.deadLetter(m, err)
	}
}

// RequestGranted implements [core.Granter].
func (c *component) RequestGranted(request []byte, timeoutMillis uint64) {
	r := c.out.last
	m := c.granted(r.id, request)
	m.Correlation, m.Origin, m.Mark = c.out.reserved[0], c.host, c.host.givenUp.Load()
	if err := c.registerGranted(m, timeoutMillis); err != nil {
		m.Fail(errHostStopping) // the tracker is closed
		c.outcome(m, c.worker)
		return
	}
	if err := r.local.deliver(m, c.worker, true); err != nil {
		c.host.undeliverable(m, core.Undelivered(core.AsMessagingError(err)))
	}
}

// granted counts what was sent by a grant, and returns it.
func (c *component) granted(target core.ComponentID, message []byte) *core.Message {
	c.counts.Sent++
	c.out.quota.take(1)
	c.out.spoke = true
	return c.newMessage(target, message)
}

// registerGranted registers a request that was granted, under the first reserved id.
func (c *component) registerGranted(m *core.Message, timeoutMillis uint64) error {
	timeout := time.Duration(timeoutMillis) * time.Millisecond
	if timeout == 0 {
		timeout = c.host.config.RequestTimeout
	}
	_, err := c.register(timeout)
	c.counts.Requests++
	c.out.pending++
	return err
}
