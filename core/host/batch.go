package host

import "github.com/airhost/airhost/core"

const (
	// maxBatch is how many messages a guest is given at once at most, and
	// maxBatchBytes how many bytes, but for a single message.
	maxBatch      = 256
	maxBatchBytes = 1 << 20
)

// batching is what a component keeps for an instance that takes several messages
// at once. Its owner uses it.
type batching struct {
	instance core.Batcher
	taken    []core.Delivery
	next     int // of taken, what the guest handles
	done     func(i int, response []byte, err error)
}

// newBatching returns nil for an instance that takes one message at a time.
func newBatching(c *component, instance core.Instance) *batching {
	batcher, ok := instance.(core.Batcher)
	if !ok {
		return nil
	}
	return &batching{instance: batcher, done: c.delivered}
}

// take takes a batch from c's mailbox, with c.mu held. It drops what is over.
func (b *batching) take(c *component) {
	b.taken, b.next = b.taken[:0], 0
	for size := 0; c.mailbox.length > 0 && len(b.taken) < maxBatch; {
		size += len(c.mailbox.peek().message.Payload)
		if size > maxBatchBytes && len(b.taken) > 0 {
			return
		}
		e := c.mailbox.pop()
		if !e.outcome && c.host.isOver(e.message) {
			c.drop(e.message)
			continue
		}
		b.taken = append(b.taken, core.Delivery{Message: e.message, Outcome: e.outcome})
	}
}

// workOffBatch works off what waits in the mailbox by one call of the instance,
// with c.mu held. Where the instance ends, what it was given and had not handled
// ends with it: nobody knows whether its guest has seen it.
func (c *component) workOffBatch() {
	b := c.batch
	b.take(c)
	c.reopen()
	if len(b.taken) == 0 {
		c.publish()
		return
	}
	c.begin()
	c.beginDelivery()
	trap := endingOf(b.instance.HandleBatch(b.taken, b.done))
	for trap != nil && b.next < len(b.taken) {
		_ = c.finishDelivery(trap)
		c.beginDelivery()
	}
	clear(b.taken)
	c.end(trap)
}

// beginDelivery notes that the guest begins with the next message, if there is one.
func (c *component) beginDelivery() {
	if b := c.batch; b.next < len(b.taken) && b.taken[b.next].Outcome {
		c.out.pending--
	}
}

// finishDelivery passes on what came of a message.
func (c *component) finishDelivery(err error) error {
	d := c.batch.taken[c.batch.next]
	c.batch.next++
	switch {
	case d.Outcome:
		return c.calledBack(d.Message, err)
	case d.Message.IsRequest():
		return c.answered(d.Message, err)
	}
	return c.received(d.Message, err)
}

// delivered is told of each message that the guest has handled. For the watchdog
// the next one is a call of its own; and who is to run next need not wait for it.
func (c *component) delivered(i int, response []byte, err error) {
	if d := c.batch.taken[i]; !d.Outcome && d.Message.IsRequest() {
		d.Message.Payload = append(d.Message.Payload[:0], response...)
	}
	_ = c.finishDelivery(err) // a guest's answer; what ends the instance HandleBatch returns
	if c.batch.next == len(c.batch.taken) {
		return
	}
	c.beginDelivery()
	c.host.workers.passOn(c)
	c.mu.Lock()
	c.calls++
	c.publish()
	c.mu.Unlock()
	c.host.clock.Now() // has it tick
}
