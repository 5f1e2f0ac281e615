package host

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
)

// topics is the side of the host that a broker uses which carries publications.
var _ core.TopicHome = (*topics)(nil)

// join makes a broker carry publications, if it can.
func (t *topics) join(broker core.Broker) {
	if carrier, ok := broker.(core.TopicCarrier); ok {
		t.carrier = carrier
		carrier.JoinTopics(t)
	}
}

// tellCarrier says that other hosts may have to know of other subscriptions.
func (t *topics) tellCarrier() {
	if t.carrier != nil {
		t.carrier.SubscriptionsChanged()
	}
}

// spread hands a publication to the broker for other hosts, if it carries publications, and returns the
// subscribers of this host, which may be nil. With an error nothing has happened.
func (t *topics) spread(topic core.Topic, sender core.ComponentID, payload []byte) (*matches, error) {
	found := t.find(topic)
	if t.carrier != nil {
		if err := t.carrier.Publish(topic, sender, payload, found.served()); err != nil {
			return nil, boundError(err)
		}
	}
	return found, nil
}

// served are the queue groups of which this host has members.
func (m *matches) served() []string {
	if m == nil {
		return nil
	}
	return m.queues
}

// DeliverPublished implements [core.TopicHome]. It goes on while the host stops: what other hosts have
// sent before is handled like messages that are under way.
func (t *topics) DeliverPublished(topic core.Topic, queue string, sender core.ComponentID, payload []byte) {
	found := t.find(topic)
	if found == nil {
		return
	}
	part := matches{each: found.each}
	if queue != "" {
		i := slices.Index(found.queues, queue)
		if i < 0 {
			return
		}
		part = matches{groups: found.groups[i : i+1]}
	}
	t.host.deliverFor(&part, sender, payload)
}

// Subscriptions implements [core.TopicHome]. A host that stops has none.
func (t *topics) Subscriptions() []core.TopicSubscription {
	if t.host.stopping.Load() {
		return nil
	}
	all := t.shared()
	slices.SortFunc(all, func(a, b core.TopicSubscription) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), widerFirst(a.Topic.String(), b.Topic.String()), cmp.Compare(a.Topic.String(), b.Topic.String()))
	})
	trees := make(map[string]*topicNode) // by queue
	return slices.DeleteFunc(all, func(s core.TopicSubscription) bool {
		tree := trees[s.Queue]
		if tree == nil {
			tree = new(topicNode)
			trees[s.Queue] = tree
		}
		covered := tree.covers(s.Topic.String())
		if !covered {
			tree.add(s.Topic, subscribed{})
		}
		return covered
	})
}

// shared returns the subscriptions of all components in which other hosts have a part.
func (t *topics) shared() (all []core.TopicSubscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, list := range t.of {
		for i, s := range list {
			if s.isShared(list[:i]) {
				all = append(all, core.TopicSubscription(s))
			}
		}
	}
	return all
}

// isShared reports whether other hosts have a part in a subscription, which its component has after
// others. Of a queue group one host alone gets a message from another one, which cannot know on which
// topics an earlier entry counts, so that the component is no member.
func (s Subscription) isShared(earlier []Subscription) bool { return s.rival(earlier) < 0 }

// rival returns the index of the first entry because of which a subscription is not shared, or -1.
func (s Subscription) rival(earlier []Subscription) int {
	return slices.IndexFunc(earlier, func(e Subscription) bool {
		return s.Queue != "" && e.Queue != s.Queue && e.Topic.Overlaps(s.Topic)
	})
}

// warnOfRivals logs the subscriptions of a component in which other hosts have no part.
func (t *topics) warnOfRivals(c *component, subscriptions []Subscription) {
	for i, s := range subscriptions {
		if k := s.rival(subscriptions[:i]); k >= 0 {
			t.host.log.Warn("a component gets nothing of other hosts by a queue group, since an earlier entry overlaps: put the one with the queue first",
				"component", c.id.String(), "topic", s.Topic.String(), "queue", s.Queue, "earlier", subscriptions[k].Topic.String())
		}
	}
}

// widerFirst compares patterns so that one comes before all that it covers.
func widerFirst(a, b string) int {
	return cmp.Or(cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")), cmp.Compare(width(b), width(a)))
}

// width is greater for a pattern than for all others that it covers and that have as many parts.
func width(pattern string) int {
	w := strings.Count(pattern, core.AnyTopicPart)
	if strings.HasSuffix(pattern, core.AnyTopicParts) {
		w += core.MaxTopicParts + 1
	}
	return w
}

// covers reports whether a pattern of the tree matches all that another one does, of which these are the
// parts.
func (n *topicNode) covers(parts string) bool {
	if len(n.rest) > 0 {
		return true
	}
	part, parts, more := strings.Cut(parts, ".")
	if part == core.AnyTopicParts {
		return false
	}
	for _, key := range [...]string{part, core.AnyTopicPart} {
		if next := n.next[key]; next != nil && (more && next.covers(parts) || !more && len(next.here) > 0) {
			return true
		}
	}
	return false
}
