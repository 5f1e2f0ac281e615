package brokertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/airhost/airhost/core"
)

// topicPromise is a promise of [core.TopicCarrier], with the case that checks it.
type topicPromise struct {
	name  string
	text  string
	check func(*cluster)
}

// topicPromises lists the promises of [core.TopicCarrier], one case for each.
var topicPromises = []topicPromise{
	{"topics-reach", "a publication comes to each other host with a subscription that matches once and unchanged, and to no host without one", publicationsReach},
	{"topics-not-home", "a publication does not come back to the subscribers of its own host", notHome},
	{"topics-order", "the publications of one host come to each other host in the order in which they were handed over", publicationsInOrder},
	{"topics-one-of-a-queue", "of a queue group one host gets a publication, with the name of the queue", oneOfAQueue},
	{"topics-served", "no other host serves the queue groups that the publishing host has served", servedQueues},
	{"topics-follow", "a change of subscriptions changes what comes", subscriptionsFollow},
	{"topics-own-payload", "Publish does not keep the payload", ownPayload},
	{"topics-never-block", "Publish never blocks", publishNeverBlocks},
	{"topics-closed", "a closed broker refuses publications with unavailable, and delivers none after Close has returned", closedTopics},
}

func (p topicPromise) verify(t reporter, h Harness) {
	t.Helper()
	brokers, err := h.Cluster(3)
	if err != nil || len(brokers) != 3 {
		t.Fatalf("the harness made %d brokers of 3: %v", len(brokers), err)
	}
	c := &cluster{fixture: &fixture{t: t, promise: promise{name: p.name, text: p.text}, harness: h}}
	defer c.end()
	for i, b := range brokers {
		carrier, is := b.(core.TopicCarrier)
		c.require(is, fmt.Sprintf("%T", b), "a broker that is a core.TopicCarrier")
		host := &topicHost{number: i, broker: b, carrier: carrier, came: newQueue[arrival]()}
		c.hosts = append(c.hosts, host)
		carrier.JoinTopics(host)
		err := b.Open(context.Background(), newHome())
		c.require(err == nil, err, "an open broker")
	}
	p.check(c)
}

// cluster is the fixture of a case about topics: three hosts, of which the first one publishes.
type cluster struct {
	*fixture
	hosts []*topicHost
	round int
}

func (c *cluster) end() {
	for _, h := range c.hosts {
		h.open()
		if !h.closed {
			_ = h.broker.Close(context.Background())
		}
	}
}

// topicHost is a double of a host with topics.
type topicHost struct {
	number  int
	broker  core.Broker
	carrier core.TopicCarrier
	came    *queue[arrival]
	closed  bool

	mu     sync.Mutex // guards the fields below
	wanted []core.TopicSubscription
	gate   chan struct{} // if not nil, DeliverPublished waits until it is closed
}

// arrival is a publication of another host.
type arrival struct {
	topic   string
	queue   string
	sender  core.ComponentID
	payload []byte
}

func (a arrival) String() string {
	return fmt.Sprintf("%s on %s for queue %q, %d bytes %.16x", a.sender, a.topic, a.queue, len(a.payload), a.payload)
}

// Subscriptions implements [core.TopicHome].
func (h *topicHost) Subscriptions() []core.TopicSubscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.wanted
}

// DeliverPublished implements [core.TopicHome].
func (h *topicHost) DeliverPublished(topic core.Topic, queue string, sender core.ComponentID, payload []byte) {
	h.mu.Lock()
	gate := h.gate
	h.mu.Unlock()
	if gate != nil {
		<-gate
	}
	h.came.put(arrival{topic.String(), queue, sender, bytes.Clone(payload)})
}

// hold makes the next deliveries wait.
func (h *topicHost) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gate = make(chan struct{})
}

func (h *topicHost) open() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gate != nil {
		close(h.gate)
		h.gate = nil
	}
}

// control begins the topics by which the suite finds out that a subscription is in place.
const control = "suite-control"

