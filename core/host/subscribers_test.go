package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// gate is a component that notes messages, and waits in each until the test opens the gate.
type gate struct {
	inbox
	begun chan struct{}
	open  chan struct{}
}

func newGate() *gate { return &gate{begun: make(chan struct{}, 100), open: make(chan struct{})} }

func (g *gate) HandleMessage(h guest.Host, sender string, message []byte) ([]byte, error) {
	g.begun <- struct{}{}
	<-g.open
	return g.inbox.HandleMessage(h, sender, message)
}

// TestQueueGroups: of a queue group one component gets a message, each in its turn; who has
// subscribed without a queue gets all, and each group is on its own.
func TestQueueGroups(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		workers := []*inbox{h.subscribes("w/1", "jobs.* workers"), h.subscribes("w/2", "jobs.> workers"), h.subscribes("w/3", "jobs.one workers")}
		alone, all := h.subscribes("a/alone", "> audit"), h.subscribes("a/all", ">")
		both := h.subscribes("a/both", "jobs.one", "jobs.* workers") // the first one counts
		check(t, h.Deploy(within(t), publishes("a/p", ">")))
		for i := range 9 {
			h.publish("a/p", fmt.Sprint("jobs.one ", i))
		}
		wants(t, "the first worker", workers[0].take(), "a/p 0", "a/p 3", "a/p 6")
		wants(t, "the second one", workers[1].take(), "a/p 1", "a/p 4", "a/p 7")
		wants(t, "the third one", workers[2].take(), "a/p 2", "a/p 5", "a/p 8")
		for name, b := range map[string]*inbox{"a group of one": alone, "no group": all, "no group, then one": both} {
			equal(t, "messages of "+name, len(b.take()), 9)
		}
		for i := range 100 { // each topic for the first time
			h.ask("a/p", fmt.Sprintf("jobs.%d x", i))
		}
		s := h.balance()
		for i, b := range append(workers[:2:2], both) { // which is in the group of these topics
			if n := len(b.take()); n < 33 || n > 34 {
				t.Errorf("worker %d of three got %d of 100 messages", i+1, n)
			}
		}
		equal(t, "sent", h.component("a/p").Counters.Sent, 9*4+100*3)
		equal(t, "dead letters", s.DeadLetters, 0)
	})
}

// TestQueueGroupPassesOverWhoIsFull: if one member of a group cannot take a message the next one
// gets it, and if none can there is one dead letter.
func TestQueueGroupPassesOverWhoIsFull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		small := func(name string, component guest.Component) {
			d := subscriber(name, component, "jobs workers")
			d.Limits.Mailbox, d.Limits.HandlerTime = 1, time.Hour
			check(t, h.Deploy(t.Context(), d))
		}
		one, two, failed := newGate(), newGate(), deployment("w/0", breaks)
		small("w/1", one)
		small("w/2", two)
		failed.Subscribe, failed.Restart.Policy = subscriptions("jobs workers"), host.RestartTemporary
		check(t, h.Deploy(t.Context(), failed))
		check(t, h.Send(failed.ID, nil))
		synctest.Wait()
		equal(t, "state", h.component("w/0").State, "failed")
		// Each of the two others handles one, and one waits for it.
		for range 4 {
			check(t, h.Publish(core.MustTopic("jobs"), nil))
			synctest.Wait()
		}
		equal(t, "that began", len(one.begun)+len(two.begun), 2)
		equal(t, "that wait", h.component("w/1").Waiting+h.component("w/2").Waiting, 2)
		equal(t, "dead letters so far, the message that made one fail", h.Snapshot().DeadLetters, 1)
		check(t, h.Publish(core.MustTopic("jobs"), []byte("too much")))
		equal(t, "dead letters", h.Snapshot().DeadLetters, 2)
		letter := h.DeadLetters()[1]
		equal(t, "payload", string(letter.Payload), "too much")
		equal(t, "reason", letter.Reason, "queue-full: "+letter.Target.String())
		close(one.open)
		close(two.open)
		h.balance()
	})
}

