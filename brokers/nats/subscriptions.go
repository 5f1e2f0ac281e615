package nats

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

const (
	// maxFrames and maxFrameBytes bound the frames of publications that wait for this host.
	maxFrames     = 8192
	maxFrameBytes = 64 << 20
	// maxPublishers is of how many runs of hosts, in how many queue groups, the last frame is known.
	maxPublishers = 4096
)

// arrivals are the publications of other hosts. All subscriptions lead to one goroutine, so that they
// stay in order and one that comes by two subscriptions is known.
type arrivals struct {
	came  chan *natsgo.Msg // from the connection, which drops those without room; nil before the first one
	ready chan *natsgo.Msg // to be delivered
	bytes atomic.Int64     // of ready

	mu            sync.Mutex // guards the fields up to settling; the outbox alone changes subscriptions
	subscriptions map[core.TopicSubscription]*natsgo.Subscription
	dropped       uint64          // by the connection, of subscriptions that have ended
	settling      []chan struct{} // to be closed one after the other when a message without a subscription comes

	told   time.Time // when a drop was last logged; used by takeInPublications alone
	untold uint64    // publications dropped since then; likewise

	last   map[arrivalLine]*lastFrame // used by deliverPublications alone
	frames uint64                     // that have come; likewise
	sender core.ComponentID           // the last one; likewise
}

// arrivalLine is on which the frames of a publisher come in order: by the subscriptions of no queue, or
// by those of one.
type arrivalLine struct {
	publisher
	queue string
}

// lastFrame is the last one of a line.
type lastFrame struct{ sequence, came uint64 }

// followSubscriptions makes the subscriptions at the server those of the host. The outbox calls it. Those
// that begin come first: nothing is missed if they take the place of others. settled, if it is not
// nil, is closed when all is in place.
func (b *Broker) followSubscriptions(settled chan struct{}) {
	a := &b.topics.arrival
	wanted := make(map[core.TopicSubscription]bool)
	for _, s := range b.topics.home.Subscriptions() {
		if wanted[s] = true; a.subscriptions[s] == nil {
			if err := b.subscribe(s); err != nil {
				b.log.Error("NATS refused something", "reason", err.Error(), "subject", b.subjects.topics(s.Topic.String()))
			}
		}
	}
	for s, at := range a.subscriptions {
		if !wanted[s] {
			a.forget(s)
			b.endSubscription(at)
		}
	}
	switch {
	case settled == nil:
	case a.came == nil: // there has been no subscription yet
		close(settled)
	default:
		b.work.Go(func() { b.settle(settled) })
	}
}

// settle closes settled when the server knows of all subscriptions, and the frames that have come until then
// are delivered.
func (b *Broker) settle(settled chan struct{}) {
	a := &b.topics.arrival
	if b.server.FlushTimeout(b.config.Lease) != nil { // an error means that the connection is lost
		close(settled)
		return
	}
	a.mu.Lock()
	a.settling = append(a.settling, settled)
	a.mu.Unlock()
	select {
	case a.came <- new(natsgo.Msg): // it comes after those frames
	case <-b.done:
	}
}

// settled closes the first one of those that wait for a message without a subscription.
func (a *arrivals) settled() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.settling[0])
	a.settling = a.settling[1:]
}

// endSubscription ends a subscription. Frames that are under way still come, unless the connection is
// lost: then one that is drained would come back with it.
func (b *Broker) endSubscription(at *natsgo.Subscription) {
	if b.refusal.Load() != nil || at.Drain() != nil {
		_ = at.Unsubscribe() // an error means that it has ended
		return
	}
	b.noteDraining(at)
}

// forget forgets a subscription, but for the frames that the connection has dropped.
func (a *arrivals) forget(s core.TopicSubscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropped += droppedBy(a.subscriptions[s])
	delete(a.subscriptions, s)
}

func (a *arrivals) note(s core.TopicSubscription, at *natsgo.Subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.subscriptions[s] = at
}

// droppedBy returns how many frames the connection has dropped, which has the bound of came.
func droppedBy(at *natsgo.Subscription) uint64 {
	n, err := at.Dropped()
	if err != nil { // it has ended
		return 0
	}
	return uint64(max(0, n))
}

// allDropped returns how many frames the connection has dropped.
func (a *arrivals) allDropped() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.dropped
	for _, at := range a.subscriptions {
		n += droppedBy(at)
	}
	return n
}

