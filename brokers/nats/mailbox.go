package nats

import (
	"strconv"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// mailbox is the durable mailbox of a component of this host: the messages of the stream that have come.
// It is the origin of its messages.
//
// A message is acknowledged when it was handled, and comes again otherwise: after the next
// connection, to the next host, or at once if the instance has ended on it. Of each sender one
// message is in the component's mailbox at a time; so they stay in order when one comes again.
type mailbox struct {
	broker *Broker
	at     *attached
	name   string // of the consumer

	publishing sync.Mutex // held while acknowledgments are sent; before mu

	mu          sync.Mutex       // guards the fields below
	kept        map[uint64]*kept // by their numbers
	placed      map[place]*kept  // the same
	bytes       int              // of their payloads
	lanes       map[core.ComponentID]*inLane
	ready       []*inLane // have a message that may be delivered; a lane may be there twice
	out         int       // messages that the component has
	handled     *recent
	unsure      map[place]struct{} // handled, and acknowledged to a consumer that was gone: they come again
	last        uint64
	dispatching bool
	over        bool // the component is detached
	stall       stall
	acks        []ack  // to be published
	fence       string // where the last one goes
	queued      bool   // the outbox has the mailbox
	pulls       pulls
}

const (
	// maxKept and maxKeptBytes bound the messages that have come and were not handled; maxOut bounds
	// those of them that the component has in its mailbox.
	maxKept      = 256
	maxKeptBytes = 4 << 20
	maxOut       = 64
	// maxUnacknowledged is how many messages JetStream brings without an acknowledgment.
	maxUnacknowledged = 4 * maxKept
	// firstPause and maxPause are the times until a message is tried again that the component does not
	// take.
	firstPause = 5 * time.Millisecond
	maxPause   = time.Second
)

// kept is a message that has come and was not handled.
type kept struct {
	place
	number  uint64 // Mark of the message
	reply   string // where it is acknowledged
	inbox   string // of the consumer that has brought it
	sender  core.ComponentID
	payload []byte
	failed  int // how often an instance has ended on it
}

// inLane are the messages of one sender that wait, and how many the component has.
type inLane struct {
	waiting []*kept
	out     int
	many    bool // the sender stands for many: its messages need not wait for each other
}

// stall is a pause in which nothing is delivered, since the component takes nothing.
type stall struct {
	on    bool
	next  time.Duration
	timer *time.Timer
}

type ack struct{ subject, text string }

const (
	ackText  = "+ACK"
	termText = "+TERM"
)

func newMailbox(a *attached) *mailbox {
	b := a.broker
	x := &mailbox{
		broker: b, at: a, name: b.subjects.consumer(a.id), kept: map[uint64]*kept{}, placed: map[place]*kept{},
		lanes: map[core.ComponentID]*inLane{}, unsure: map[place]struct{}{},
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mail.handled[a.id] == nil {
		b.mail.handled[a.id] = new(recent)
	}
	x.handled = b.mail.handled[a.id]
	return x
}

// arrived takes a message of the stream.
func (x *mailbox) arrived(in *natsgo.Msg, at place) {
	b := x.broker
	x.mu.Lock()
	switch k := x.placed[at]; {
	case x.over:
		x.mu.Unlock()
		return
	case k != nil: // a new consumer brings it again
		k.reply, k.inbox = in.Reply, x.pulls.inbox
		x.mu.Unlock()
		return
	case x.handled.has(at):
		delete(x.unsure, at)
		x.ackLocked(in.Reply, ackText)
		x.mu.Unlock()
		return
	}
	x.mu.Unlock()
	sender, payload, err := readMail(in.Data)
	if err != nil { // nobody ever understands it
		b.counts.discarded.Add(1)
		b.log.Error("what is stored for a component is no message: it is removed", "component", x.at.id.String(), "sequence", at.sequence, "bytes", len(in.Data), "reason", err.Error())
		x.mu.Lock()
		x.ackLocked(in.Reply, termText+" no message")
		x.mu.Unlock()
		return
	}
	x.add(&kept{place: at, reply: in.Reply, sender: sender, payload: payload})
	x.dispatch()
}

func (x *mailbox) add(k *kept) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.last++
	k.number, k.inbox = x.last, x.pulls.inbox
	x.kept[k.number], x.placed[k.place] = k, k
	x.bytes += len(k.payload)
	lane := x.lanes[k.sender]
	if lane == nil {
		lane = &inLane{many: k.sender.Namespace() == core.HostNamespace}
		x.lanes[k.sender] = lane
	}
	lane.waiting = append(lane.waiting, k)
	x.readyLocked(lane)
}

// readyLocked notes that a lane may have a message to be delivered.
func (x *mailbox) readyLocked(lane *inLane) {
	if len(lane.waiting) > 0 && (lane.many || lane.out == 0) {
		x.ready = append(x.ready, lane)
	}
}

// dispatch delivers messages that may be delivered. One goroutine does so at a time; no other waits
// for it.
func (x *mailbox) dispatch() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.dispatching {
		return
	}
	x.dispatching = true
	for {
		k := x.nextLocked()
		if k == nil {
			break
		}
		m := core.NewMessage(k.payload)
		m.Sender, m.Target, m.Origin, m.Mark = k.sender, x.at.id, x, k.number
		x.mu.Unlock()
		err := x.at.receiver.Deliver(m)
		if err == nil {
			x.broker.counts.arrived.Add(1)
		} else {
			x.refused(k, m, core.AsMessagingError(err))
		}
		x.mu.Lock()
	}
	x.dispatching = false
	x.pullLocked()
}