// subscribe makes these the subscriptions of a host, each written as "pattern" or "pattern queue", and
// waits until they are in place.
func (c *cluster) subscribe(h *topicHost, texts ...string) {
	c.t.Helper()
	c.round++
	mark := core.MustTopic(fmt.Sprintf("%s.%d", control, c.round))
	var wanted []core.TopicSubscription
	for _, text := range append(texts, mark.String()) {
		pattern, queue, _ := strings.Cut(text, " ")
		wanted = append(wanted, core.TopicSubscription{Topic: core.MustTopicPattern(pattern), Queue: queue})
	}
	h.mu.Lock()
	h.wanted = wanted
	h.mu.Unlock()
	h.carrier.SubscriptionsChanged()
	for _, from := range c.hosts {
		if from == h {
			continue
		}
		sender := core.MustComponentID(fmt.Sprintf("suite/control-%d", from.number))
		c.poll(func() bool {
			_ = from.carrier.Publish(mark, sender, nil, nil)
			a, ok := h.came.take()
			return ok && a.topic == mark.String() && a.sender == sender
		}, "a subscription of host %d to be known to host %d", h.number, from.number)
	}
}

// publish publishes a number from the first host, and tries again while there is no room.
func (c *cluster) publish(topic string, n int, served ...string) {
	c.t.Helper()
	payload := binary.LittleEndian.AppendUint64(nil, uint64(n))
	var err error
	c.poll(func() bool {
		err = c.hosts[0].carrier.Publish(core.MustTopic(topic), alice, payload, served)
		return !errors.Is(err, core.ErrQueueFull)
	}, "room for a publication")
	c.require(err == nil, err, "publication %d on %s to be taken", n, topic)
}

// next waits for the next publication of a host, but for those of the suite's own.
func (c *cluster) next(h *topicHost) arrival {
	c.t.Helper()
	for {
		a := await(c.fixture, h.came, "a publication for host %d", h.number)
		if !strings.HasPrefix(a.topic, control) {
			return a
		}
	}
}

// gets requires the next publication of a host to be this one.
func (c *cluster) gets(h *topicHost, topic, queue string, n int) {
	c.t.Helper()
	a := c.next(h)
	c.require(a.topic == topic && a.queue == queue && a.sender == alice && numberIn(a) == n, a,
		"number %d of %s on %s for queue %q at host %d", n, alice, topic, queue, h.number)
}

func numberIn(a arrival) int { return numberOf(&core.Message{Payload: a.payload}) }

// publicationsReach: two hosts, one of which has patterns that overlap.
func publicationsReach(c *cluster) {
	one, two := c.hosts[1], c.hosts[2]
	c.subscribe(one, "orders.*", "*.new", "orders.>")
	c.subscribe(two, "stock.>", "end")
	for n := range 100 {
		c.publish("orders.new", n)
		c.publish("stock.eu.low", n)
		c.publish("nobody.knows.it", n)
	}
	c.publish("orders.end", 100)
	c.publish("end", 100)
	for n := range 100 {
		c.gets(one, "orders.new", "", n)
		c.gets(two, "stock.eu.low", "", n)
	}
	c.gets(one, "orders.end", "", 100)
	c.gets(two, "end", "", 100)
}

// notHome: the publishing host has subscribed too.
func notHome(c *cluster) {
	own, other := c.hosts[0], c.hosts[1]
	c.subscribe(own, "news", "from-afar")
	c.subscribe(other, "news")
	c.publish("news", 1)
	c.gets(other, "news", "", 1)
	far := binary.LittleEndian.AppendUint64(nil, 2)
	err := other.carrier.Publish(core.MustTopic("from-afar"), alice, far, nil)
	c.require(err == nil, err, "a publication of another host to be taken")
	c.gets(own, "from-afar", "", 2)
}

// publicationsInOrder: two topics and two patterns.
func publicationsInOrder(c *cluster) {
	const most = 2000
	to := c.hosts[1]
	c.subscribe(to, "a.*", "*.b", "c")
	topics := []string{"a.b", "c", "x.b"}
	for n := range most {
		c.publish(topics[n%3], n)
	}
	for n := range most {
		c.gets(to, topics[n%3], "", n)
	}
}