func (b *Broker) subscribe(s core.TopicSubscription) error {
	a := &b.topics.arrival
	if a.came == nil {
		a.came, a.ready = make(chan *natsgo.Msg, maxFrames), make(chan *natsgo.Msg, maxFrames)
		b.work.Go(b.takeInPublications)
		b.work.Go(b.deliverPublications)
	}
	subject := b.subjects.topics(s.Topic.String())
	var at *natsgo.Subscription
	var err error
	if s.Queue == "" {
		at, err = b.server.ChanSubscribe(subject, a.came)
	} else {
		at, err = b.server.ChanQueueSubscribe(subject, s.Queue, a.came)
	}
	if err == nil {
		a.note(s, at)
	}
	return err
}

// takeInPublications keeps the bounds of the frames that wait to be delivered, since those of the
// connection know no bytes.
func (b *Broker) takeInPublications() {
	a := &b.topics.arrival
	for {
		var in *natsgo.Msg
		select {
		case in = <-a.came:
		case <-b.done:
			return
		}
		if in.Sub == nil {
			select {
			case a.ready <- in:
			case <-b.done:
			}
			continue
		}
		if size := int64(len(in.Data)); a.bytes.Add(size) <= maxFrameBytes || len(a.ready) == 0 {
			select {
			case a.ready <- in:
				continue
			default:
			}
		}
		a.bytes.Add(-int64(len(in.Data)))
		b.noteMissed(countPublications(in.Data))
	}
}

// noteMissed counts publications for which there was no room, and logs them at most once a second.
func (b *Broker) noteMissed(publications uint64) {
	a := &b.topics.arrival
	b.counts.missed.Add(publications)
	if a.untold += publications; time.Since(a.told) < time.Second {
		return
	}
	b.log.Warn("publications of other hosts were dropped: they come faster than this host takes them", "publications", a.untold)
	a.told, a.untold = time.Now(), 0
}

// deliverPublications hands the frames to the host, one after the other.
func (b *Broker) deliverPublications() {
	a := &b.topics.arrival
	for {
		select {
		case in := <-a.ready:
			if in.Sub == nil {
				a.settled()
				continue
			}
			a.bytes.Add(-int64(len(in.Data)))
			if err := b.deliverFrame(in); err != nil {
				b.discard(in, err) // the publications before the fault are delivered
			}
		case <-b.done:
			return
		}
	}
}

// deliverFrame delivers the publications of a frame: those that came without a queue to all
// subscribers without one, and those for a queue group to this group.
func (b *Broker) deliverFrame(in *natsgo.Msg) error {
	a := &b.topics.arrival
	topic, err := b.subjects.parseTopic(in.Subject)
	if err != nil {
		return err
	}
	queue := in.Sub.Queue
	r := reader{rest: in.Data}
	from, sequence, served := r.publications(queue)
	switch {
	case r.err != nil:
		return r.err
	case queue == "" && from == publisher{b.config.Host, b.run}: // its own subscribers have it
		return nil
	case queue != "" && served, !a.isNext(arrivalLine{from, queue}, sequence):
		return nil
	}
	for r.more() {
		sender, payload := r.publication()
		if r.err != nil {
			break
		}
		if a.sender.IsZero() || a.sender.String() != string(sender) {
			id, err := core.ParseComponentID(string(sender))
			if err != nil {
				return err
			}
			a.sender = id
		}
		b.topics.home.DeliverPublished(topic, queue, a.sender, payload)
	}
	return r.err
}

// isNext reports whether a frame comes after all others of its line. One that does not has come by
// another subscription, or too late.
func (a *arrivals) isNext(line arrivalLine, sequence uint64) bool {
	last := a.last[line]
	if last == nil {
		if len(a.last) >= maxPublishers {
			a.forgetOld()
		}
		if a.last == nil {
			a.last = make(map[arrivalLine]*lastFrame)
		}
		last = new(lastFrame)
		a.last[line] = last
	}
	if sequence <= last.sequence {
		return false
	}
	a.frames++
	*last = lastFrame{sequence, a.frames}
	return true
}

// forgetOld forgets the half of all lines on which nothing has come for the longest time.
func (a *arrivals) forgetOld() {
	var all []uint64
	for _, last := range a.last {
		all = append(all, last.came)
	}
	slices.Sort(all)
	middle := all[len(all)/2]
	for line, last := range a.last {
		if last.came <= middle {
			delete(a.last, line)
		}
	}
}
