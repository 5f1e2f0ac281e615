package host_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// inbox is a component that notes what it gets, as "sender payload".
type inbox struct {
	mu  sync.Mutex
	got []string
}

func (b *inbox) HandleMessage(_ guest.Host, sender string, message []byte) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, sender+" "+string(message))
	return nil, nil
}

// take returns what has come, while nothing is under way.
func (b *inbox) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.got
	b.got = nil
	return got
}

// subscriptions parses subscriptions, written as "pattern" or "pattern queue".
func subscriptions(texts ...string) (all []host.Subscription) {
	for _, text := range texts {
		pattern, queue, _ := strings.Cut(text, " ")
		all = append(all, host.Subscription{Topic: core.MustTopicPattern(pattern), Queue: queue})
	}
	return all
}

func subscriber(name string, component guest.Component, texts ...string) host.Deployment {
	d := deployment(name, component)
	d.Subscribe = subscriptions(texts...)
	return d
}

// subscribes deploys a subscriber with an inbox.
func (h *testHost) subscribes(name string, texts ...string) *inbox {
	h.t.Helper()
	b := new(inbox)
	check(h.t, h.Deploy(within(h.t), subscriber(name, b, texts...)))
	return b
}

// publisher is a component that publishes each message, which is "topic payload".
var publisher = behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
	topic, payload, _ := bytes.Cut(message, []byte(" "))
	return nil, g.Publish(string(topic), payload)
}}

func publishes(name string, patterns ...string) host.Deployment {
	d := deployment(name, publisher)
	for _, p := range patterns {
		d.Capabilities.Publish = append(d.Capabilities.Publish, core.MustTopicPattern(p))
	}
	return d
}

// publish makes a publisher publish, and waits until nothing is under way.
func (h *testHost) publish(name, message string) {
	h.t.Helper()
	h.ask(name, message)
	h.quiesce()
}

func wants(t testing.TB, name string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", name, got, want)
	}
}

// TestPublish: each component that has subscribed gets a publication once, by whatever number
// of its patterns, with the publisher as sender; also the publisher itself.
func TestPublish(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		one, many := h.subscribes("a/one", "orders.*"), h.subscribes("a/many", "orders.>", "orders.created", ">")
		other := h.subscribes("a/other", "stock.*", "orders")
		h.subscribes("a/none")
		d := publishes("a/shop", ">")
		own := new(inbox)
		d.Subscribe = subscriptions("*.created")
		d.Source = deployment("a/shop", behaviour{message: func(g guest.Host, sender string, message []byte) ([]byte, error) {
			if sender == "a/shop" {
				return own.HandleMessage(g, sender, message)
			}
			return publisher.message(g, sender, message)
		}}).Source
		check(t, h.Deploy(within(t), d))
		h.publish("a/shop", "orders.created tea")
		wants(t, "one pattern", one.take(), "a/shop tea")
		wants(t, "several patterns", many.take(), "a/shop tea")
		wants(t, "the publisher", own.take(), "a/shop tea")
		h.publish("a/shop", "orders.eu.created ")
		wants(t, "one part for two", one.take())
		wants(t, "the rest", many.take(), "a/shop ")
		h.publish("a/shop", "nobody.knows this")
		wants(t, "all topics", many.take(), "a/shop this")
		wants(t, "other topics", other.take())
		s := h.balance()
		equal(t, "published", s.Published, 3)
		equal(t, "published by the component", h.component("a/shop").Published, 3)
		equal(t, "sent by the component", h.component("a/shop").Counters.Sent, 5)
		equal(t, "dead letters", s.DeadLetters, 0)
	})
}

