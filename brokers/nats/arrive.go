package nats

import (
	"sync"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// What a frame says about a component that moves. Its former host sends it to the component.
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
	mu     sync.Mutex // guards the following
	frames []*natsgo.Msg
	bytes  int
	taken  taken // by the former host, and then by the first subscription
	former string
	step   arrivalStep
}

type arrivalStep uint8

const (
	keeps   arrivalStep = iota // all frames but the former host's
	changes                    // the first subscription's are handled, those of the next one kept
	joined                     // it is like any other component
)

// Arrive implements [core.Mover].
func (b *Broker) Arrive(id core.ComponentID, r core.Successor) error {
	return b.attach(&attached{broker: b, id: id, receiver: r, arrival: new(arrival)}, r == nil)
}

// Settle implements [core.Mover].
func (b *Broker) Settle(id core.ComponentID) {
	b.mu.RLock()
	a := b.local[id]
	b.mu.RUnlock()
	if a == nil || a.arrival == nil {
		return
	}
	a.arrival.mu.Lock()
	defer a.arrival.mu.Unlock()
	if a.arrival.step == keeps {
		a.arrival.forget()
		a.join()
	}
}

func (n *arrival) isOver() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.step == joined
}

// keep keeps a frame for later. One that is too many gets no receipt.
func (n *arrival) keep(in *natsgo.Msg) {
	if n.bytes += len(in.Data); n.bytes <= maxArrivals {
		n.frames = append(n.frames, in)
	}
}

func (n *arrival) forget() { n.frames, n.bytes = nil, 0 }

// came takes a frame of the first subscription.
func (a *attached) came(in *natsgo.Msg) {
	n := a.arrival
	n.mu.Lock()
	defer n.mu.Unlock()
	switch host := sentBy(in); {
	case isFollow(in.Data):
		if n.step == keeps {
			a.follow(in)
		}
	case n.step == keeps && (n.former == "" || host != n.former):
		n.keep(in)
	case n.step == keeps:
		a.first = true
		a.arrived(in)
	case n.taken.take(in.Reply):
		a.arrived(in)
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

// follow handles the words of the former host, with the lock of the arrival held.
func (a *attached) follow(in *natsgo.Msg) {
	n, b := a.arrival, a.broker
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
		a.complete()
		return
	default:
		r.fail("word %d", what)
	}
	if r.err != nil {
		b.discard(in, r.err)
	}
}

// complete handles the frames that have been kept and that the former host has not had: first those of
// this host, which it has sent before it had the component.
func (a *attached) complete() {
	n := a.arrival
	for _, in := range n.frames {
		if a.first = true; sentBy(in) == a.broker.config.Host && n.taken.take(in.Reply) {
			a.arrived(in)
		}
	}
	a.first = false
	a.receiver.(core.Successor).Complete()
	a.handleKept()
	a.join()
}

// handleKept handles the frames that have been kept and were not handled before.
func (a *attached) handleKept() {
	n := a.arrival
	for _, in := range n.frames {
		if n.taken.take(in.Reply) {
			a.arrived(in)
		}
	}
	n.forget()
}

// join changes to the subscription in the queue group.
func (a *attached) join() {
	b, n := a.broker, a.arrival
	a.mu.Lock()
	defer a.mu.Unlock()
	n.step, a.first = changes, false
	before := a.subscription
	if a.detached.Load() || before == nil {
		return
	}
	next, err := b.queueSubscribe(a.id, a.cameLater)
	if err != nil { // the connection is closed
		n.step = joined
		return
	}
	a.drain()
	a.subscription = next
	b.whenDrained(before, a.changed)
}

// cameLater takes a frame of the subscription in the queue group.
func (a *attached) cameLater(in *natsgo.Msg) {
	n := a.arrival
	n.mu.Lock()
	if n.step != joined {
		n.keep(in)
		n.mu.Unlock()
		return
	}
	n.mu.Unlock()
	a.arrived(in)
}

// changed handles the frames that the first subscription has not had, once that has ended.
func (a *attached) changed() {
	n := a.arrival
	n.mu.Lock()
	defer n.mu.Unlock()
	a.handleKept()
	n.step = joined
}
