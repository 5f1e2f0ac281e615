package channel

import (
	"sync"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

var unavailable = &core.MessagingError{Case: core.CaseUnavailable, Text: "the broker is closed"}

// route is the route to one attached component.
type route struct {
	broker   *Broker
	home     core.Origin
	receiver core.Receiver
	queue    chan *core.Message
	full     *core.MessagingError
	bytes    atomic.Int64 // of the messages in queue

	gone   atomic.Pointer[core.MessagingError] // the refusal of further messages, or nil
	ending sync.RWMutex                        // orders sends to queue before its close
}

func newRoute(b *Broker, id core.ComponentID, r core.Receiver) *route {
	return &route{
		broker: b, home: b.home, receiver: r,
		queue: make(chan *core.Message, b.capacity),
		full:  &core.MessagingError{Case: core.CaseQueueFull, Text: id.String()},
	}
}

// Deliver implements [core.Receiver].
func (r *route) Deliver(m *core.Message) error {
	r.ending.RLock()
	defer r.ending.RUnlock()
	if gone := r.gone.Load(); gone != nil {
		return r.refusal(gone)
	}
	size := sizeOf(m)
	if all := r.bytes.Add(size); all <= r.broker.bytes || all == size {
		select {
		case r.queue <- m:
			return nil
		default:
		}
	}
	r.bytes.Add(-size)
	return r.full
}

func sizeOf(m *core.Message) int64 { return core.MessageOverhead + int64(len(m.Payload)) }

// refusal returns unavailable if the broker is closed, and otherwise gone.
func (r *route) refusal(gone *core.MessagingError) error {
	if r.broker.isClosed() {
		return unavailable
	}
	return gone
}

// pump delivers the messages of queue. It runs on the component's goroutine.
func (r *route) pump() {
	for m := range r.queue {
		r.bytes.Add(-sizeOf(m))
		if gone := r.gone.Load(); gone != nil {
			r.home.Undelivered(m, gone)
		} else if err := r.receiver.Deliver(m); err != nil {
			r.home.Undelivered(m, err)
		}
	}
}

// end makes the route refuse messages with gone, and hands the waiting ones to
// Origin.Undelivered. It does not wait for the goroutine, which a receiver may block.
func (r *route) end(gone *core.MessagingError) {
	r.ending.Lock()
	r.gone.Store(gone)
	close(r.queue)
	r.ending.Unlock()
	for m := range r.queue {
		r.home.Undelivered(m, gone)
	}
}