// TestPublishByProgram: a Go program publishes as its host, or as a part of it.
func TestPublishByProgram(t *testing.T) {
	h := start(t, host.Config{})
	topic := core.MustTopic("orders.created")
	check(t, h.Publish(topic, []byte("nobody")))
	b := h.subscribes("a/b", "orders.*")
	check(t, h.Publish(topic, []byte("tea")))
	part, err := h.As(id("airhost/gateway"))
	check(t, err)
	check(t, part.Publish(topic, nil))
	check(t, h.DeliverPublication(topic, id("far/away"), []byte("from afar")))
	h.quiesce()
	wants(t, "messages", b.take(), "airhost/host tea", "airhost/gateway ", "far/away from afar")
	isError(t, "no topic", h.Publish(core.Topic{}, nil), core.ErrInvalidArgument)
	s := h.balance()
	equal(t, "published", s.Published, 3)
	equal(t, "refused", s.Refused["invalid-argument"], 1)
	check(t, h.Stop(within(t)))
	isError(t, "after Stop", h.Publish(topic, nil), core.ErrUnavailable)
	isError(t, "from afar after Stop", h.DeliverPublication(topic, id("far/away"), nil), core.ErrUnavailable)
}

// TestPublishRefusals: a publication is refused for its arguments before its capability, for
// that before its size, and takes nothing from the quota then.
func TestPublishRefusals(t *testing.T) {
	large := make([]byte, 2000)
	for _, test := range []struct {
		name, topic string
		granted     []string
		message     []byte
		want        error
		text        string
	}{
		{"no topic", "", nil, large, guest.ErrInvalidArgument, "topic: invalid topic"},
		{"a pattern", "orders.*", []string{">"}, nil, guest.ErrInvalidArgument, `part 2 contains "*"`},
		{"a part too much", strings.Repeat("a.", 16) + "a", []string{">"}, nil, guest.ErrInvalidArgument, "17 parts"},
		{"a very long topic", strings.Repeat("a", 1<<20), []string{">"}, nil, guest.ErrInvalidArgument, "want at most 255"},
		{"no bytes of text", "orders.\xff", []string{">"}, nil, guest.ErrInvalidArgument, `part 2 contains`},
		{"no capability", "orders.created", nil, large, guest.ErrCapabilityDenied, "orders.created"},
		{"another capability", "orders.created", []string{"orders", "stock.*", "orders.*.*"}, nil, guest.ErrCapabilityDenied, "orders.created"},
		{"oversized", "orders.created", []string{"orders.*"}, large, guest.ErrQuotaExceeded, "message_size"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := start(t, host.Config{})
			b := h.subscribes("a/b", ">")
			d := publishes("a/publisher", test.granted...)
			d.Limits.MessageSize, d.Quota = 1000, host.Quota{MessagesPerSecond: 1, Burst: 1}
			d.Capabilities.Send = grant(t, "a/b")
			check(t, h.try(d, func(g guest.Host) error {
				for range 3 {
					err := g.Publish(test.topic, test.message)
					isError(t, "refusal", err, test.want)
					contains(t, "refusal", fmt.Sprint(err), test.text)
				}
				return g.Send("a/b", nil) // the quota has its one message still
			}))
			s := h.balance()
			equal(t, "published", s.Published, 0)
			equal(t, "dead letters", s.DeadLetters, 0)
			wants(t, "messages", b.take(), "a/publisher ")
		})
	}
}

// TestPublishQuota: a publication takes one message of the quota, whatever number of components
// get it, so that a component that publishes in a loop is bounded by it.
func TestPublishQuota(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		boxes := []*inbox{h.subscribes("a/1", ">"), h.subscribes("a/2", ">"), h.subscribes("a/3", "> workers")}
		d := publishes("a/loop", ">")
		d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 5}
		taken := 0
		isError(t, "the last one", h.try(d, func(g guest.Host) error {
			var last error
			for range 100 {
				if err := g.Publish("news", nil); err == nil {
					taken++
				} else {
					last = err
				}
			}
			return last
		}), guest.ErrQuotaExceeded)
		s := h.balance()
		equal(t, "publications", taken, 5)
		equal(t, "published", s.Published, 5)
		equal(t, "refused", s.Refused["quota-exceeded"], 95)
		for i, b := range boxes {
			equal(t, fmt.Sprint("messages of subscriber ", i+1), len(b.take()), 5)
		}
	})
}

