package nats

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// attached is a component of this host, with its subscription.
type attached struct {
	broker       *Broker
	id           core.ComponentID
	receiver     core.Receiver
	mail         *mailbox    // a durable mailbox, or nil
	valid        func() bool // the claim of the component is valid; nil without one
	mu           sync.Mutex  // guards subscription
	subscription *natsgo.Subscription
	beside       *natsgo.Subscription // of a component that has just come, until it has ended; guarded by mu
	detached     atomic.Bool
	from         *origin          // the host that sent last; used by the subscription's goroutine alone
	sender       core.ComponentID // the last one; likewise
	out          []byte           // memory for receipts, likewise
	held         time.Time        // until when the messages of the frame may wait for room, or zero; likewise
	again        *time.Timer      // ends a pause; likewise
	stuck        bool             // the component has had no room for holdTime; likewise
	first        bool             // the frame follows the component from its former host; likewise
	left         bool             // it has moved to another host: late messages still go to receiver; guarded by mu
	leaving      atomic.Pointer[taken]
	arrival      *arrival // of a component that has come from another host, or nil
	progress     progress // likewise
}

// group is the queue group of all hosts: should two have the same component, one of them gets each
// frame.
const group = "airhost"

// subscribe begins to take messages from other hosts.
func (a *attached) subscribe() (err error) {
	b := a.broker
	a.mu.Lock()
	defer a.mu.Unlock()
	if b.config.Aside || a.detached.Load() { // detached before it was attached
		return nil
	}
	if a.arrival == nil {
		a.subscription, err = b.queueSubscribe(a.id, a.arrived)
		return err
	}
	a.subscription, err = b.server.Subscribe(b.subjects.to(a.id), a.arrival.came)
	return withRoom(a.subscription, err)
}

func (b *Broker) queueSubscribe(id core.ComponentID, handle natsgo.MsgHandler) (*natsgo.Subscription, error) {
	s, err := b.server.QueueSubscribe(b.subjects.to(id), group, handle)
	return s, withRoom(s, err)
}

// withRoom gives a subscription room for all messages that the other hosts' credit allows: none is
// dropped here, and no server takes this host for too slow.
func withRoom(s *natsgo.Subscription, err error) error {
	if err != nil {
		return err
	}
	return s.SetPendingLimits(-1, maxArrivals)
}

// maxArrivals bounds the bytes of frames that wait for a component. Hosts that keep to their credit
// stay far below.
const maxArrivals = 256 << 20

// end takes no messages any more. Those that have come are refused, since the component is not
// attached.
func (a *attached) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left {
		return
	}
	a.detached.Store(true)
	if a.mail != nil {
		a.mail.end()
	}
	a.broker.drain(a.beside) // first: a frame that comes to it alone would be refused, and another host may have it
	a.broker.drain(a.subscription)
}

// drain ends a subscription when its messages are handled. It may be nil.
func (b *Broker) drain(s *natsgo.Subscription) {
	if s != nil {
		b.endSubscription(s)
	}
}

// arrived takes a frame of messages, and answers it by a receipt.
func (a *attached) arrived(in *natsgo.Msg) {
	b := a.broker
	if !b.enter() {
		return // the sender gets no receipt
	}
	defer b.work.Done()
	if t := a.leaving.Load(); t != nil && !t.take(in.Reply) {
		return // the host that has the component has it too
	}
	r := reader{rest: in.Data}
	host := r.open(messagesFrame)
	if r.err != nil || !b.subjects.isReceipt(in.Reply, host) {
		b.refuseFrame(in, r.err)
		return
	}
	route, number, ok := b.subjects.parseReceipt(in.Reply)
	if ok && a.progress.isLate(host, route, number) {
		b.discard(in, errLate)
		return
	}
	if a.from == nil || a.from.host != host {
		a.from = b.origin(host)
	}
	a.held = time.Time{}
	refusals, waits := a.takeAll(&r)
	if r.err != nil {
		b.discard(in, r.err)
	}
	window, bytes := b.grants.grant(host, a.id)
	if a.stuck {
		window = minGranted
	}
	if waits && len(refusals) == 0 && ok {
		a.from.confirm(frameReceipt{route, number, window, bytes})
		return
	}
	a.out = appendReceipt(a.out[:0], receipt{host: b.config.Host, window: window, bytes: bytes, refusals: refusals})
	if err := b.publish(in.Reply, "", a.out); err != nil {
		b.log.Debug("a receipt could not be sent", "to", host, "reason", err.Error())
	}
}

