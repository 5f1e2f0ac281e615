package brokertest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// brokenTopics lists the faults that the case of each promise about topics must find.
var brokenTopics = []struct {
	promise string
	fault   fault
}{
	{"topics-reach", "delivers twice"},
	{"topics-reach", "delivers by each pattern"},
	{"topics-reach", "loses one in ten"},
	{"topics-reach", "ignores the patterns"},
	{"topics-reach", "changes the sender"},
	{"topics-reach", "changes the payload"},
	{"topics-not-home", "comes home"},
	{"topics-order", "reorders"},
	{"topics-one-of-a-queue", "gives queues to all"},
	{"topics-one-of-a-queue", "takes patterns of a queue apart"},
	{"topics-one-of-a-queue", "forgets the queue"},
	{"topics-served", "serves what is served"},
	{"topics-follow", "keeps old subscriptions"},
	{"topics-follow", "ignores changes"},
	{"topics-await", "does not wait for changes"},
	{"topics-await", "waits without end"},
	{"topics-own-payload", "keeps the payload"},
	{"topics-never-block", "waits for the other hosts"},
	{"topics-closed", "takes publications after close"},
	{"topics-closed", "delivers after close"},
}

// clusterOf makes clusters with one fault.
func clusterOf(f fault) func(hosts int) ([]core.Broker, error) {
	return func(hosts int) (all []core.Broker, err error) {
		hub := &referenceHub{fault: f}
		for range hosts {
			b := &topicReference{reference: &reference{}, hub: hub}
			b.more = sync.NewCond(&b.mutex)
			hub.all = append(hub.all, b)
			all = append(all, b)
		}
		return all, nil
	}
}

// referenceHub is where the hosts of a small cluster in memory meet.
type referenceHub struct {
	fault fault
	all   []*topicReference
	mu    sync.Mutex // guards the fields below, and keeps the order of publications
	turn  int
	kept  []byte
}

// topicReference is a broker with topics, with at most one fault.
type topicReference struct {
	*reference
	hub  *referenceHub
	home core.TopicHome
	pump sync.WaitGroup

	mutex   sync.Mutex // guards the fields below
	more    *sync.Cond
	wanted  []core.TopicSubscription
	waiting []arrival
	held    []arrival // for the fault of another order
	ended   bool

	delivering bool
}

func (b *topicReference) JoinTopics(home core.TopicHome) { b.home = home }

func (b *topicReference) has(f fault) bool { return b.hub.fault == f }

func (b *topicReference) Open(ctx context.Context, home core.Origin) error {
	b.pump.Go(b.deliver)
	return b.reference.Open(ctx, home)
}

func (b *topicReference) Close(ctx context.Context) error {
	b.mutex.Lock()
	b.ended = true
	b.more.Broadcast()
	b.mutex.Unlock()
	b.pump.Wait()
	return b.reference.Close(ctx)
}

func (b *topicReference) SubscriptionsChanged() {
	if b.has("does not wait for changes") {
		time.AfterFunc(time.Second, b.change)
		return
	}
	b.change()
}

func (b *topicReference) AwaitSubscriptions(ctx context.Context) {
	defer context.AfterFunc(ctx, b.more.Broadcast)()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for (len(b.waiting) > 0 || b.delivering) && !b.ended && (ctx.Err() == nil || b.has("waits without end")) {
		b.more.Wait()
	}
}

func (b *topicReference) change() {
	wanted := b.home.Subscriptions()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	switch {
	case b.has("keeps old subscriptions"):
		b.wanted = append(b.wanted, wanted...)
	case b.has("ignores changes") && len(b.wanted) > 0:
	default:
		b.wanted = slices.Clone(wanted)
	}
}

func (b *topicReference) Publish(topic core.Topic, sender core.ComponentID, payload []byte, served []string) error {
	if b.isClosed() && !b.has("takes publications after close") {
		return core.ErrUnavailable
	}
	hub := b.hub
	hub.mu.Lock()
	defer hub.mu.Unlock()
	hub.turn++
	if b.has("keeps the payload") { // and looks at it when the next one comes
		hub.kept, payload = payload, hub.kept
	}
	payload = bytes.Clone(payload)
	a := arrival{topic: topic.String(), sender: sender, payload: payload}
	switch {
	case b.has("loses one in ten") && hub.turn%10 == 0:
		return nil
	case b.has("changes the sender") && sender == alice:
		a.sender = bob
	case b.has("changes the payload"):
		a.payload = append(a.payload, 0)
	}
	if b.has("serves what is served") {
		served = nil
	}
	queues := make(map[string]bool) // that have it
	for _, q := range served {
		queues[q] = true
	}
	for i := range hub.all {
		hub.all[(i+hub.turn)%len(hub.all)].offer(a, topic, b, queues)
	}
	return nil
}

// offer takes a publication of another host if it is wanted.
func (b *topicReference) offer(a arrival, topic core.Topic, from *topicReference, queues map[string]bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.ended && b.has("delivers after close") {
		b.home.DeliverPublished(topic, "", a.sender, a.payload)
	}
	if b.ended || from == b && !b.has("comes home") {
		return
	}
	plain := false
	for _, s := range b.wanted {
		key := s.Queue
		if b.has("takes patterns of a queue apart") {
			key += s.Topic.String()
		}
		switch {
		case !s.Topic.Matches(topic) && !b.has("ignores the patterns"):
		case s.Queue == "" && (!plain || b.has("delivers by each pattern")):
			plain = true
			b.putLocked(a)
			if b.has("delivers twice") {
				b.putLocked(a)
			}
		case s.Queue != "" && !queues[key]:
			queues[key] = !b.has("gives queues to all")
			one := a
			if one.queue = s.Queue; b.has("forgets the queue") {
				one.queue = ""
			}
			b.putLocked(one)
		}
	}
}

func (b *topicReference) putLocked(a arrival) {
	for b.has("waits for the other hosts") && len(b.waiting) > laneCapacity && !b.ended {
		b.more.Wait()
	}
	if b.has("reorders") && a.sender == alice {
		b.held = append(b.held, a)
		if len(b.held) < 2 {
			return
		}
		a, b.waiting, b.held = b.held[0], append(b.waiting, a), nil
	}
	b.waiting = append(b.waiting, a)
	b.more.Broadcast()
}

// deliver delivers all that waits until the broker is closed.
func (b *topicReference) deliver() {
	for {
		b.mutex.Lock()
		for len(b.waiting) == 0 && !b.ended {
			b.more.Wait()
		}
		if len(b.waiting) == 0 || b.ended {
			b.mutex.Unlock()
			return
		}
		a := b.waiting[0]
		b.waiting, b.delivering = b.waiting[1:], true
		b.mutex.Unlock()
		b.home.DeliverPublished(core.MustTopic(a.topic), a.queue, a.sender, a.payload)
		b.mutex.Lock()
		b.delivering = false
		b.more.Broadcast()
		b.mutex.Unlock()
	}
}
