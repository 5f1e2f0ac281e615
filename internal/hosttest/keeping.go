package hosttest

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// Keeping is a broker over another one that keeps messages in memory: durable mailboxes outlive their
// components. It is a core.DurableBroker with at most one fault.
type Keeping struct {
	core.Broker
	Fault Fault

	left, arrived atomic.Uint64

	mu      sync.Mutex // guards the following
	boxes   map[core.ComponentID]*keptBox
	resting bool
}

// Fault is a promise that a Keeping breaks.
type Fault string

// The faults.
const (
	NoKeeper         Fault = "names no keeper"
	Floods           Fault = "gives several messages of a sender"
	ForgetsFailures  Fault = "forgets messages that failed"
	NeverGivesUp     Fault = "never gives up"
	Overtakes        Fault = "puts messages that failed behind"
	DropsUndelivered Fault = "drops undelivered messages"
	CountsReturns    Fault = "counts what was undelivered"
	DropsWhileAway   Fault = "drops messages while nobody is attached"
	HandlesTwice     Fault = "brings handled messages again"
	NoRest           Fault = "does not rest"
)

// keptBox is the durable mailbox of a component, and the origin of its messages.
type keptBox struct {
	broker   *Keeping
	id       core.ComponentID
	receiver core.Receiver // nil while the component is not attached
	waiting  []*kept
	serial   uint64
	Ends
}

// Ends counts how messages of a mailbox ended, and those that it has.
type Ends struct{ Handled, Failed, Undelivered, Waiting int }

// kept is a message, which is delivered as a copy.
type kept struct {
	number  uint64
	sender  core.ComponentID
	payload []byte
	times   int
	out     bool
}

// Ended returns how messages of a component ended.
func (b *Keeping) Ended(id core.ComponentID) Ends {
	x := b.box(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	ends := x.Ends
	ends.Waiting = len(x.waiting)
	return ends
}

// Traffic implements core.Carrier.
func (b *Keeping) Traffic() (left, arrived uint64) { return b.left.Load(), b.arrived.Load() }

// AttachDurable implements core.DurableBroker.
func (b *Keeping) AttachDurable(id core.ComponentID, r core.Receiver) error {
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

func (b *Keeping) box(id core.ComponentID) *keptBox {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.boxes == nil {
		b.boxes = map[core.ComponentID]*keptBox{}
	}
	if b.boxes[id] == nil {
		b.boxes[id] = &keptBox{broker: b, id: id}
	}
	return b.boxes[id]
}

// Detach implements core.Broker.
func (b *Keeping) Detach(id core.ComponentID) {
	b.mu.Lock()
	if box := b.boxes[id]; box != nil {
		box.receiver = nil
	}
	b.mu.Unlock()
	b.Broker.Detach(id)
}

// Waiting implements core.DurableBroker.
func (b *Keeping) Waiting(id core.ComponentID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if box := b.boxes[id]; box != nil {
		return len(box.waiting)
	}
	return 0
}

// Rest implements core.DurableBroker.
func (b *Keeping) Rest() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resting = b.Fault != NoRest
}

// Route implements core.Broker.
func (b *Keeping) Route(target core.ComponentID) (core.Receiver, error) {
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
	if x.receiver != nil || x.broker.Fault != DropsWhileAway {
		x.serial++
		x.waiting = append(x.waiting, &kept{number: x.serial, sender: m.Sender, payload: slices.Clone(m.Payload)})
	}
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
			return // in tests it is gone, or has failed
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
		if (!seen[k.sender] || x.broker.Fault == Floods) && !k.out {
			k.out = true
			k.times++
			m := core.NewMessage(k.payload)
			m.Sender, m.Target, m.Origin, m.Mark = k.sender, x.id, x, k.number
			if x.broker.Fault == NoKeeper {
				m.Origin = nil
			}
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
	k := x.waiting[i]
	k.out = false
	switch {
	case over(k):
		x.waiting = slices.Delete(x.waiting, i, i+1)
		return true
	case x.broker.Fault == Overtakes:
		x.waiting = append(slices.Delete(x.waiting, i, i+1), k)
	}
	return false
}

// Respond implements core.Origin.
func (x *keptBox) Respond(*core.Message) { panic("a fire-and-forget message has no outcome") }

// Handled implements core.Keeper.
func (x *keptBox) Handled(m *core.Message) {
	x.end(m, &x.Ends.Handled, func(*kept) bool { return x.broker.Fault != HandlesTwice })
	m.Release()
	x.deliver()
}

// Failed implements core.Keeper.
func (x *keptBox) Failed(m *core.Message, most int) (again bool) {
	over := func(k *kept) bool {
		return x.broker.Fault == ForgetsFailures || x.broker.Fault != NeverGivesUp && k.times >= most
	}
	if again = !x.end(m, &x.Ends.Failed, over) || x.broker.Fault == ForgetsFailures; again {
		x.broker.left.Add(1)
		m.Release()
	}
	x.deliver()
	return again
}

// Undelivered implements core.Keeper. The message waits for the next attachment, or message.
func (x *keptBox) Undelivered(m *core.Message, _ error) {
	x.end(m, &x.Ends.Undelivered, func(k *kept) bool {
		if x.broker.Fault != CountsReturns {
			k.times--
		}
		return x.broker.Fault == DropsUndelivered
	})
	x.broker.left.Add(1)
	m.Release()
}