// takeAll hands the messages of a frame to the component. After a fault in the frame it refuses
// the rest. It reports whether there are requests that were taken: the receipt may wait for their
// outcomes.
func (a *attached) takeAll(r *reader) (refusals []refusal, requests bool) {
	now := time.Now().UnixNano()
	over, refused := a.valid != nil && !a.valid(), error(nil)
	for i := 0; r.more(); i++ {
		correlation, deadline, sender, payload := r.message(now)
		if r.err != nil {
			reason := &core.MessagingError{Case: core.CaseUnavailable, Text: "host " + a.broker.config.Host + " could not read the message: " + r.err.Error()}
			return append(refusals, refusal{index: i, reason: reason, rest: true}), requests
		}
		if r.changed {
			refused = a.refusedBy(over, r)
		}
		err := refused
		if err == nil {
			err = a.take(correlation, deadline, sender, payload)
		}
		if err != nil {
			refusals = append(refusals, refusal{index: i, reason: core.AsMessagingError(err), store: err == errStore})
		} else if correlation != 0 {
			requests = true
		}
	}
	return refusals, requests
}

// refuseFrame answers a frame that is not understood: its sender may be a host of a later version,
// which then need not wait, and can use this one.
func (b *Broker) refuseFrame(in *natsgo.Msg, err error) {
	if err == nil {
		err = errFrame
	}
	b.discard(in, err)
	if strings.HasPrefix(in.Reply, b.subjects.prefix+".host.") {
		_ = b.publish(in.Reply, "", appendHead(nil, versionFrame, b.config.Host)) // an error means that nobody waits
	}
}

// take hands a message to the component.
func (a *attached) take(correlation core.RequestID, deadline int64, sender, payload []byte) error {
	b := a.broker
	if a.sender.String() != string(sender) {
		id, err := core.ParseComponentID(string(sender))
		if err != nil {
			return &core.MessagingError{Case: core.CaseInvalidArgument, Text: "sender: " + err.Error()}
		}
		a.sender = id
	}
	if a.detached.Load() {
		return b.nobodyHas(a.id)
	}
	if a.mail != nil && correlation == 0 { // a host that does not know of the mailbox has sent it
		return errStore
	}
	m := core.NewMessage(payload)
	m.Sender, m.Target = a.sender, a.id
	if correlation != 0 {
		m.Correlation, m.Deadline, m.Origin = correlation, deadline, a.from
	}
	if err := a.deliver(m); err != nil {
		m.Release()
		return err
	}
	b.counts.arrived.Add(1)
	return nil
}

const (
	// holdTime is how long the messages of a frame wait for a component that has no room, and all
	// behind it: the senders get no receipts, and their windows make them refuse others at once.
	holdTime = time.Second
	// holdPause is the time to the next attempt, twice that to the one after it, and longestPause at
	// most: a component that is fast has room soon, and one that is slow costs few attempts.
	holdPause    = 20 * time.Microsecond
	longestPause = 200 * time.Microsecond
)

// deliver hands a message over. While the component has no room it waits, unless that has been in
// vain before.
func (a *attached) deliver(m *core.Message) error {
	if a.first {
		return a.receiver.(core.Successor).DeliverFirst(m)
	}
	err := a.receiver.Deliver(m)
	if err == nil || a.stuck || !errors.Is(err, core.ErrQueueFull) {
		a.stuck = a.stuck && err != nil
		return err
	}
	if a.held.IsZero() {
		a.held = time.Now().Add(holdTime)
	}
	for pause := holdPause; errors.Is(err, core.ErrQueueFull) && !a.detached.Load(); pause = min(2*pause, longestPause) {
		if time.Now().After(a.held) {
			a.stuck = true
			return err
		}
		if a.again == nil {
			a.again = time.NewTimer(pause)
		} else {
			a.again.Reset(pause)
		}
		select {
		case <-a.again.C:
			err = a.receiver.Deliver(m)
		case <-a.broker.done:
			return err
		}
	}
	return err
}
