package nats

import (
	"context"
	"slices"
	"sync"

	"github.com/airhost/airhost/core"
)

var _ core.TopicCarrier = (*Broker)(nil)

const (
	// maxPublications and maxPublicationBytes bound the publications that wait to be sent.
	maxPublications     = 8192
	maxPublicationBytes = 16 << 20
	// framePublications is how many go into one frame at most: a host of a queue group gets it as a whole.
	framePublications = 64
	// maxTopics is of how many frames the broker knows the topic, should the server forbid it.
	maxTopics = 256
)

// publications go from this host to all others. A change of the subscriptions waits in the same line, so
// that the server knows of it before it gets later publications.
type publications struct {
	broker  *Broker
	home    core.TopicHome // nil if the host has no topics
	arrival arrivals

	mu      sync.Mutex // guards the fields below
	waiting []publication
	spare   []publication // memory for waiting
	taken   int           // publications that are not sent yet
	bytes   int           // of their payloads
	queued  bool          // the outbox has this
	recent  [maxTopics]sentFrame
	sent    uint64 // the number of the last frame
}

// publication waits to be sent.
type publication struct {
	topic   core.Topic
	served  []string
	message *core.Message // nil: the subscriptions have changed
	settled chan struct{} // if not nil, closed when the change is in place
}

// sentFrame is a frame that the server may forbid.
type sentFrame struct {
	subject      string
	publications int
}

// JoinTopics implements [core.TopicCarrier].
func (b *Broker) JoinTopics(home core.TopicHome) { b.topics.home = home }

// Publish implements [core.TopicCarrier].
func (b *Broker) Publish(topic core.Topic, sender core.ComponentID, payload []byte, served []string) error {
	m := core.NewMessage(payload)
	m.Sender = sender
	if err := b.topics.take(publication{topic: topic, served: served, message: m}); err != nil {
		m.Release()
		return err
	}
	return nil
}

// take takes a publication, which is lost at once if there is no connection.
func (p *publications) take(one publication) *core.MessagingError {
	b, size := p.broker, len(one.message.Payload)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch refused := b.refusal.Load(); { // under the lock: Close looks at all that wait afterwards
	case refused == errClosed:
		return refused
	case refused != nil:
		b.counts.unpublished.Add(1)
		one.message.Release()
		return nil
	}
	most := b.maxPayload()
	for _, queue := range one.served {
		most -= len(queue) + 1
	}
	switch {
	case size > most:
		return tooLargeToSend(size, max(0, most))
	case p.taken >= maxPublications || p.taken > 0 && p.bytes+size > maxPublicationBytes:
		return errManyPublications
	}
	p.taken++
	p.bytes += size
	p.addLocked(one)
	return nil
}

var errManyPublications = &core.MessagingError{Case: core.CaseQueueFull, Text: "publications for other hosts wait for the NATS server"}

// SubscriptionsChanged implements [core.TopicCarrier].
func (b *Broker) SubscriptionsChanged() {
	p := &b.topics
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := len(p.waiting) > 0 && p.waiting[len(p.waiting)-1].message == nil
	if p.home != nil && !changed && b.refusal.Load() != errClosed {
		p.addLocked(publication{})
	}
}

// AwaitSubscriptions implements [core.TopicCarrier].
func (b *Broker) AwaitSubscriptions(ctx context.Context) {
	p := &b.topics
	settled := make(chan struct{})
	p.mu.Lock()
	waits := p.home != nil && b.refusal.Load() == nil
	if waits {
		p.addLocked(publication{settled: settled})
	}
	p.mu.Unlock()
	if !waits {
		return
	}
	select {
	case <-settled:
	case <-b.done:
	case <-ctx.Done():
	}
}

func (p *publications) addLocked(one publication) {
	p.waiting = append(p.waiting, one)
	if !p.queued {
		p.queued = true
		p.broker.outbox.add(p)
	}
}

// flush sends all that wait. The outbox calls it, and does other work before those that come meanwhile.
func (p *publications) flush(buffer []byte) []byte {
	p.mu.Lock()
	all := p.waiting
	p.waiting, p.spare = p.spare[:0], nil
	p.mu.Unlock()
	for rest := all; len(rest) > 0; {
		n := 1
		if rest[0].message == nil {
			p.broker.followSubscriptions(rest[0].settled)
		} else {
			n = p.nextFrame(rest)
			buffer = p.send(buffer[:0], rest[:n])
		}
		rest = rest[n:]
	}
	clear(all)
	p.mu.Lock()
	defer p.mu.Unlock()
	if cap(all) <= maxPublications {
		p.spare = all
	}
	if p.queued = len(p.waiting) > 0; p.queued {
		p.broker.outbox.add(p)
	}
	return buffer
}

// nextFrame returns how many of the publications go into one frame: those in a row that have the same
// topic, and are for the same hosts.
func (p *publications) nextFrame(all []publication) (n int) {
	most := min(frameBytes, p.broker.maxPayload())
	for size := 0; n < len(all) && n < framePublications; n++ {
		one, first := &all[n], &all[0]
		if one.message == nil || one.topic != first.topic || !slices.Equal(one.served, first.served) {
			break
		}
		if size += len(one.message.Payload) + frameSlack/4; n > 0 && size > most {
			break
		}
	}
	return n
}

// send sends publications as one frame. Without a connection they are lost.
func (p *publications) send(buffer []byte, all []publication) []byte {
	b, subject := p.broker, p.broker.subjects.topics(all[0].topic.String())
	sequence := p.noteSent(subject, len(all))
	buffer = appendPublications(buffer, b.config.Host, b.run, sequence, all[0].served)
	bytes := 0
	for _, one := range all {
		buffer = appendPublication(buffer, one.message.Sender, one.message.Payload)
		bytes += len(one.message.Payload)
		one.message.Release()
	}
	if err := b.publish(subject, "", buffer); err != nil {
		b.counts.unpublished.Add(uint64(len(all)))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken -= len(all)
	p.bytes -= bytes
	return buffer
}

// noteSent returns the number of the next frame, which the server may forbid.
func (p *publications) noteSent(subject string, publications int) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	p.recent[p.sent%maxTopics] = sentFrame{subject, publications}
	return p.sent
}

// forbidden counts the publications of the first frame on a subject that the server does not take. It
// tells of each frame.
func (p *publications) forbidden(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 1 // it was sent long ago
	for i := range uint64(maxTopics) {
		if f := &p.recent[(p.sent+1+i)%maxTopics]; f.subject == subject {
			n = f.publications
			*f = sentFrame{}
			break
		}
	}
	p.broker.counts.unpublished.Add(uint64(n))
}

// end counts those that could not be sent before the broker was closed.
func (p *publications) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.waiting {
		if one.message != nil {
			one.message.Release()
			p.broker.counts.unpublished.Add(1)
		}
	}
	p.waiting = nil
}
