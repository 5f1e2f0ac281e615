package host_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// carrier is a broker that notes what it has to carry to other hosts, as "topic sender payload
// [served]", and in its turn a change of subscriptions.
type carrier struct {
	core.Broker
	home core.TopicHome

	mu     sync.Mutex
	noted  []string
	refuse error
}

func (c *carrier) JoinTopics(home core.TopicHome) { c.home = home }

func (c *carrier) Publish(topic core.Topic, sender core.ComponentID, payload []byte, served []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return c.refuse
	}
	c.noted = append(c.noted, fmt.Sprintf("%s %s %s %v", topic, sender, bytes.Clone(payload), served))
	return nil
}

func (c *carrier) SubscriptionsChanged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noted = append(c.noted, "changed")
}

func (c *carrier) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	noted := c.noted
	c.noted = nil
	return noted
}

func (c *carrier) refuseWith(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = err
}

// joined starts a host with a carrier.
func joined(t *testing.T) (*testHost, *carrier) {
	t.Helper()
	inner, err := newInproc()
	check(t, err)
	c := &carrier{Broker: inner}
	return parts{broker: func() (core.Broker, error) { return c, nil }, tracker: newSlab}.start(t, host.Config{}), c
}

// TestSpread: what components and programs publish goes to the carrier, with the queue groups that this
// host serves; what comes from there does not.
func TestSpread(t *testing.T) {
	h, c := joined(t)
	one := h.subscribes("a/one", "orders.*")
	worker := h.subscribes("a/worker", "orders.* workers", "> rest")
	check(t, h.Deploy(within(t), publishes("a/shop", ">")))
	wants(t, "before", c.take(), "changed", "changed")
	h.publish("a/shop", "orders.created tea")
	h.publish("a/shop", "stock.low 7")
	check(t, h.Publish(core.MustTopic("orders.created"), []byte("by the host")))
	part, err := h.As(id("airhost/gateway"))
	check(t, err)
	check(t, part.Publish(core.MustTopic("nobody"), nil))
	wants(t, "carried", c.take(), "orders.created a/shop tea [workers]", "stock.low a/shop 7 [rest]", "orders.created airhost/host by the host [workers]", "nobody airhost/gateway  [rest]")
	h.quiesce()
	wants(t, "the subscriber", one.take(), "a/shop tea", "airhost/host by the host")
	wants(t, "the worker", worker.take(), "a/shop tea", "a/shop 7", "airhost/host by the host", "airhost/gateway ")

	created, far := core.MustTopic("orders.created"), id("far/away")
	c.home.DeliverPublished(created, "", far, []byte("1"))
	c.home.DeliverPublished(created, "workers", far, []byte("2"))
	c.home.DeliverPublished(created, "rest", far, []byte("3")) // whose only member is in the other one
	c.home.DeliverPublished(core.MustTopic("stock"), "", far, []byte("4"))
	check(t, h.DeliverPublication(created, far, []byte("5")))
	h.quiesce()
	wants(t, "the subscriber from afar", one.take(), "far/away 1", "far/away 5")
	wants(t, "the worker from afar", worker.take(), "far/away 2", "far/away 5")
	wants(t, "carried", c.take())
	s := h.balance()
	equal(t, "published", s.Published, 4)
	equal(t, "dead letters", s.DeadLetters, 0)
}

// TestSpreadRefused: if the broker cannot take a publication, nobody of this host gets it, and
// the publisher's quota is as before.
func TestSpreadRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, c := joined(t)
		one := h.subscribes("a/one", ">")
		d := publishes("a/shop", ">")
		d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 1}
		c.refuseWith(&core.MessagingError{Case: core.CaseQueueFull, Text: "publications"})
		check(t, h.try(d, func(g guest.Host) error {
			for range 3 {
				isError(t, "refused", g.Publish("news", nil), guest.ErrQueueFull)
			}
			c.refuseWith(nil)
			return g.Publish("news", []byte("taken"))
		}))
		c.refuseWith(core.ErrUnavailable)
		isError(t, "of a program", h.Publish(core.MustTopic("news"), nil), core.ErrUnavailable)
		s := h.balance()
		wants(t, "the subscriber", one.take(), "a/shop taken")
		equal(t, "published", s.Published, 1)
		equal(t, "refused", s.Refused["queue-full"], 3)
		wants(t, "carried", slices.DeleteFunc(c.take(), func(s string) bool { return s == "changed" }), "news a/shop taken []")
	})
}

// TestDeliverPublishedToOneThatIsFull: a subscriber that cannot take a publication of another host costs
// a dead letter of this one, in the name of its sender.
func TestDeliverPublishedToOneThatIsFull(t *testing.T) {
	h, c := joined(t)
	d := subscriber("a/small", new(inbox), ">")
	d.Limits.MessageSize = 3
	check(t, h.Deploy(within(t), d))
	c.home.DeliverPublished(core.MustTopic("news"), "", id("far/away"), []byte("four"))
	s := h.balance()
	equal(t, "dead letters", s.DeadLetters, 1)
	letter := h.DeadLetters()[0]
	equal(t, "sender", letter.Sender, id("far/away"))
	contains(t, "reason", letter.Reason, "a/small takes at most 3 bytes")
}

// TestSubscriptionsOfAHost: the broker learns of each pattern once, of none that another one of the same
// queue covers, and of changes; of no queue group that its component may not be a member of.
func TestSubscriptionsOfAHost(t *testing.T) {
	h, c := joined(t)
	has := func(name string, want ...string) {
		t.Helper()
		wants(t, name+": told", c.take(), "changed")
		var got []string
		for _, s := range c.home.Subscriptions() {
			got = append(got, strings.TrimSpace(s.Topic.String()+" "+s.Queue))
		}
		wants(t, name, got, want...)
	}
	h.subscribes("a/1", "orders.*", "stock.low")
	has("one", "orders.*", "stock.low")
	h.subscribes("a/2", "orders.created", "stock.low", "orders.* q")
	has("an earlier entry overlaps that of the queue", "orders.*", "stock.low")
	contains(t, "log", h.log.String(), `put the one with the queue first" component=a/2 topic=orders.* queue=q earlier=orders.created`)
	h.subscribes("a/3", "orders.* q", "orders.created q", "*.created")
	has("two of a queue, and no cover", "*.created", "orders.*", "stock.low", "orders.* q")
	h.subscribes("a/4", "orders.> r", ">")
	has("all", ">", "orders.* q", "orders.> r")
	check(t, h.Update(within(t), subscriber("a/4", new(inbox), "orders.x r")))
	has("an update", "*.created", "orders.*", "stock.low", "orders.* q", "orders.x r")
	check(t, h.Undeploy(within(t), id("a/3")))
	has("an undeployment", "orders.*", "stock.low", "orders.x r")
	check(t, h.Undeploy(within(t), id("a/1")))
	has("another one", "orders.created", "stock.low", "orders.x r")
	check(t, h.Stop(within(t)))
	if noted, left := c.take(), c.home.Subscriptions(); len(noted) == 0 || len(left) > 0 {
		t.Errorf("a host that stops said %q and has %v", noted, left)
	}
}