// TestSubscriberThatCannotTakeIt: a subscriber whose mailbox is full, that accepts no more, takes
// only smaller messages or has failed costs a dead letter with the reason, and neither the
// publisher nor other subscribers notice.
func TestSubscriberThatCannotTakeIt(t *testing.T) {
	for name, test := range map[string]struct {
		tune    func(d *host.Deployment)
		prepare func(h *testHost)
		reason  string
	}{
		"full": {func(d *host.Deployment) { d.Limits.Mailbox = 1 }, func(h *testHost) {
			for range 2 {
				check(h.t, h.Send(id("a/bad"), []byte("wait")))
				synctest.Wait()
			}
		}, "queue-full: a/bad"},
		"accept": {func(d *host.Deployment) { d.Accept = host.Accept{MessagesPerSecond: 1, Burst: 1} }, func(h *testHost) {
			check(h.t, h.Send(id("a/bad"), nil))
		}, "queue-full: a/bad: accept.messages_per_second"},
		"size": {func(d *host.Deployment) { d.Limits.MessageSize = 3 }, func(*testHost) {}, "invalid-argument: message: a/bad takes at most 3 bytes"},
		"failed": {func(d *host.Deployment) { d.Restart.Policy = host.RestartTemporary }, func(h *testHost) {
			check(h.t, h.Send(id("a/bad"), []byte("trap")))
			synctest.Wait()
		}, "unavailable: a/bad has failed"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				first, last := h.subscribes("a/a", "news"), h.subscribes("a/z", "news")
				release := make(chan struct{})
				d := subscriber("a/bad", responder(func(message []byte) ([]byte, error) {
					switch string(message) {
					case "wait":
						<-release
					case "trap":
						panic("on purpose")
					}
					return nil, nil
				}), "news")
				d.Limits.HandlerTime = time.Hour
				test.tune(&d)
				check(t, h.Deploy(t.Context(), d))
				check(t, h.Deploy(t.Context(), publishes("b/p", "news")))
				test.prepare(h)
				before := h.Snapshot().DeadLetters
				h.ask("b/p", "news today")
				synctest.Wait()
				wants(t, "the first one", first.take(), "b/p today")
				wants(t, "the last one", last.take(), "b/p today")
				equal(t, "dead letters", h.Snapshot().DeadLetters, before+1)
				letters := h.DeadLetters()
				letter := letters[len(letters)-1]
				equal(t, "sender", letter.Sender, id("b/p"))
				equal(t, "target", letter.Target, id("a/bad"))
				equal(t, "payload", string(letter.Payload), "today")
				contains(t, "reason", letter.Reason, test.reason)
				close(release)
				s := h.balance()
				equal(t, "published", s.Published, 1)
				equal(t, "sent", h.component("b/p").Counters.Sent, 3)
				equal(t, "refused", h.component("b/p").Counters.Refused, 0)
			})
		})
	}
}

// TestSubscriptionsFollowChanges: an update changes subscriptions and the capability without a
// new instance; a replacement and a restart keep them; an undeployment ends them.
func TestSubscriptionsFollowChanges(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		var starts atomic.Int32
		b := new(inbox)
		d := subscriber("a/b", behaviour{
			start:   func(guest.Host, guest.Config) error { starts.Add(1); return nil },
			message: b.HandleMessage,
		}, "news")
		check(t, h.Deploy(within(t), d))
		pub := publishes("a/p", "news")
		check(t, h.Deploy(within(t), pub))
		gets := func(what, topic string, want int) {
			t.Helper()
			h.publish("a/p", topic)
			equal(t, "messages on "+topic+" after "+what, len(b.take()), want)
		}
		gets("deployment", "news", 1)
		d.Subscribe = subscriptions("other")
		check(t, h.Update(within(t), d))
		gets("an update", "news", 0)
		_, err := h.request("a/p", "other")
		isError(t, "a topic that is not granted", err, core.ErrRequestFailed)
		pub.Capabilities.Publish = append(pub.Capabilities.Publish, core.MustTopicPattern("other"))
		check(t, h.Update(within(t), pub))
		gets("an update of the capability", "other", 1)
		equal(t, "instances that started", starts.Load(), 1)
		check(t, h.Restart(within(t), d.ID))
		gets("a restart", "other", 1)
		check(t, h.Replace(within(t), d))
		gets("a replacement", "other", 1)
		d.Subscribe = subscriptions("news")
		check(t, h.Replace(within(t), d))
		gets("a replacement with others", "other", 0)
		gets("a replacement with others", "news", 1)
		pub.Capabilities.Publish = nil
		check(t, h.Update(within(t), pub))
		_, err = h.request("a/p", "news")
		isError(t, "a capability that was taken back", err, core.ErrRequestFailed)
		check(t, h.Undeploy(within(t), d.ID))
		check(t, h.Publish(core.MustTopic("news"), nil))
		s := h.balance()
		equal(t, "dead letters", s.DeadLetters, 0)
		check(t, h.Deploy(within(t), d))
		check(t, h.Publish(core.MustTopic("news"), nil))
		h.quiesce()
		equal(t, "messages after another deployment", len(b.take()), 1)
	})
}

