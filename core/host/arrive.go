package host

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// arrival is the time in which a component that has come from another host waits for the
// messages that waited for it there. They are bounded by three times the limits of its mailbox: that
// may have been full, and was filled again while they left, and then the way there.
type arrival struct {
	first    *mailbox      // these messages
	complete chan struct{} // closed when all have come
	once     sync.Once
}

// arrivalTime is how long a component that has moved here waits for the messages that follow it,
// if its former host does not say that all have come.
const arrivalTime = 10 * time.Second

// checkMoving checks all that a component brings along against the limits of d.
func (d *Deployment) checkMoving() error {
	m := d.Moving
	if m == nil {
		return nil
	}
	if err := m.Check(); err != nil {
		return err
	}
	if most := d.Limits.Timers * d.Instances; len(m.Timers) > most {
		return fmt.Errorf("the component brings %d timers, limits.timers allows %d: raise it", len(m.Timers), most)
	}
	bytes := int64(0)
	for _, t := range m.Timers {
		if len(t.Payload) > d.Limits.MessageSize {
			return fmt.Errorf("the component brings a timer of %d bytes, quota.message_size allows %d: raise it", len(t.Payload), d.Limits.MessageSize)
		}
		bytes += timerSize(t.Payload)
	}
	if most := d.Limits.MailboxBytes * int64(d.Instances); bytes > most {
		return fmt.Errorf("the component brings timers of %d bytes, limits.mailbox_bytes allows %d: raise it", bytes, most)
	}
	return nil
}

// errMoving is the error for a Moving where a component is deployed already.
var errMoving = errors.New("a component that is deployed here brings nothing along: Moving is for Host.Deploy alone")

// notMoving returns an error for a deployment that only Deploy takes.
func (d *Deployment) notMoving() error {
	if d.Moving != nil {
		return fmt.Errorf("%w of %q: %w", ErrInvalidDeployment, d.ID, errMoving)
	}
	return nil
}

// arrive gives c, which has been started and is attached to no broker, all that it has brought
// along. Then it attaches c. The caller owns c with its members.
func (h *Host) arrive(c *component) error {
	m := c.moving
	c.moving = nil
	if m.HasState && c.crew == nil && c.traits.State {
		if err := c.restore(m.State); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	if err := c.unpackTimers(m); err != nil {
		return err
	}
	if _, joins := h.broker.(core.Mover); joins {
		first := newMailbox(c.limits)
		c.mu.Lock()
		c.life.arrival = &arrival{first: &first, complete: make(chan struct{})}
		c.mu.Unlock()
	}
	err := h.attach(c)
	if err != nil {
		c.mu.Lock()
		c.life.arrival = nil
		c.mu.Unlock()
	}
	return err
}

// unpackTimers starts the timers that c has brought along, those of several instances in turn.
func (c *component) unpackTimers(m *core.Moving) error {
	now, guests := c.host.clock.Exact(), c.guests()
	for i, moved := range m.Timers {
		guest := guests[i%len(guests)]
		t := &timer{id: moved.ID, owner: guest, payload: slices.Clip(slices.Clone(moved.Payload)), due: now + moved.Left}
		guest.mu.Lock()
		err := guest.addTimerLocked(t)
		guest.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// begun ends the deployment of c. If messages follow c, this is later.
func (h *Host) begun(c *component) {
	c.mu.Lock()
	a := c.life.arrival
	c.mu.Unlock()
	if a == nil {
		h.changed(c)
		return
	}
	go func() {
		defer h.changed(c)
		limit := time.NewTimer(arrivalTime)
		defer limit.Stop()
		select {
		case <-a.complete:
			c.begin(a)
			return
		case <-limit.C:
			h.log.Warn("the messages that follow a component have not all come: it begins without waiting for them", "component", c.id.String(), "limit", arrivalTime)
		case <-h.draining:
		}
		h.broker.(core.Mover).Settle(c.id)
		c.begin(a)
	}()
}

// begin lets c handle its messages, first those that have followed it. The caller owns c with its
// members.
func (c *component) begin(a *arrival) {
	c.mu.Lock()
	b := &c.sched.mailbox
	later := b.queue
	b.queue = queue[entry]{}
	for a.first.length > 0 {
		b.push(a.first.pop())
	}
	for later.length > 0 {
		b.queue.push(later.pop())
	}
	c.life.arrival = nil
	c.hasRoom.Store(c.roomLocked())
	c.mu.Unlock()
	c.host.topics.set(c, c.deployment.Subscribe)
	c.host.epoch.Add(1)
	c.giveCrewFree()
}

var _ core.Successor = (*component)(nil)

// DeliverFirst implements [core.Successor].
func (c *component) DeliverFirst(m *core.Message) error {
	c.mu.Lock()
	a := c.life.arrival
	if a == nil {
		c.mu.Unlock()
		return c.Deliver(m)
	}
	defer c.mu.Unlock()
	switch {
	case len(m.Payload) > c.limits.MessageSize:
		return c.refusals.tooLarge
	case a.first.bytes()+charge(m) > 3*a.first.limits.mostBytes:
		return c.refusals.full
	}
	a.first.push(entry{message: m})
	return nil
}

// Complete implements [core.Successor].
func (c *component) Complete() {
	c.mu.Lock()
	a := c.life.arrival
	c.mu.Unlock()
	if a != nil {
		a.once.Do(func() { close(a.complete) })
	}
}
