package nats

import (
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// The words of a frame about a component that moves. Its former host sends it to the component.
const (
	followBegins = 1 // the frames of this host come before all others
	followTaken  = 2 // the last frames of routes that it has had
	followEnds   = 3 // all that has followed the component has been sent
)

// arrival is a component that comes from another host. At first it subscribes beside its former host,
// and gets a copy of each frame. It keeps them. When its former host has sent all that it has had, and
// says which frames these were, those that are left are handled. Then a subscription in the queue
// group takes the place of the first one, in the same way.
type arrival struct {
	at *attached

	mu     sync.Mutex // guards the following
	frames []*natsgo.Msg
	bytes  int
	taken  taken // by the former host, and then by the first subscription
	former string
	step   arrivalStep
	copies bool // frames that the first subscription has had may still wait in the next one
}

type arrivalStep uint8

const (
	keeps   arrivalStep = iota // all frames but the former host's
	changes                    // the first subscription's are handled, those of the next one kept
	joined                     // it is like any other component
)

// Arrive implements [core.Mover].
func (b *Broker) Arrive(id core.ComponentID, r core.Successor, durable bool) error {
	a := &attached{broker: b, id: id, receiver: r}
	a.arrival = &arrival{at: a}
	if durable {
		a.mail = newMailbox(a)
	}
	if err := b.attach(a); err != nil {
		return err
	}
	b.sendBefore(id)
	if durable {
		return b.openMail(a)
	}
	return nil
}

// sendBefore makes the route to a component that has come here take no other messages, and waits until
// those that it has taken have been sent: others overtake them here from now on.
func (b *Broker) sendBefore(id core.ComponentID) {
	b.mu.RLock()
	r := b.remotes[id]
	b.mu.RUnlock()
	if r == nil {
		return
	}
	r.setHere(true)
	again := time.NewTicker(100 * time.Microsecond)
	defer again.Stop()
	for r.isQueued() {
		select {
		case <-again.C:
		case <-b.done:
			return
		}
	}
	_ = b.flush() // an error means that the connection is lost: they come back
}

func (r *remote) isQueued() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queued
}

// setHere says if the target is on this host.
func (r *remote) setHere(here bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.here != here {
		r.here, r.retired = here, here
	}
}

// elsewhere returns the receiver in place of a route that is retired.
func (r *remote) elsewhere() core.Receiver {
	b := r.broker
	b.mu.RLock()
	a := b.local[r.target]
	b.mu.RUnlock()
	if a != nil {
		return a.receiver
	}
	return b.newRoute(r.target)
}

// Settle implements [core.Mover].
func (b *Broker) Settle(id core.ComponentID) {
	b.mu.RLock()
	a := b.local[id]
	b.mu.RUnlock()
	if a == nil || a.arrival == nil {
		return
	}
	n := a.arrival
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.step == keeps {
		n.forgetLocked()
		n.joinLocked()
	}
}

func (n *arrival) isOver() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.step == joined
}

// keepLocked keeps a frame for later. One that is too many gets no receipt.
func (n *arrival) keepLocked(in *natsgo.Msg) {
	if n.bytes += len(in.Data); n.bytes <= maxArrivals {
		n.frames = append(n.frames, in)
	}
}

func (n *arrival) forgetLocked() { n.frames, n.bytes = nil, 0 }

// came takes a frame of the first subscription.
func (n *arrival) came(in *natsgo.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch host := sentBy(in); {
	case n.step == joined: // the server had been about to send it: the next subscription has it too
	case isFollow(in.Data):
		if n.step == keeps {
			n.followLocked(in)
		}
	case n.step == keeps && (n.former == "" || host != n.former):
		n.keepLocked(in)
	case n.step == keeps:
		n.at.first = true
		n.at.arrived(in)
	case n.taken.take(in.Reply):
		n.at.arrived(in)
	}
}

// sentBy returns the host that has sent a frame, or "".
func sentBy(in *natsgo.Msg) string {
	if len(in.Data) < 2 {
		return ""
	}
	r := reader{rest: in.Data}
	return r.open(in.Data[1])
}

// followLocked handles the words of the former host.
func (n *arrival) followLocked(in *natsgo.Msg) {
	b := n.at.broker
	r := reader{rest: in.Data}
	host, what := r.open(followFrame), r.byte()
	switch {
	case r.err != nil:
	case what == followBegins:
		n.former = host
	case what == followTaken:
		n.taken.mu.Lock()
		defer n.taken.mu.Unlock()
		for r.more() && len(n.taken.last) < maxTaken {
			if route, number := string(r.text()), r.number(); r.err == nil {
				n.taken.noteLocked(route, number)
			}
		}
	case what == followEnds:
		n.completeLocked()
		return
	default:
		r.fail("word %d", what)
	}
	if r.err != nil {
		b.discard(in, r.err)
	}
}

// completeLocked handles the frames that have been kept and that the former host has not had: first
// those of this host, which it has sent before it had the component.
func (n *arrival) completeLocked() {
	n.at.first = true
	for _, in := range n.frames {
		if sentBy(in) == n.at.broker.config.Host && n.taken.take(in.Reply) {
			n.at.arrived(in)
		}
	}
	n.at.first = false
	n.at.receiver.(core.Successor).Complete()
	n.handleKeptLocked()
	n.joinLocked()
}

// handleKeptLocked handles the frames that have been kept and were not handled before.
func (n *arrival) handleKeptLocked() {
	for _, in := range n.frames {
		if n.taken.take(in.Reply) {
			n.at.arrived(in)
		}
	}
	n.forgetLocked()
}

// joinLocked changes to the subscription in the queue group.
func (n *arrival) joinLocked() {
	a, b := n.at, n.at.broker
	a.mu.Lock()
	defer a.mu.Unlock()
	n.step, a.first = changes, false
	before := a.subscription
	if a.detached.Load() || before == nil {
		return
	}
	next, err := b.queueSubscribe(a.id, n.cameLater)
	if err != nil || !b.enter() { // the connection is closed
		n.step = joined
		return
	}
	a.subscription, a.beside, n.copies = next, before, true
	go func() {
		defer b.work.Done()
		if b.pause(overlap); !a.detached.Load() { // else it is being drained already
			b.drain(before)
		}
		b.whenDrained(before, n.changed)
		for !n.isOver() && !b.isDone() {
			b.pause(overlap)
		}
		b.pause(b.config.Lease)         // the server may send the copy of a frame later
		_ = b.server.Barrier(n.settled) // an error means that nothing comes any more
	}()
}

// cameLater takes a frame of the subscription in the queue group.
func (n *arrival) cameLater(in *natsgo.Msg) {
	n.mu.Lock()
	if n.step != joined {
		n.keepLocked(in)
		n.mu.Unlock()
		return
	}
	copied := n.copies && !n.taken.take(in.Reply)
	n.mu.Unlock()
	if !copied {
		n.at.arrived(in)
	}
}

// settled notes that the next subscription has no copies any more: all that has come has been handled.
func (n *arrival) settled() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.copies, n.taken = false, taken{}
}

// changed handles the frames that the first subscription has not had, once that has ended.
func (n *arrival) changed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handleKeptLocked()
	n.step = joined
}
