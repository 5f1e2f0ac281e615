package host

import (
	"fmt"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// publishing is a component's side of the topics on which it publishes. It belongs to the
// component's owner, but for the count.
type publishing struct {
	epoch uint64 // of the host's configuration that the permissions are for
	last  *topicPermission
	known map[string]*topicPermission
	taken atomic.Uint64 // publications; others read it
}

// topicPermission says whether a component may publish on a topic.
type topicPermission struct {
	topic   core.Topic
	refusal error // why it may not, or nil
}

// Publish implements [core.Publisher].
func (c *component) Publish(topic, message []byte) error {
	c.breakChain()
	if c.publishing == nil {
		c.startPublishing()
	}
	p, err := c.permissionOn(topic)
	if err == nil {
		err = p.refusal
	}
	if err == nil {
		err = c.charge(message)
	}
	var found *matches
	if err == nil {
		if found, err = c.host.topics.spread(p.topic, c.id, message); err != nil {
			c.sender.quota.refund(1)
		}
	}
	if err != nil {
		c.counts.Sent++
		return c.refused(topic, "publish", err)
	}
	c.publishing.taken.Add(1)
	if found != nil {
		c.counts.Sent += c.host.deliverTo(found, publication{c.id, message, c})
	}
	return nil
}

func (c *component) startPublishing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publishing = new(publishing)
}

// publicationsLocked returns how many publications of c were taken.
func (c *component) publicationsLocked() uint64 {
	if c.publishing == nil {
		return 0
	}
	return c.publishing.taken.Load()
}

// takePublicationsLocked returns what publicationsLocked does, for others to add it to theirs. c
// publishes no more.
func (c *component) takePublicationsLocked() uint64 {
	n := c.publicationsLocked()
	c.publishing = nil
	return n
}

// addPublicationsLocked adds publications of another component to c's, which the caller owns.
func (c *component) addPublicationsLocked(n uint64) {
	if n == 0 {
		return
	}
	if c.publishing == nil {
		c.publishing = new(publishing)
	}
	c.publishing.taken.Add(n)
}

// permissionOn returns c's permission for a topic.
func (c *component) permissionOn(topic []byte) (*topicPermission, error) {
	a := c.publishing
	if epoch := c.host.epoch.Load(); epoch != a.epoch {
		a.epoch, a.last, a.known = epoch, nil, nil
	}
	if p := a.last; p != nil && p.topic.String() == string(topic) {
		return p, nil
	}
	p := a.known[string(topic)]
	if p == nil {
		var err error
		if p, err = c.newTopicPermission(topic); err != nil {
			return nil, err
		}
	}
	a.last = p
	return p, nil
}

func (c *component) newTopicPermission(topic []byte) (*topicPermission, error) {
	// A text that is longer than a topic may be is not copied as a whole.
	t, err := core.ParseTopic(string(topic[:min(len(topic), core.MaxTopic+1)]))
	if err != nil {
		return nil, &core.MessagingError{Case: core.CaseInvalidArgument, Text: "topic: " + err.Error()}
	}
	p := &topicPermission{topic: t}
	switch {
	case !grantsTopic(c.deployment.Capabilities.Publish, t):
		p.refusal = &core.MessagingError{Case: core.CaseCapabilityDenied, Text: t.String()}
	case c.host.stopping.Load():
		p.refusal = errStopping
	}
	if c.publishing.known == nil || len(c.publishing.known) >= maxRoutes {
		c.publishing.known = make(map[string]*topicPermission)
	}
	c.publishing.known[t.String()] = p
	return p, nil
}

func grantsTopic(granted []core.TopicPattern, topic core.Topic) bool {
	for _, pattern := range granted {
		if pattern.Matches(topic) {
			return true
		}
	}
	return false
}

// publication is a message that goes to all subscribers of a topic.
type publication struct {
	sender  core.ComponentID
	payload []byte
	by      *component // that publishes, on its worker, or nil
}

