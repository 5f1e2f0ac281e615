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
	came  chan *natsgo.Msg // from the connection, which drops what has no room; nil before the first one
	ready chan *natsgo.Msg // to be delivered
	bytes atomic.Int64     // of ready

	mu            sync.Mutex // guards subscriptions, which the outbox alone changes, and dropped
	subscriptions map[core.TopicSubscription]*natsgo.Subscription
	dropped       uint64 // by the connection, of subscriptions that have ended

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

// followSubscriptions makes the subscriptions at the server those of the host. The outbox calls it.
func (b *Broker) followSubscriptions() {
	a := &b.topics.arrival
	wanted := make(map[core.TopicSubscription]bool)
	for _, s := range b.topics.home.Subscriptions() {
		if wanted[s] = true; a.subscriptions[s] == nil {
			if err := b.subscribe(s); err != nil {
				b.log.Error("NATS refused something", "reason", err.Error(), "subject", b.subjects.topics(s.Topic.String()))
			}
		}
	}
	var replaced []*natsgo.Subscription
	for s, at := range a.subscriptions {
		switch {
		case wanted[s]:
			continue
		case isCovered(s, wanted):
			replaced = append(replaced, at)
		default:
			a.end(at)
		}
		a.set(s, nil)
	}
	if len(replaced) > 0 {
		b.work.Go(func() {
			// When the server knows of those in their place, nothing is missed. An error means that the
			// connection is lost, and what was under way too.
			_ = b.server.FlushTimeout(b.config.Lease)
			for _, at := range replaced {
				a.end(at)
			}
		})
	}
}

func isCovered(s core.TopicSubscription, by map[core.TopicSubscription]bool) bool {
	for w := range by {
		if w.Queue == s.Queue && w.Topic.Covers(s.Topic) {
			return true
		}
	}
	return false
}

func (a *arrivals) set(s core.TopicSubscription, at *natsgo.Subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at == nil {
		delete(a.subscriptions, s)
		return
	}
	a.subscriptions[s] = at
}

// end ends a subscription at the server.
func (a *arrivals) end(at *natsgo.Subscription) {
	dropped := droppedBy(at)
	_ = at.Unsubscribe() // an error means that it has ended
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropped += dropped
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
		a.set(s, at)
	}
	return err
}

// takeInPublications keeps the bounds of what waits to be delivered, since those of the connection
// know no bytes.
func (b *Broker) takeInPublications() {
	a := &b.topics.arrival
	for {
		var in *natsgo.Msg
		select {
		case in = <-a.came:
		case <-b.done:
			return
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
