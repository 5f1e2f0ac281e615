package host_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// keeping is a broker that keeps messages in memory: those to boxes, which outlive their
// components.
type keeping struct {
	*inproc.Broker
	home          core.Origin
	left, arrived atomic.Uint64

	mu      sync.Mutex // guards the following
	boxes   map[core.ComponentID]*keptBox
	resting bool
}

// keptBox is the durable mailbox of a component, and the origin of its messages.
type keptBox struct {
	broker   *keeping
	id       core.ComponentID
	receiver core.Receiver // nil while the component is not attached
	waiting  []*kept
	serial   uint64

	handled, failed, undelivered int
}

// kept is a message, which is delivered as a copy.
type kept struct {
	number  uint64
	sender  core.ComponentID
	payload []byte
	times   int
	out     bool
}

func newKeeping() *keeping {
	inner, err := inproc.New(inproc.Config{})
	if err != nil {
		panic(err)
	}
	return &keeping{Broker: inner, boxes: map[core.ComponentID]*keptBox{}}
}

// startKeeping returns a host with a broker that keeps messages.
func startKeeping(t testing.TB, p parts, config host.Config) (*testHost, *keeping) {
	b := newKeeping()
	p.broker = func() (core.Broker, error) { return b, nil }
	if p.tracker == nil {
		p.tracker = newSlab
	}
	return p.start(t, config), b
}

func (b *keeping) Traffic() (left, arrived uint64) { return b.left.Load(), b.arrived.Load() }

func (b *keeping) AttachDurable(id core.ComponentID, r core.Receiver) error {
	if err := b.Attach(id, r); err != nil {
		return err
	}
	box := b.box(id)
	b.mu.Lock()
	box.receiver = r
	b.mu.Unlock()
	box.deliver()
	return nil
}

func (b *keeping) box(id core.ComponentID) *keptBox {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.boxes[id] == nil {
		b.boxes[id] = &keptBox{broker: b, id: id}
	}
	return b.boxes[id]
}

func (b *keeping) Detach(id core.ComponentID) {
	b.mu.Lock()
	if box := b.boxes[id]; box != nil {
		box.receiver = nil
	}
	b.mu.Unlock()
	b.Broker.Detach(id)
}

func (b *keeping) Rest() { b.mu.Lock(); b.resting = true; b.mu.Unlock() }

func (b *keeping) Route(target core.ComponentID) (core.Receiver, error) {
	b.mu.Lock()
	box := b.boxes[target]
	b.mu.Unlock()
	if box != nil {
		return box, nil
	}
	return b.Broker.Route(target)
}

// Deliver takes a message, and hands a request on.
func (x *keptBox) Deliver(m *core.Message) error {
	if m.IsRequest() {
		r, err := x.broker.Broker.Route(x.id)
		if err != nil {
			return err
		}
		return r.Deliver(m)
	}
	x.broker.mu.Lock()
	x.serial++
	x.waiting = append(x.waiting, &kept{number: x.serial, sender: m.Sender, payload: slices.Clone(m.Payload)})
	x.broker.mu.Unlock()
	x.broker.left.Add(1)
	m.Release()
	x.deliver()
	return nil
}

// deliver delivers the first message of each sender, unless that is under way.
func (x *keptBox) deliver() {
	for {
		m, to := x.next()
		if m == nil {
			return
		}
		x.broker.arrived.Add(1)
		if err := to.Deliver(m); err != nil {
			x.broker.left.Add(1)
			return // in these tests it is gone, or has failed
		}
	}
}

func (x *keptBox) next() (*core.Message, core.Receiver) {
	x.broker.mu.Lock()
	defer x.broker.mu.Unlock()
	seen := map[core.ComponentID]bool{}
	for _, k := range x.waiting {
		if x.receiver == nil || x.broker.resting {
			break
		}
		if !seen[k.sender] && !k.out {
			k.out = true
			k.times++
			m := core.NewMessage(k.payload)
			m.Sender, m.Target, m.Origin, m.Mark = k.sender, x.id, x, k.number
			return m, x.receiver
		}
		seen[k.sender] = true
	}
	return nil, nil
}

// end notes the end of a message's delivery. It removes the message if it is over.
func (x *keptBox) end(m *core.Message, count *int, over func(*kept) bool) (removed bool) {
	x.broker.mu.Lock()
	defer x.broker.mu.Unlock()
	i := slices.IndexFunc(x.waiting, func(k *kept) bool { return k.number == m.Mark && k.out })
	if i < 0 {
		panic("a message ends twice")
	}
	*count++
	x.waiting[i].out = false
	if over(x.waiting[i]) {
		x.waiting = slices.Delete(x.waiting, i, i+1)
		return true
	}
	return false
}

func (x *keptBox) Respond(*core.Message) { panic("a fire-and-forget message has no outcome") }

func (x *keptBox) Handled(m *core.Message) {
	x.end(m, &x.handled, func(*kept) bool { return true })
	m.Release()
	x.deliver()
}

func (x *keptBox) Failed(m *core.Message, most int) (again bool) {
	if again = !x.end(m, &x.failed, func(k *kept) bool { return k.times >= most }); again {
		x.broker.left.Add(1)
		m.Release()
	}
	x.deliver()
	return again
}

// Undelivered leaves the message to the next attachment.
func (x *keptBox) Undelivered(m *core.Message, _ error) {
	x.end(m, &x.undelivered, func(*kept) bool { return false })
	x.broker.left.Add(1)
	m.Release()
}

// ended returns how often messages of a component ended, and how many wait.
func (b *keeping) ended(id core.ComponentID) (handled, failed, undelivered, waiting int) {
	x := b.box(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	return x.handled, x.failed, x.undelivered, len(x.waiting)
}
