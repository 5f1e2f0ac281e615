package host

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// topics are the subscriptions of all components that are deployed. A publication looks into a
// table that does not change. A change of a subscription makes a new one, which the next
// publication fills: so many changes in a row cost little.
type topics struct {
	host    *Host
	carrier core.TopicCarrier          // the broker, if it is one
	table   atomic.Pointer[topicTable] // nil while nobody subscribes

	published atomic.Uint64 // publications of Go programs
	gone      uint64        // publications of components that were removed; the host's lock guards it

	mu    mutex[ofLeaf] // guards the following
	of    map[*component][]Subscription
	turns map[string]*atomic.Uint64 // of queue groups, by their names; they outlive a table
}

// set makes these the subscriptions of c. The caller then changes the host's epoch.
func (t *topics) set(c *component, subscriptions []Subscription) {
	if t.change(c, subscriptions) && t.carrier != nil {
		t.warnOfRivals(c, subscriptions)
		t.tellCarrier()
	}
}

func (t *topics) change(c *component, subscriptions []Subscription) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Equal(t.of[c], subscriptions) {
		return false
	}
	if t.of == nil {
		t.of, t.turns = make(map[*component][]Subscription), make(map[string]*atomic.Uint64)
	}
	if len(subscriptions) > 0 {
		t.of[c] = subscriptions
	} else {
		delete(t.of, c)
	}
	var next *topicTable
	if len(t.of) > 0 {
		next = &topicTable{topics: t}
	}
	t.table.Store(next)
	return true
}

// find returns the subscribers of a topic, or nil if there are none.
func (t *topics) find(topic core.Topic) *matches {
	table := t.table.Load()
	if table == nil {
		return nil
	}
	return table.find(topic)
}

// maxKnownTopics is of how many topics a table keeps the matches at most. Together these take
// 4 KiB for each subscriber.
const maxKnownTopics = 512

// topicTable is one state of all subscriptions.
type topicTable struct {
	topics *topics
	root   atomic.Pointer[topicNode] // of the tree of all patterns; nil until a topic was looked up
	known  [maxKnownTopics]atomic.Pointer[matches]
}

// matches are the subscribers of a topic.
type matches struct {
	topic  core.Topic
	each   []*listener // each of them gets the message
	groups []group
	queues []string // the names of the groups
}

// group is a queue group: one of its members gets the message.
type group struct {
	turn    *atomic.Uint64 // counts the messages of all groups of its name
	members []*listener
}

// listener is a component that has subscribed, with the way to it.
type listener struct {
	id core.ComponentID
	way
	refusal error // why there is no way, or nil
}

func (s *listener) deliver(m *core.Message, w *worker) error {
	if s.refusal != nil {
		return s.refusal
	}
	m.Target = s.id
	return s.way.deliver(m, w)
}

// topicSeed places topics in tables.
var topicSeed = maphash.MakeSeed()

// find returns the subscribers of a topic, which may be none.
func (t *topicTable) find(topic core.Topic) *matches {
	place := &t.known[maphash.String(topicSeed, topic.String())%maxKnownTopics]
	if found := place.Load(); found != nil && found.topic == topic {
		return found
	}
	root := t.root.Load()
	if root == nil {
		root = t.topics.tree()
		t.root.Store(root)
	}
	found := root.matches(topic)
	place.Store(found)
	return found
}

// topicNode is a node of the tree of patterns: where the first parts of some patterns lead to.
type topicNode struct {
	next map[string]*topicNode // by the next part, which may be core.AnyTopicPart
	here []subscribed          // patterns that end here
	rest []subscribed          // patterns that end with core.AnyTopicParts after this
}

// subscribed is one subscription of a listener.
type subscribed struct {
	*listener
	number int // of the listener
	place  int // in its list
	queue  string
	turn   *atomic.Uint64 // of the queue, if it has one
}

// tree returns the tree of all subscriptions.
func (t *topics) tree() *topicNode {
	components, lists, turns := t.list()
	root := new(topicNode)
	for number, c := range components {
		s := &listener{id: c.id}
		s.way, s.refusal = t.host.wayTo(c.id)
		for place, subscription := range lists[number] {
			root.add(subscription.Topic, subscribed{s, number, place, subscription.Queue, turns[subscription.Queue]})
		}
	}
	return root
}

// list returns all components that have subscribed, sorted by id, with their subscriptions, and
// the turns of all queue groups.
func (t *topics) list() (components []*component, lists [][]Subscription, turns map[string]*atomic.Uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	components = slices.SortedFunc(maps.Keys(t.of), func(a, b *component) int { return cmp.Compare(a.id.String(), b.id.String()) })
	turns = make(map[string]*atomic.Uint64)
	for _, c := range components {
		lists = append(lists, t.of[c])
		for _, s := range t.of[c] {
			if s.Queue != "" && turns[s.Queue] == nil {
				turns[s.Queue] = orDefault(t.turns[s.Queue], new(atomic.Uint64))
			}
		}
	}
	t.turns = maps.Clone(turns)
	return components, lists, turns
}

func (n *topicNode) add(pattern core.TopicPattern, s subscribed) {
	for part := range strings.SplitSeq(pattern.String(), ".") {
		if part == core.AnyTopicParts {
			n.rest = append(n.rest, s)
			return
		}
		next := n.next[part]
		if next == nil {
			next = new(topicNode)
			if n.next == nil {
				n.next = make(map[string]*topicNode)
			}
			n.next[part] = next
		}
		n = next
	}
	n.here = append(n.here, s)
}

// collect adds all subscriptions to found that match the parts of a topic.
func (n *topicNode) collect(parts string, found []subscribed) []subscribed {
	found = append(found, n.rest...)
	part, parts, more := strings.Cut(parts, ".")
	for _, key := range [...]string{part, core.AnyTopicPart} {
		next := n.next[key]
		switch {
		case next == nil:
		case more:
			found = next.collect(parts, found)
		default:
			found = append(found, next.here...)
		}
	}
	return found
}

// matches returns the subscribers of a topic. Of each, the first subscription counts that
// matches.
func (n *topicNode) matches(topic core.Topic) *matches {
	found := n.collect(topic.String(), nil)
	slices.SortFunc(found, func(a, b subscribed) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.place, b.place))
	})
	found = slices.CompactFunc(found, func(a, b subscribed) bool { return a.number == b.number })
	m := &matches{topic: topic}
	at := make(map[string]int) // places of queue groups in m.groups
	for _, s := range found {
		if s.queue == "" {
			m.each = append(m.each, s.listener)
			continue
		}
		i, known := at[s.queue]
		if !known {
			i = len(m.groups)
			at[s.queue] = i
			m.groups, m.queues = append(m.groups, group{turn: s.turn}), append(m.queues, s.queue)
		}
		m.groups[i].members = append(m.groups[i].members, s.listener)
	}
	return m
}