// oneOfAQueue: two hosts have the queue, by different patterns, and one of them has also a subscription
// without one.
func oneOfAQueue(c *cluster) {
	const most = 200
	one, two := c.hosts[1], c.hosts[2]
	c.subscribe(one, "jobs.* q", "end")
	c.subscribe(two, "jobs.> q", "jobs.*", "end")
	for n := range most {
		c.publish("jobs.one", n)
	}
	c.publish("end", most)
	got, plain := make(map[int]int), 0
	for _, h := range []*topicHost{one, two} {
		for a := c.next(h); a.topic != "end"; a = c.next(h) {
			if a.queue == "q" {
				got[numberIn(a)]++
				continue
			}
			c.require(h == two && a.queue == "", a, "a delivery for queue q")
			plain++
		}
	}
	c.require(plain == most, plain, "%d publications without a queue", most)
	for n := range most {
		c.require(got[n] == 1, fmt.Sprintf("number %d came %d times for the queue", n, got[n]), "each number once")
	}
}

// servedQueues: one publication names a queue, and the next one does not.
func servedQueues(c *cluster) {
	to := c.hosts[1]
	c.subscribe(to, "jobs q", "jobs r", "jobs")
	c.publish("jobs", 1, "q", "r")
	c.publish("jobs", 2)
	got := make(map[string]bool)
	for len(got) < 4 {
		a := c.next(to)
		got[fmt.Sprint(a.queue, numberIn(a))] = true
		c.require(a.queue == "" || numberIn(a) == 2, a, "publication 1 for none of the queues")
	}
}

// subscriptionsFollow: the host leaves one topic for another one.
func subscriptionsFollow(c *cluster) {
	to := c.hosts[1]
	c.subscribe(to, "before", "both")
	c.publish("before", 1)
	c.gets(to, "before", "", 1)
	c.subscribe(to, "after", "both")
	c.publish("after", 2)
	c.gets(to, "after", "", 2)
	c.poll(func() bool { // the end of a subscription may take a moment
		c.publish("before", 3)
		c.publish("both", 4)
		a := c.next(to)
		if ended := a.topic == "both"; ended {
			return true
		}
		c.gets(to, "both", "", 4)
		return false
	}, "nothing on a topic that the host has left")
}

// ownPayload: the publisher changes its memory afterwards.
func ownPayload(c *cluster) {
	to := c.hosts[1]
	c.subscribe(to, "news")
	payload := make([]byte, 8)
	for n := range 100 {
		binary.LittleEndian.PutUint64(payload, uint64(n))
		err := c.hosts[0].carrier.Publish(core.MustTopic("news"), alice, payload, nil)
		c.require(err == nil, err, "publication %d to be taken", n)
		clear(payload)
	}
	for n := range 100 {
		c.gets(to, "news", "", n)
	}
}

// publishNeverBlocks: the other host takes nothing.
func publishNeverBlocks(c *cluster) {
	to := c.hosts[1]
	c.subscribe(to, "news")
	to.hold()
	payload := make([]byte, 1000)
	for range 20_000 {
		var err error
		c.within("Publish", func() { err = c.hosts[0].carrier.Publish(core.MustTopic("news"), alice, payload, nil) })
		c.require(err == nil || errors.Is(err, core.ErrQueueFull), err, "no error, or queue-full")
		if err != nil {
			break
		}
	}
}

// closedTopics: first the receiving host is closed, and then the other one.
func closedTopics(c *cluster) {
	from, to := c.hosts[0], c.hosts[1]
	c.subscribe(to, "news")
	c.publish("news", 1)
	c.gets(to, "news", "", 1)
	for _, h := range []*topicHost{to, from} {
		var err error
		c.within("Close", func() { err = h.broker.Close(context.Background()) })
		c.require(err == nil, err, "Close to succeed")
		h.closed = true
		if h == to {
			c.publish("news", 2)
		}
	}
	err := from.carrier.Publish(core.MustTopic("news"), alice, nil, nil)
	c.require(errors.Is(err, core.ErrUnavailable), err, "unavailable")
	from.carrier.SubscriptionsChanged()
	a, came := to.came.take()
	c.require(!came, a, "nothing after Close")
}
