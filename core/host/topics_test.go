package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/airhost/airhost/core"
)

// silent is a broker with a way to every target.
type silent struct{}

func (silent) Open(context.Context, core.Origin) error       { return nil }
func (silent) Attach(core.ComponentID, core.Receiver) error  { return nil }
func (silent) Detach(core.ComponentID)                       {}
func (silent) Route(core.ComponentID) (core.Receiver, error) { return silent{}, nil }
func (silent) Close(context.Context) error                   { return nil }
func (silent) Deliver(*core.Message) error                   { return nil }

func newTopics() *topics { return &topics{host: &Host{broker: silent{}}} }

// naiveTopics compares a topic with each pattern of each component.
type naiveTopics struct{ of map[string][]Subscription }

// find returns who gets a message: components, and queue groups as "queue: members".
func (n *naiveTopics) find(topic core.Topic) (found []string) {
	groups := make(map[string][]string)
	for _, id := range slices.Sorted(maps.Keys(n.of)) {
		for _, s := range n.of[id] {
			if !s.Topic.Matches(topic) {
				continue
			}
			if s.Queue == "" {
				found = append(found, id)
			} else {
				groups[s.Queue] = append(groups[s.Queue], id)
			}
			break
		}
	}
	for queue, members := range groups {
		found = append(found, fmt.Sprint(queue, ": ", members))
	}
	slices.Sort(found)
	return found
}

// texts returns what naiveTopics.find returns.
func (t *topics) texts(m *matches) (found []string) {
	if m == nil {
		return nil
	}
	for _, s := range m.each {
		found = append(found, s.id.String())
	}
	for _, g := range m.groups {
		var members []string
		for _, s := range g.members {
			members = append(members, s.id.String())
		}
		for queue, turn := range t.turns {
			if turn == g.turn {
				found = append(found, fmt.Sprint(queue, ": ", members))
			}
		}
	}
	slices.Sort(found)
	return found
}

func drawParts(t *rapid.T, parts []string) []string {
	return rapid.SliceOfN(rapid.SampledFrom(parts), 1, 4).Draw(t, "parts")
}

// TestTopicsMatchAsPatternsDo: whatever changes, the table finds who a comparison with all
// patterns finds, and of each component the first subscription that matches counts.
func TestTopicsMatchAsPatternsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics, n := newTopics(), &naiveTopics{of: make(map[string][]Subscription)}
		components := make([]*component, 6)
		for i := range components {
			components[i] = &component{spec: spec{id: core.MustComponentID(fmt.Sprintf("a/%d", i))}}
		}
		t.Repeat(map[string]func(*rapid.T){
			"subscribe": func(t *rapid.T) {
				c := rapid.SampledFrom(components).Draw(t, "component")
				var list []Subscription
				for range rapid.IntRange(0, 3).Draw(t, "subscriptions") {
					parts := drawParts(t, []string{"a", "b", "*"})
					if rapid.Bool().Draw(t, "rest") {
						parts[len(parts)-1] = ">"
					}
					list = append(list, Subscription{core.MustTopicPattern(strings.Join(parts, ".")), rapid.SampledFrom([]string{"", "", "q", "r"}).Draw(t, "queue")})
				}
				topics.set(c, list)
				n.of[c.id.String()] = list
			},
			"find": func(t *rapid.T) {
				topic := core.MustTopic(strings.Join(drawParts(t, []string{"a", "b", "c"}), "."))
				want := n.find(topic)
				for range 2 { // the second time it is known
					if got := topics.texts(topics.find(topic)); !slices.Equal(got, want) {
						t.Fatalf("%s: got %q, want %q of %v", topic, got, want, n.of)
					}
				}
			},
		})
	})
}

// TestNoSubscriptionsNoTable: a host without subscriptions has no table, also after the last
// one has gone.
func TestNoSubscriptionsNoTable(t *testing.T) {
	topics, c := newTopics(), &component{spec: spec{id: core.MustComponentID("a/b")}}
	topic, list := core.MustTopic("x"), []Subscription{{Topic: core.MustTopicPattern(">")}}
	topics.set(c, nil)
	if topics.table.Load() != nil || topics.find(topic) != nil {
		t.Error("there is a table before the first subscription")
	}
	topics.set(c, list)
	before := topics.table.Load()
	topics.find(topic)
	topics.set(c, slices.Clone(list))
	if topics.table.Load() != before {
		t.Error("the same subscriptions made another table")
	}
	topics.set(c, nil)
	if topics.table.Load() != nil || len(topics.of) > 0 {
		t.Error("there is a table after the last subscription")
	}
}

