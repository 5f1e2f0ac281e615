package host

import "github.com/airhost/airhost/core"

const (
	// maxBatch is how many messages a guest is given at once at most, and
	// maxBatchBytes how many bytes, but for a single message.
	maxBatch      = 256
	maxBatchBytes = 1 << 20
)

// batching is the state of an instance that takes several messages at once. The
// component's owner uses it.
type batching struct {
	instance core.Batcher
	taken    []core.Delivery
	next     int // index in taken of the message that the guest handles
	done     func(i int, response []byte, err error)
	direct   *directBatch // once Go programs have made several requests at once
}

// newBatching returns nil for an instance that takes one message at a time.
func newBatching(c *component, instance core.Instance) *batching {
	batcher, ok := instance.(core.Batcher)
	if !ok {
		return nil
	}
	return &batching{instance: batcher, done: c.delivered}
}

// takeLocked takes a batch from c's mailbox, with c.mu held. It drops requests for
// whose outcome nobody waits any more.
func (b *batching) takeLocked(c *component) {
	b.taken, b.next = b.taken[:0], 0
	for size := 0; c.sched.mailbox.length > 0 && len(b.taken) < maxBatch; {
		size += len(c.sched.mailbox.peek().message.Payload)
		if size > maxBatchBytes && len(b.taken) > 0 {
			return
		}
		e := c.sched.mailbox.pop()
		switch {
		case !e.outcome && c.host.isOver(e.message):
			c.drop(e.message)
			continue
		case e.outcome && !c.traits.Callback:
			c.dropOutcome(e.message)
			continue
		}
		b.taken = append(b.taken, core.Delivery{Message: e.message, Outcome: e.outcome})
	}
}

// handleBatchLocked handles the waiting messages by one call of the instance; it
// releases c.mu during the call. If the instance ends, the messages that it was given
// and had not handled end with it: nobody knows whether its guest has seen them.
func (c *component) handleBatchLocked() {
	b := c.guest.batch
	b.takeLocked(c)
	c.noteRoomLocked()
	if len(b.taken) == 0 {
		c.publishLocked()
		return
	}
	c.beginCallAndUnlock()
	c.beginDelivery()
	trap := c.host.bounds.endingOf(b.instance.HandleBatch(b.taken, b.done))
	for trap != nil && b.next < len(b.taken) {
		_ = c.finishDelivery(trap)
		c.beginDelivery()
	}
	clear(b.taken)
	c.lockAndEndCall(trap)
}

// beginDelivery notes that the guest begins with the next message, if there is one.
func (c *component) beginDelivery() {
	if b := c.guest.batch; b.next < len(b.taken) && b.taken[b.next].Outcome {
		c.sender.pending--
	}
}

// finishDelivery passes on the result of a message.
func (c *component) finishDelivery(err error) error {
	d := c.guest.batch.taken[c.guest.batch.next]
	c.guest.batch.next++
	switch {
	case d.Outcome:
		return c.calledBack(d.Message, err)
	case d.Message.IsRequest():
		return c.answered(d.Message, err)
	}
	return c.received(d.Message, err)
}

// delivered is called for each message that the guest has handled. For the watchdog
// the next message is a call of its own, and the component in the run-next slot need
// not wait for it.
func (c *component) delivered(i int, response []byte, err error) {
	if d := c.guest.batch.taken[i]; !d.Outcome && d.Message.IsRequest() {
		d.Message.Payload = append(d.Message.Payload[:0], response...)
	}
	_ = c.finishDelivery(err) // err is the guest's answer; HandleBatch returns the end of the instance
	if c.guest.batch.next == len(c.guest.batch.taken) {
		return
	}
	c.beginDelivery()
	c.host.workers.handOff(c)
	c.beginNextCall()
}

// beginNextCall marks the end of a call and the beginning of the next, for the watchdog.
func (c *component) beginNextCall() {
	c.mu.Lock()
	c.call.begun++
	c.publishLocked()
	c.mu.Unlock()
	c.host.clock.Now() // wakes the clock if it rests
}
