package host

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// departure is the way of the messages of a component that has moved.
type departure struct {
	host *Host
	way  core.Departure
}

// follow sends the messages that wait for c to the host that has it now, until none waits; then
// c passes on those that come later. The caller owns c with its members.
func (c *component) follow(ctx context.Context, to *departure) {
	first := c.depart(to)
	for pause := newPause(); ; {
		m, ended := c.nextToFollow(first <= 0, ctx.Err() != nil)
		switch {
		case ended:
			c.host.topics.set(c, nil)
			c.host.epoch.Add(1)
			to.way.End()
			return
		case m == nil:
			pause.wait(ctx)
		default:
			first--
			to.insist(ctx, m)
		}
	}
}

// depart notes that c leaves, and puts all its messages into its own mailbox. It returns their
// number. The caller owns c with its members.
func (c *component) depart(to *departure) (waiting int) {
	var first []*core.Message
	if c.crew != nil {
		for _, m := range c.crew.members { // they may have taken some out of c's mailbox
			m.mu.Lock()
			first = append(first, m.sched.mailbox.takeMessages()...)
			m.mu.Unlock()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range slices.Backward(first) {
		c.sched.mailbox.pushFirst(m)
	}
	c.life.departure = to
	c.hasRoom.Store(false)
	return c.sched.mailbox.length
}

// nextToFollow takes the next message that follows c. When all that waited at first have left, c
// refuses others with queue-full until it is empty: they might come faster than they leave. ended
// reports that it is empty, and passes on messages from now on. late says not to wait for those
// that other hosts have sent here.
func (c *component) nextToFollow(full, late bool) (m *core.Message, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if full {
		c.sched.closed = c.refusals.full
	}
	for c.sched.mailbox.length > 0 {
		e := c.sched.mailbox.pop()
		if !e.outcome {
			return e.message, false
		}
		c.dropOutcome(e.message)
	}
	if !late && c.life.departure.way.Arriving() {
		c.sched.closed = nil
		return nil, false
	}
	c.sched.closed = c.refusals.notFound
	return nil, true
}

// refuseAndUnlock takes a message that comes while c does not take any, with c.mu held, and releases it.
func (c *component) refuseAndUnlock(m *core.Message, w *worker, byCredit bool) error {
	refusal, to := c.sched.closed, c.life.departure
	switch {
	case to == nil:
		c.mu.Unlock()
		return refusal
	case refusal != c.refusals.full:
		c.mu.Unlock()
		if byCredit {
			to.hold(m)
			return nil
		}
		return to.Deliver(m)
	case byCredit: // it has its place
		c.acceptAndUnlock(entry{message: m}, w)
		return nil
	}
	c.mu.Unlock()
	return refusal
}

// lateTime is how long a message that was sent by a credit waits for room on its way to a
// component that has moved since.
const lateTime = 5 * time.Second

// hold delivers a message that must not be refused.
func (d *departure) hold(m *core.Message) {
	if d.Deliver(m) == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(d.host.hurried, lateTime)
		defer cancel()
		d.insist(ctx, m)
	}()
}

// insist delivers a message. While the way has no room, or no connection, it tries again until
// ctx ends. Then the message is undeliverable.
func (d *departure) insist(ctx context.Context, m *core.Message) {
	for pause := newPause(); ; {
		if d.host.isOver(m) {
			d.host.counts.expired.Add(1)
			m.Release()
			return
		}
		err := d.Deliver(m)
		if err == nil {
			return
		}
		refusal := refusalOf(err)
		passes := errors.Is(refusal, core.ErrQueueFull) || errors.Is(refusal, core.ErrUnavailable)
		if !passes || !pause.wait(ctx) {
			d.host.undeliverable(m, core.Undelivered(refusal))
			return
		}
	}
}

// Deliver implements [core.Receiver]. The outcome of a request of another host comes to this one,
// which relays it. A stored message comes to the other host from the store.
func (d *departure) Deliver(m *core.Message) error {
	if keeper := keeperOf(m); keeper != nil {
		keeper.Undelivered(m, errMovedAway)
		return nil
	}
	if !m.IsRequest() || m.Origin == core.Origin(d.host) {
		return boundError(d.way.Deliver(m))
	}
	left := core.MaxTimeout
	if m.Deadline != 0 {
		left = min(left, time.Until(time.Unix(0, m.Deadline)))
	}
	if left <= 0 { // its host has ended it
		d.host.counts.expired.Add(1)
		m.Release()
		return nil
	}
	r := &relay{host: d.host, origin: m.Origin, correlation: m.Correlation, mark: m.Mark}
	mark := d.host.givenUp.Load()
	id, err := d.host.tracker.Register(r, left)
	if err != nil {
		return unlessStopping(err)
	}
	m.Origin, m.Correlation, m.Mark = d.host, id, mark
	if err = d.way.Deliver(m); err != nil {
		d.host.tracker.Cancel(id, r)
		m.Origin, m.Correlation, m.Mark = r.origin, r.correlation, r.mark
	}
	return boundError(err)
}

var errMovedAway = &core.MessagingError{Case: core.CaseUnavailable, Text: "the component has moved to another host"}

// relay is a request of another host that this one has passed on to a third one. It is this host's
// request there, and its outcome goes to the host that it came from.
type relay struct {
	host        *Host
	origin      core.Origin
	correlation core.RequestID
	mark        uint64
}

// respond passes an outcome on.
func (r *relay) respond(m *core.Message) {
	m.Correlation, m.Mark = r.correlation, r.mark
	r.origin.Respond(m)
}

// Expired implements [core.Waiter]. When its time is over the other host ends the request itself.
func (r *relay) Expired(_ core.RequestID, reason *core.RequestError) {
	r.host.givenUp.Add(1)
	if reason == core.ErrTimeout {
		return
	}
	m := core.NewMessage(nil)
	m.Fail(boundRequestError(reason, core.MaxErrorText))
	r.respond(m)
}

// pause is the time between two looks at something that changes by itself. It grows.
type pause struct{ next time.Duration }

func newPause() *pause { return &pause{50 * time.Microsecond} }

// wait waits, and reports whether ctx has not ended.
func (p *pause) wait(ctx context.Context) bool {
	again := time.NewTimer(p.next)
	defer again.Stop()
	p.next = min(2*p.next, 5*time.Millisecond)
	select {
	case <-again.C:
		return true
	case <-ctx.Done():
		return false
	}
}