// nextLocked takes the next message to be delivered, or returns nil.
func (x *mailbox) nextLocked() *kept {
	for len(x.ready) > 0 && x.out < maxOut && !x.stall.on && !x.over && !x.broker.mail.resting.Load() {
		lane := x.ready[0]
		x.ready = x.ready[1:]
		if len(lane.waiting) == 0 || lane.out > 0 && !lane.many {
			continue
		}
		k := lane.waiting[0]
		lane.waiting = lane.waiting[1:]
		lane.out++
		x.out++
		x.readyLocked(lane)
		return k
	}
	return nil
}

// refused ends the delivery of a message that the component did not take. It never takes one that is
// too large for it: that is a dead letter.
func (x *mailbox) refused(k *kept, m *core.Message, reason *core.MessagingError) {
	if reason.Case != core.CaseInvalidArgument {
		x.mu.Lock()
		x.backLocked(k)
		x.stallLocked()
		x.mu.Unlock()
		m.Release()
		return
	}
	x.mu.Lock()
	x.endLocked(k, termText+" refused")
	x.mu.Unlock()
	m.Origin, m.Mark = nil, 0
	x.broker.counts.arrived.Add(1)
	x.broker.home.Undelivered(m, reason)
}

// backLocked puts a message that the component has had before the others of its sender.
func (x *mailbox) backLocked(k *kept) {
	lane := x.lanes[k.sender]
	lane.waiting = append([]*kept{k}, lane.waiting...)
	lane.out--
	x.out--
	x.readyLocked(lane)
}

// endLocked forgets a message that the component has had, and acknowledges it.
func (x *mailbox) endLocked(k *kept, text string) {
	delete(x.kept, k.number)
	delete(x.placed, k.place)
	x.bytes -= len(k.payload)
	x.handled.add(k.place)
	if k.inbox != x.pulls.inbox {
		x.unsure[k.place] = struct{}{}
	}
	x.out--
	lane := x.lanes[k.sender]
	lane.out--
	if lane.out == 0 && len(lane.waiting) == 0 {
		delete(x.lanes, k.sender)
	}
	x.readyLocked(lane)
	x.ackLocked(k.reply, text)
}

// ackLocked makes the outbox acknowledge a message.
func (x *mailbox) ackLocked(reply, text string) {
	x.acks = append(x.acks, ack{reply, text})
	x.fence = reply
	x.sendLocked()
}

func (x *mailbox) sendLocked() {
	if !x.queued {
		x.queued = true
		x.broker.outbox.add(x)
	}
}

// flush publishes acknowledgments, and asks for more messages. The outbox calls it.
func (x *mailbox) flush(buffer []byte) []byte {
	x.publishing.Lock()
	defer x.publishing.Unlock()
	x.mu.Lock()
	acks := x.acks
	x.acks, x.queued = nil, false
	pull, reply := x.pulls.takeLocked()
	x.mu.Unlock()
	for _, a := range acks { // one that is lost comes again: the message is known then
		_ = x.broker.publish(a.subject, "", []byte(a.text))
	}
	if pull != nil {
		_ = x.broker.publish(x.broker.subjects.next(x.name), reply, pull) // an error means that the connection is lost
	}
	return buffer
}

// stallLocked makes a pause before the next delivery.
func (x *mailbox) stallLocked() {
	if x.stall.on {
		return
	}
	x.stall.on = true
	x.stall.next = min(max(firstPause, 2*x.stall.next), maxPause)
	x.stall.timer = time.AfterFunc(x.stall.next, func() {
		if !x.broker.enter() {
			return
		}
		defer x.broker.work.Done()
		x.mu.Lock()
		x.stall.on = false
		x.mu.Unlock()
		x.dispatch()
	})
}

// goOnLocked ends a pause: the component has taken and handled something.
func (x *mailbox) goOnLocked() {
	x.stall.next = 0
	if x.stall.on && x.stall.timer.Stop() {
		x.stall.on = false
	}
}

// Handled implements [core.Keeper].
func (x *mailbox) Handled(m *core.Message) {
	x.mu.Lock()
	if k := x.kept[m.Mark]; k != nil {
		x.endLocked(k, ackText)
		x.goOnLocked()
	}
	x.mu.Unlock()
	m.Release()
	x.dispatch()
}

// Failed implements [core.Keeper].
func (x *mailbox) Failed(m *core.Message, most int) (again bool) {
	x.mu.Lock()
	k := x.kept[m.Mark]
	if k == nil {
		x.mu.Unlock()
		return false
	}
	k.failed++
	if again = k.failed < most; again {
		x.backLocked(k)
	} else {
		x.endLocked(k, termText+" "+strconv.Itoa(k.failed)+" deliveries failed")
	}
	x.mu.Unlock()
	if again {
		x.broker.counts.redelivered.Add(1)
		x.broker.counts.left.Add(1)
		m.Release()
	}
	x.dispatch()
	return again
}

// Undelivered implements [core.Keeper].
func (x *mailbox) Undelivered(m *core.Message, _ error) {
	x.mu.Lock()
	if k := x.kept[m.Mark]; k != nil {
		x.backLocked(k)
		x.stallLocked()
	}
	x.mu.Unlock()
	x.broker.counts.left.Add(1)
	m.Release()
}

// Respond implements [core.Origin]. A fire-and-forget message has no outcome.
func (x *mailbox) Respond(m *core.Message) { m.Release() }

// Waiting implements [core.DurableBroker]. It knows of messages in the stream since one has come last.
func (b *Broker) Waiting(id core.ComponentID) int {
	b.mu.RLock()
	a := b.local[id]
	b.mu.RUnlock()
	if a == nil || a.mail == nil {
		return 0
	}
	x := a.mail
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.pulls.behind + len(x.kept)
}