// TestFailedChangesKeepSubscriptions: a deployment that fails leaves no subscription, and a
// replacement that is rolled back leaves the old ones.
func TestFailedChangesKeepSubscriptions(t *testing.T) {
	h := start(t, host.Config{})
	fails := behaviour{start: func(guest.Host, guest.Config) error { return errors.New("no") }}
	if err := h.Deploy(within(t), subscriber("a/b", fails, "news")); err == nil {
		t.Fatal("a component that refuses to start was deployed")
	}
	check(t, h.Publish(core.MustTopic("news"), nil))
	equal(t, "sent after a failed deployment", h.quiesce().Sent, 0)
	b := h.subscribes("a/b", "news")
	if err := h.Replace(within(t), subscriber("a/b", fails, "other")); err == nil {
		t.Fatal("a component was replaced by one that refuses to start")
	}
	check(t, h.Publish(core.MustTopic("news"), nil))
	check(t, h.Publish(core.MustTopic("other"), nil))
	h.balance()
	equal(t, "messages after a failed replacement", len(b.take()), 1)
}

// TestPublishInInitialize: publications of a component that starts go out, and those for a
// component that starts wait until it has.
func TestPublishInInitialize(t *testing.T) {
	h := start(t, host.Config{})
	b := h.subscribes("a/b", "started")
	own := new(inbox)
	d := subscriber("a/p", behaviour{
		start:   func(g guest.Host, _ guest.Config) error { return g.Publish("started", []byte("here")) },
		message: own.HandleMessage,
	}, "started")
	d.Capabilities.Publish = publishes("x/x", "started").Capabilities.Publish
	check(t, h.Deploy(within(t), d))
	h.balance()
	wants(t, "another one", b.take(), "a/p here")
	wants(t, "itself", own.take(), "a/p here")
}

// TestPublishOfSeveralInstances: several instances are one subscriber and one publisher, with one
// quota, before and after their number changes.
func TestPublishOfSeveralInstances(t *testing.T) {
	for _, spread := range []host.Spread{host.SpreadSender, host.SpreadAny} {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 3})
			b := new(inbox)
			d := several("a/pool", 3, spread, sameFor(b))
			d.Subscribe = subscriptions("news", "jobs workers")
			check(t, h.Deploy(t.Context(), d))
			pub := several("a/p", 3, spread, sameFor(publisher))
			pub.Capabilities.Publish = publishes("x/x", "news", "jobs").Capabilities.Publish
			check(t, h.Deploy(t.Context(), pub))
			for _, n := range []int{3, 1, 2} {
				d.Instances, pub.Instances = n, n
				check(t, h.Update(t.Context(), d))
				check(t, h.Update(t.Context(), pub))
				for i := range 10 {
					h.ask("a/p", fmt.Sprintf("%s %d", []string{"news", "jobs"}[i%2], i))
				}
				h.quiesce()
				equal(t, fmt.Sprint("messages for ", n, " instances"), len(b.take()), 10)
			}
			s := h.balance()
			equal(t, "published", s.Published, 30)
			equal(t, "published by the component", h.component("a/p").Published, 30)
			pub.Quota = host.Quota{MessagesPerSecond: 1, Burst: 4}
			check(t, h.Update(t.Context(), pub))
			<-time.After(time.Minute)
			refused := 0
			for range 12 {
				if _, err := h.request("a/p", "news"); err != nil {
					contains(t, "refusal", err.Error(), "quota-exceeded")
					refused++
				}
			}
			equal(t, "refused of 12 by a burst of 4", refused, 8)
			check(t, h.Undeploy(t.Context(), pub.ID))
			equal(t, "published, after its end", h.balance().Published, 34)
		})
	}
}