// message returns a message with a copy of the payload.
func (p *publication) message() *core.Message {
	if p.by != nil {
		return p.by.newMessage(core.ComponentID{}, p.payload)
	}
	m := core.NewMessage(p.payload)
	m.Sender = p.sender
	return m
}

// deliverTo gives a publication to each subscriber, and to one of each queue group. A
// subscriber that cannot take it costs a dead letter. It returns the number of messages.
func (h *Host) deliverTo(found *matches, p publication) (sent uint64) {
	var w *worker
	if p.by != nil {
		w = p.by.sched.worker
	}
	for _, s := range found.each {
		m := p.message()
		if err := s.deliver(m, w); err != nil {
			m.Target = s.id
			h.deadLetter(m, err)
		}
	}
	for i := range found.groups {
		h.deliverToOne(&found.groups[i], p.message(), w)
	}
	return uint64(len(found.each) + len(found.groups))
}

// deliverToOne gives m to a member of a queue group: to the next one in turn, or the first
// after it that takes the message. If none does it is a dead letter of the one in turn.
func (h *Host) deliverToOne(g *group, m *core.Message, w *worker) {
	n := uint64(len(g.members))
	first := (g.turn.Add(1) - 1) % n
	var reason error
	for i := range n {
		err := g.members[(first+i)%n].deliver(m, w)
		if err == nil {
			return
		}
		if reason == nil {
			reason = err
		}
	}
	m.Target = g.members[first].id
	h.deadLetter(m, reason)
}

// Publish sends a message to all components that have subscribed to a topic, on other hosts too if
// the broker is a [core.TopicCarrier]: each of them gets it once, fire-and-forget, with [core.HostID]
// as the sender. Of a queue group one component gets it. payload is not kept, nor changed. An error is a [core.MessagingError], and nothing
// has happened then. That nobody has subscribed is no error; a subscriber that cannot take the
// message costs a dead letter. It does not block.
func (h *Host) Publish(topic core.Topic, payload []byte) error {
	return Caller{h, core.HostID}.Publish(topic, payload)
}

// Publish is [Host.Publish], with the caller's id as the sender.
func (s Caller) Publish(topic core.Topic, payload []byte) error {
	h := s.host
	err := h.canPublish(topic)
	var found *matches
	if err == nil {
		found, err = h.topics.spread(topic, s.id, payload)
	}
	if err != nil {
		h.counts.sent.Add(1)
		return fmt.Errorf("publication on %q: %w", topic, h.refused(err))
	}
	h.deliverFor(found, s.id, payload)
	h.topics.published.Add(1)
	return nil
}

// DeliverPublication gives a publication of a component of another host to all subscribers of
// this one. It is for a program that connects hosts by itself: a broker that is a
// [core.TopicCarrier] does so, and this publication does not go to it. It is not counted as a
// publication here; its messages count as sent. payload is not kept, nor changed. An error is a
// [core.MessagingError], and nothing has happened then. It does not block.
func (h *Host) DeliverPublication(topic core.Topic, sender core.ComponentID, payload []byte) error {
	err := h.canPublish(topic)
	if err == nil {
		h.deliverFor(h.topics.find(topic), sender, payload)
	}
	return err
}

func (h *Host) canPublish(topic core.Topic) error {
	switch {
	case topic.IsZero():
		return errNoTopic
	case h.stopping.Load():
		return errStopping
	}
	return nil
}

// deliverFor delivers a publication of a sender that is no component of this host. found may be nil.
func (h *Host) deliverFor(found *matches, sender core.ComponentID, payload []byte) {
	if found == nil {
		return
	}
	h.counts.sent.Add(uint64(len(found.each) + len(found.groups))) // before they can be handled
	h.deliverTo(found, publication{sender: sender, payload: payload})
}

var errNoTopic = &core.MessagingError{Case: core.CaseInvalidArgument, Text: "topic: it is empty"}