// TestPublishAudit: a refusal is audited with its topic, which is cut.
func TestPublishAudit(t *testing.T) {
	h := start(t, host.Config{})
	check(t, h.Deploy(within(t), publishes("a/b")))
	for _, topic := range []string{"orders.created", strings.Repeat("x", 1<<16)} {
		_, err := h.request("a/b", topic)
		isError(t, topic[:6], err, core.ErrRequestFailed)
	}
	check(t, h.Stop(within(t)))
	contains(t, "log", h.log.String(), `component=a/b target=orders.created pattern=publish reason="capability-denied: orders.created"`)
	contains(t, "log", h.log.String(), "bytes more")
	if n := len(h.log.String()); n > 5000 {
		t.Errorf("the log has %d bytes", n)
	}
}

// TestPublishOrder: publications and messages of one sender come to a subscriber in the order in
// which they were sent.
func TestPublishOrder(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Workers: 4})
		boxes := []*inbox{h.subscribes("a/1", "x"), h.subscribes("a/2", "x", "y"), h.subscribes("a/3", "*")}
		sender := behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			var errs []error
			for i := range 100 {
				payload := fmt.Appendf(nil, "%s %d", message, i)
				if i%3 == 1 {
					errs = append(errs, g.Send("a/1", payload), g.Send("a/2", payload), g.Send("a/3", payload))
				} else {
					errs = append(errs, g.Publish("x", payload))
				}
			}
			return nil, errors.Join(errs...)
		}}
		for _, name := range []string{"s/1", "s/2"} {
			d := deployment(name, sender)
			d.Capabilities.Publish = publishes("a/b", "*").Capabilities.Publish
			check(t, h.Deploy(within(t), d))
		}
		var done sync.WaitGroup
		for _, name := range []string{"s/1", "s/2"} {
			done.Go(func() {
				for round := range 5 {
					h.ask(name, fmt.Sprint(round))
				}
			})
		}
		done.Wait()
		h.balance()
		for i, b := range boxes {
			next := make(map[string]int)
			for _, entry := range b.take() {
				var from string
				var round, number int
				_, err := fmt.Sscan(entry, &from, &round, &number)
				check(t, err)
				if next[from] != round*100+number {
					t.Fatalf("subscriber %d: %s comes after %d others", i+1, entry, next[from])
				}
				next[from]++
			}
			equal(t, fmt.Sprint("messages of subscriber ", i+1), next["s/1"]+next["s/2"], 1000)
		}
	})
}

// TestPublishAllocatesNothing: a publication on a known topic allocates nothing but what its
// messages need, which are pooled.
func TestPublishAllocatesNothing(t *testing.T) {
	if host.Raced {
		t.Skip("the race detector allocates")
	}
	h := start(t, host.Config{})
	allocations := make(chan float64, 1)
	x := &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		topic := []byte("nobody.listens")
		allocations <- testing.AllocsPerRun(1000, func() { _ = i.env.Publisher.Publish(topic, message) })
		return nil, nil
	}}
	d := toyDeployment("a/x", x)
	d.Capabilities.Publish = []core.TopicPattern{core.MustTopicPattern(">")}
	check(t, h.Deploy(within(t), d))
	h.subscribes("a/b", "somebody.*")
	h.do("a/x")
	equal(t, "allocations", <-allocations, 0)
}

func TestSubscribeMistakes(t *testing.T) {
	h := start(t, host.Config{})
	for want, list := range map[string][]host.Subscription{
		"subscribe: invalid topic: it is empty":    {{}},
		"subscribe: orders.* is there twice":       subscriptions("orders.*", "stock", "orders.* q"),
		"orders.*: the name of a queue group":      {{Topic: core.MustTopicPattern("orders.*"), Queue: "a b"}},
		`"a.b": part 1 contains "."`:               {{Topic: core.MustTopicPattern("orders.*"), Queue: "a.b"}},
		`"Workers": part 1 contains "W", want a-z`: {{Topic: core.MustTopicPattern("orders.*"), Queue: "Workers"}},
	} {
		d := deployment("a/b", echo)
		d.Subscribe = list
		err := h.Deploy(within(t), d)
		isError(t, want, err, host.ErrInvalidDeployment)
		contains(t, want, err.Error(), want)
	}
}