// TestTurnsOutliveTables: a queue group goes on where it was when others subscribe, on whatever
// topic, and starts anew once nobody is in it.
func TestTurnsOutliveTables(t *testing.T) {
	topics := newTopics()
	queue := func(name string) []Subscription { return []Subscription{{core.MustTopicPattern("x.>"), name}} }
	a, b := &component{spec: spec{id: core.MustComponentID("a/a")}}, &component{spec: spec{id: core.MustComponentID("a/b")}}
	turn := func(topic string) *atomic.Uint64 { return topics.find(core.MustTopic(topic)).groups[0].turn }
	topics.set(a, queue("q"))
	first := turn("x.1")
	topics.set(b, queue("q"))
	if turn("x.1") != first || turn("x.2") != first {
		t.Error("the group of another table, or of another topic, has another turn")
	}
	topics.set(a, nil)
	topics.set(b, queue("r"))
	if turn("x.1") == first || len(topics.turns) != 1 {
		t.Error("turns of groups without members are kept")
	}
}

// TestManyTopicsAreForgotten: a table knows so many topics at most.
func TestManyTopicsAreForgotten(t *testing.T) {
	topics, c := newTopics(), &component{spec: spec{id: core.MustComponentID("a/b")}}
	topics.set(c, []Subscription{{Topic: core.MustTopicPattern(">")}})
	for i := range 20 * maxKnownTopics {
		topic := core.MustTopic(fmt.Sprintf("t.%d", i))
		if found := topics.find(topic); len(found.each) != 1 || found.topic != topic {
			t.Fatalf("%s: got %v", topic, found)
		}
	}
	known := 0
	table := topics.table.Load()
	for i := range table.known {
		if table.known[i].Load() != nil {
			known++
		}
	}
	if known == 0 || known > maxKnownTopics {
		t.Errorf("%d topics are known, want at most %d", known, maxKnownTopics)
	}
}

// TestKnownTopicsAllocateNothing: to find the subscribers of a topic again allocates nothing.
func TestKnownTopicsAllocateNothing(t *testing.T) {
	topics, c := newTopics(), &component{spec: spec{id: core.MustComponentID("a/b")}}
	topics.set(c, []Subscription{{Topic: core.MustTopicPattern("a.*")}})
	topic := core.MustTopic("a.b")
	if n := testing.AllocsPerRun(100, func() { topics.find(topic) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// TestSharedSubscriptionsCover: what other hosts must know of matches the same topics as all
// subscriptions, and none is there that another one of its queue covers.
func TestSharedSubscriptionsCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := newTopics()
		var all []Subscription
		for i := range rapid.IntRange(1, 12).Draw(t, "components") {
			parts := drawParts(t, []string{"a", "b", "*"})
			if rapid.Bool().Draw(t, "rest") {
				parts[len(parts)-1] = ">"
			}
			s := Subscription{core.MustTopicPattern(strings.Join(parts, ".")), rapid.SampledFrom([]string{"", "q"}).Draw(t, "queue")}
			all = append(all, s)
			topics.set(&component{spec: spec{id: core.MustComponentID(fmt.Sprintf("a/%d", i))}}, []Subscription{s})
		}
		shared := topics.Subscriptions()
		for _, s := range all {
			if !slices.ContainsFunc(shared, func(o core.TopicSubscription) bool { return o.Queue == s.Queue && o.Topic.Covers(s.Topic) }) {
				t.Errorf("%v is missing in %v", s, shared)
			}
		}
		for i, s := range shared {
			for k, o := range shared {
				if i != k && o.Queue == s.Queue && o.Topic.Covers(s.Topic) {
					t.Errorf("%v covers %v", o, s)
				}
			}
			if !slices.Contains(all, Subscription(s)) {
				t.Errorf("nobody has %v", s)
			}
		}
	})
}
