package nats

import (
	"errors"
	"fmt"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

var _ core.Mover = (*Broker)(nil)

// The frames of a component that moves: its former host sends the first before the messages that
// waited there, and the second after them.
const (
	followBegins = 1
	followEnds   = 2
)

// departure is the way of the messages of a component that has left this host.
type departure struct {
	broker       *Broker
	target       core.ComponentID
	subscription *natsgo.Subscription // that ends when its messages are handled, or nil
}

// Leave implements [core.Mover]. Frames that have come, or are on their way here, still come to the
// component's receiver.
func (b *Broker) Leave(id core.ComponentID) (core.Departure, error) {
	b.mu.RLock()
	err := b.checkLocked()
	a := b.local[id]
	b.mu.RUnlock()
	if err == nil && a == nil {
		err = errors.New("it is not attached")
	}
	if errors.Is(err, core.ErrClosed) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("leave of %s from NATS broker: %w", id, err)
	}
	d := &departure{b, id, a.leave()}
	d.say(followBegins)
	return d, nil
}

// leave takes no other messages than those that are on their way, until they have come.
func (a *attached) leave() *natsgo.Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left = true
	a.drain()
	return a.subscription
}

// drain ends the subscription when its messages are handled. The caller holds a.mu.
func (a *attached) drain() {
	switch s := a.subscription; {
	case s == nil:
	case a.broker.refusal.Load() != nil || s.Drain() != nil: // a subscription that is drained comes back with the connection
		_ = s.Unsubscribe()
	default:
		a.broker.noteDraining(s)
	}
}

// Deliver implements [core.Receiver].
func (d *departure) Deliver(m *core.Message) error { return d.broker.newRoute(d.target).Deliver(m) }

// Arriving implements [core.Departure].
func (d *departure) Arriving() bool { return d.subscription != nil && d.subscription.IsValid() }

// End implements [core.Departure].
func (d *departure) End() { d.say(followEnds) }

// say sends a word to the other host, after all that has been sent to the component before. If the
// connection is lost it does not come: then the component waits there in vain for a while.
func (d *departure) say(what byte) { d.broker.outbox.add(&following{d, what}) }

// following is a word about a component that has left.
type following struct {
	*departure
	what byte
}

func (f *following) flush(buffer []byte) []byte {
	b := f.broker
	buffer = append(appendHead(buffer[:0], followFrame, b.config.Host), f.what)
	if err := b.publish(b.subjects.to(f.target), "", buffer); err != nil {
		b.log.Debug("a host could not be told that messages follow a component", "component", f.target.String(), "reason", err.Error())
	}
	return buffer
}

// follow handles such a word of the host that had the component before. Frames of this host come
// before all others until the second word.
func (a *attached) follow(in *natsgo.Msg) {
	r := reader{rest: in.Data}
	host, what := r.open(followFrame), r.byte()
	next, known := a.receiver.(core.Successor)
	switch {
	case r.err != nil || !known || what != followBegins && what != followEnds:
		a.broker.discard(in, errFrame)
	case what == followBegins:
		a.follows = host
	default:
		a.follows = ""
		next.Complete()
	}
}

// first is the receiver of the messages that follow a component.
type first struct{ core.Successor }

// Deliver implements [core.Receiver].
func (f first) Deliver(m *core.Message) error { return f.DeliverFirst(m) }

// receiverFor returns the receiver of the messages of a host.
func (a *attached) receiverFor(host string) core.Receiver {
	if a.follows == "" || a.follows != host {
		return a.receiver
	}
	return first{a.receiver.(core.Successor)}
}