// TestManyTopicsOfOneGuest: a guest that publishes on ever more topics is served, and each
// message arrives.
func TestManyTopicsOfOneGuest(t *testing.T) {
	h := start(t, host.Config{})
	b := h.subscribes("a/b", "t.>")
	d := publishes("a/p", ">")
	d.Limits.HandlerTime = time.Minute
	d.Source = deployment("a/p", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
		var errs []error
		for i := range 10_000 {
			errs = append(errs, g.Publish(fmt.Sprintf("t.%d", i), nil))
			if i%500 == 0 {
				errs = append(errs, g.Publish("t."+strings.Repeat("x.", 13)+fmt.Sprint(i), nil))
			}
		}
		return nil, errors.Join(errs...)
	}}).Source
	check(t, h.Deploy(within(t), d))
	h.do("a/p")
	s := h.balance()
	equal(t, "messages and dead letters", uint64(len(b.take()))+s.DeadLetters, 10_020)
	if n := host.KnownTopics(h.Host); n == 0 || n > 4096 {
		t.Errorf("%d permissions are kept for one guest", n)
	}
}

// TestPublishBesideChanges: components publish while others come, change and go. Each message ends
// once, and those that stay get all.
func TestPublishBesideChanges(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Workers: 4})
		stays := new(inbox)
		d := subscriber("a/stays", stays, "news.*")
		d.Limits.Mailbox = 1 << 20
		check(t, h.Deploy(within(t), d))
		for _, name := range []string{"p/1", "p/2"} {
			check(t, h.Deploy(within(t), publishes(name, ">")))
		}
		ctx, stop := context.WithCancel(within(t))
		var publishing, changing sync.WaitGroup
		changing.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				b := subscriber("c/1", new(inbox), "news.>", "other workers")
				check(t, h.Deploy(within(t), b))
				b.Subscribe = subscriptions(fmt.Sprintf("news.%d workers", i%3))
				check(t, h.Update(within(t), b))
				check(t, h.Replace(within(t), b))
				check(t, h.Undeploy(within(t), b.ID))
			}
		})
		const n = 300
		for _, name := range []string{"p/1", "p/2"} {
			publishing.Go(func() {
				for i := range n {
					h.ask(name, fmt.Sprintf("news.%d %d", i%3, i))
				}
			})
		}
		publishing.Wait()
		stop()
		changing.Wait()
		s := h.balance()
		equal(t, "published", s.Published, 2*n)
		equal(t, "messages of who stays", len(stays.take()), 2*n)
	})
}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := start(b, host.Config{})
			var left atomic.Int64
			done := make(chan struct{}, 1)
			for i := range n {
				d := subscriber(fmt.Sprintf("s/%d", i), responder(func([]byte) ([]byte, error) {
					if left.Add(-1) == 0 {
						done <- struct{}{}
					}
					return nil, nil
				}), "news.*")
				check(b, h.Deploy(within(b), d))
			}
			check(b, h.Deploy(within(b), publishes("a/p", "news.*")))
			message := append([]byte("news.today "), make([]byte, 64)...)
			b.ReportAllocs()
			for b.Loop() { // an operation is one publication, until all have got it
				left.Store(int64(n))
				check(b, h.Send(id("a/p"), message))
				<-done
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}
