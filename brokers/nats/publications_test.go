package nats_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// inbox is a component that notes its messages, as "sender payload".
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

func (b *inbox) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

func (b *inbox) size() int { return len(b.all()) }

// comes waits until an inbox has exactly this, and checks that it stays so for the messages on their
// way.
func (b *inbox) comes(t testing.TB, want ...string) {
	t.Helper()
	for until := within(t); b.size() < len(want) && until.Err() == nil; {
		<-time.After(time.Millisecond)
	}
	if got := b.all(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// subscribes deploys a component with an inbox and subscriptions, each as "pattern" or "pattern queue".
func (m *member) subscribes(t testing.TB, id string, texts ...string) *inbox {
	t.Helper()
	b := new(inbox)
	m.deploy(t, id, b, func(d *host.Deployment) {
		for _, text := range texts {
			pattern, queue, _ := strings.Cut(text, " ")
			d.Subscribe = append(d.Subscribe, host.Subscription{Topic: core.MustTopicPattern(pattern), Queue: queue})
		}
	})
	return b
}

// heard waits until so many subscriptions at a server match a topic.
func heard(t testing.TB, s *server.Server, topic string, want int) {
	t.Helper()
	for until := within(t); ; <-time.After(time.Millisecond) {
		found, err := s.Subsz(&server.SubszOptions{Subscriptions: true, Test: "ah.default.pub." + topic})
		check(t, err)
		if found.Total == want {
			return
		}
		if until.Err() != nil {
			t.Fatalf("%d subscriptions match %s, want %d", found.Total, topic, want)
		}
	}
}

func publish(t testing.TB, m *member, topic string, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		check(t, m.Publish(core.MustTopic(topic), []byte(p)))
	}
}

// publishApart publishes so that each publication has a frame of its own.
func publishApart(t testing.TB, m *member, topic string, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		publish(t, m, topic, p)
		publish(t, m, "between", "")
	}
}

// TestPublicationsAcrossHosts: a publication of a component comes to each subscriber of each host once,
// by whatever number of patterns, in its name and in order.
func TestPublicationsAcrossHosts(t *testing.T) {
	s := serve(t, nil)
	a, b, c := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b"), join(t, s.ClientURL(), "c")
	own := a.subscribes(t, "a/own", "orders.>")
	one, many := b.subscribes(t, "b/one", "orders.*"), b.subscribes(t, "b/many", "*.new", "orders.>")
	other := c.subscribes(t, "c/other", "stock.*")
	a.deploy(t, "a/shop", component(func(h guest.Host, m []byte) ([]byte, error) {
		for i := range 500 {
			if err := errors.Join(h.Publish("orders.new", fmt.Append(nil, i)), h.Publish("stock.low", fmt.Append(nil, i))); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}), func(d *host.Deployment) { d.Capabilities.Publish = []core.TopicPattern{core.MustTopicPattern(">")} })
	heard(t, s, "orders.new", 3)
	heard(t, s, "stock.low", 1)
	_, err := a.Request(within(t), core.MustComponentID("a/shop"), nil)
	check(t, err)
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprint("a/shop ", i))
	}
	for _, box := range []*inbox{own, one, many, other} {
		box.comes(t, want...)
	}
	publish(t, b, "orders.eu.new", "by a program")
	own.comes(t, append(want, "airhost/host by a program")...)
	many.comes(t, append(want, "airhost/host by a program")...)
	for i, m := range []*member{a, b, c} {
		if sent := m.settled(t).Sent; sent != []uint64{500 + 1 + 1, 1000 + 1, 500}[i] { // one request
			t.Errorf("host %d has sent %d", i, sent)
		}
		if lost := m.broker.Counters(); lost.Discarded+lost.Missed+lost.Unpublished > 0 {
			t.Errorf("host %d has lost %+v", i, lost)
		}
	}
}

// TestQueueGroupsAcrossHosts: of a queue group one component gets a publication, whatever its pattern;
// a host with a member serves the group itself.
func TestQueueGroupsAcrossHosts(t *testing.T) {
	s := serve(t, nil)
	a, b, c := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b"), join(t, s.ClientURL(), "c")
	at := []*inbox{b.subscribes(t, "b/1", "jobs.* q"), b.subscribes(t, "b/2", "jobs.one q"), c.subscribes(t, "c/1", "jobs.> q", "> r")}
	heard(t, s, "jobs.one", 2) // that of b/2 is covered, and a host does not know if c/1 is in r
	const n = 300
	for i := range n {
		publishApart(t, a, "jobs.one", fmt.Sprint(i))
	}
	got := func() (sum int) {
		for _, box := range at {
			sum += box.size()
		}
		return sum
	}
	for until := within(t); got() < n && until.Err() == nil; {
		<-time.After(time.Millisecond)
	}
	for i, box := range at {
		if box.size() < n/10 {
			t.Errorf("member %d got %d of %d", i, box.size(), n)
		}
	}
	own := a.subscribes(t, "a/1", "jobs.one q")
	plain := c.subscribes(t, "c/2", "jobs.one")
	heard(t, s, "jobs.one", 4)
	publish(t, a, "jobs.one", "x", "y")
	own.comes(t, "airhost/host x", "airhost/host y")
	plain.comes(t, "airhost/host x", "airhost/host y")
	publish(t, a, "jobs.two", "z") // of which a has no member
	for until := within(t); got() < n+1 && until.Err() == nil; {
		<-time.After(time.Millisecond)
	}
	check(t, a.Undeploy(within(t), core.MustComponentID("a/1")))
	publish(t, a, "jobs.one", "last")
	for until := within(t); got() < n+2 && until.Err() == nil; {
		<-time.After(time.Millisecond)
	}
	if own.size() != 2 || got() != n+2 {
		t.Errorf("%d and %d got them, want 2 and %d", own.size(), got(), n+2)
	}
}

// TestQueueGroupsOfTwoServers: the same, with the hosts at different servers of a cluster.
func TestQueueGroupsOfTwoServers(t *testing.T) {
	cluster := func(routes ...*url.URL) *server.Server {
		return serve(t, func(o *server.Options) {
			o.Cluster = server.ClusterOpts{Name: "two", Host: "127.0.0.1", Port: server.RANDOM_PORT}
			o.Routes = routes
		})
	}
	first := cluster()
	second := cluster(&url.URL{Scheme: "nats-route", Host: first.ClusterAddr().String()})
	for until := within(t); first.NumRoutes() == 0 || second.NumRoutes() == 0; <-time.After(time.Millisecond) {
		check(t, until.Err())
	}
	a, b, c := join(t, first.ClientURL(), "a"), join(t, second.ClientURL(), "b"), join(t, second.ClientURL(), "c")
	one, two := b.subscribes(t, "b/1", "jobs.* q", "*.one", "jobs.>"), c.subscribes(t, "c/1", "jobs.> q")
	plain := b.subscribes(t, "b/2", "*.one", "jobs.>")
	heard(t, second, "jobs.one", 4)
	for until := within(t); !first.GlobalAccount().SubscriptionInterest("ah.default.pub.jobs.one"); <-time.After(time.Millisecond) {
		check(t, until.Err())
	}
	const n = 200
	for i := range n {
		publishApart(t, a, "jobs.one", fmt.Sprint(i))
	}
	for until := within(t); plain.size() < n || one.size()+two.size() < n; <-time.After(time.Millisecond) {
		check(t, until.Err())
	}
	if plain.size() != n || one.size()+two.size() != n || one.size() == 0 || two.size() == 0 {
		t.Errorf("%d, and %d and %d got it, want %d and %d together", plain.size(), one.size(), two.size(), n, n)
	}
}

// TestFirstEntryAcrossHosts: a component whose earlier entry overlaps that of a queue group gets no
// publications of other hosts by the group, which would be lost for it.
func TestFirstEntryAcrossHosts(t *testing.T) {
	s := serve(t, nil)
	a, b, c := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b"), join(t, s.ClientURL(), "c")
	both := b.subscribes(t, "b/both", "jobs.one", "jobs.* q")
	member := c.subscribes(t, "c/member", "jobs.* q")
	heard(t, s, "jobs.one", 2)
	var want []string
	for i := range 50 {
		publish(t, a, "jobs.one", fmt.Sprint(i))
		want = append(want, fmt.Sprint("airhost/host ", i))
	}
	both.comes(t, want...)
	member.comes(t, want...)
	publish(t, a, "jobs.two", "x")
	member.comes(t, append(want, "airhost/host x")...)
	publish(t, b, "jobs.two", "of its own host")
	both.comes(t, append(want, "airhost/host of its own host")...)
}

// TestSubscriptionsFollow: an undeployment, an update and a stop change that which comes from other hosts.
func TestSubscriptionsFollow(t *testing.T) {
	s := serve(t, nil)
	a, b, c := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b"), join(t, s.ClientURL(), "c")
	one, two := b.subscribes(t, "b/one", "x.1", "x.2"), b.subscribes(t, "b/two", "x.2")
	heard(t, s, "x.1", 1)
	heard(t, s, "x.2", 1)
	three := b.subscribes(t, "b/three", "x.*")
	heard(t, s, "x.3", 1)
	heard(t, s, "x.1", 1) // the others are covered
	publish(t, a, "x.1", "a")
	publish(t, a, "x.2", "b")
	three.comes(t, "airhost/host a", "airhost/host b")
	one.comes(t, "airhost/host a", "airhost/host b")
	two.comes(t, "airhost/host b")
	check(t, b.Undeploy(within(t), core.MustComponentID("b/three")))
	check(t, b.Undeploy(within(t), core.MustComponentID("b/one")))
	heard(t, s, "x.3", 0)
	heard(t, s, "x.1", 0)
	publish(t, a, "x.2", "c")
	two.comes(t, "airhost/host b", "airhost/host c")

	first, second := b.subscribes(t, "b/q", "jobs q"), c.subscribes(t, "c/q", "jobs q")
	heard(t, s, "jobs", 2)
	check(t, b.Stop(within(t)))
	heard(t, s, "jobs", 1)
	publish(t, a, "jobs", "1", "2", "3", "4")
	second.comes(t, "airhost/host 1", "airhost/host 2", "airhost/host 3", "airhost/host 4")
	if n := first.size(); n != 0 {
		t.Errorf("the host that has stopped got %d", n)
	}
}

// TestStopHandsQueueGroupsOver: a host that stops handles the publications that were sent to its members of
// a queue group, and those that come later go to other hosts.
func TestStopHandsQueueGroupsOver(t *testing.T) {
	s := serve(t, nil)
	a, b, c := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b"), join(t, s.ClientURL(), "c")
	one, two := b.subscribes(t, "b/1", "jobs q"), c.subscribes(t, "c/1", "jobs q")
	heard(t, s, "jobs", 2)
	stopped := make(chan error)
	const n = 4000
	for i := range n {
		publishApart(t, a, "jobs", fmt.Sprint(i))
		if i%10 == 0 {
			<-time.After(100 * time.Microsecond) // so that there is something to do during the stop
		}
		if i == n/4 {
			go func() { stopped <- b.Stop(within(t)) }()
		}
	}
	check(t, <-stopped)
	for until := within(t); one.size()+two.size() < n && until.Err() == nil; {
		<-time.After(time.Millisecond)
	}
	if one.size()+two.size() != n || one.size() == 0 || b.Snapshot().DeadLetters > 0 {
		t.Errorf("%d and %d got it, want %d together; %d dead letters", one.size(), two.size(), n, b.Snapshot().DeadLetters)
	}
}

// TestPublicationsWithoutAServer: subscribers of the same host go on, the publications are counted as
// lost for the others, and afterwards all goes on.
func TestPublicationsWithoutAServer(t *testing.T) {
	s := serve(t, nil)
	port := s.Addr().(*net.TCPAddr).Port
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	own, far := a.subscribes(t, "a/own", "news"), b.subscribes(t, "b/far", "news")
	heard(t, s, "news", 2)
	publish(t, a, "news", "before")
	far.comes(t, "airhost/host before")
	s.Shutdown()
	s.WaitForShutdown()
	a.says(t, "disconnected from NATS", 1)
	b.says(t, "disconnected from NATS", 1)
	publish(t, a, "news", "1", "2")
	late := b.subscribes(t, "b/late", "news.*")
	s = serve(t, func(o *server.Options) { o.Port = port })
	a.says(t, "connected to NATS again", 1)
	heard(t, s, "news", 2)
	heard(t, s, "news.late", 1)
	publish(t, a, "news", "after")
	publish(t, a, "news.late", "too")
	own.comes(t, "airhost/host before", "airhost/host 1", "airhost/host 2", "airhost/host after")
	far.comes(t, "airhost/host before", "airhost/host after")
	late.comes(t, "airhost/host too")
	if n := a.broker.Counters().Unpublished; n != 2 || a.broker.Cluster().Unpublished != n {
		t.Errorf("%d are counted as lost, want 2, also in %+v", n, a.broker.Cluster())
	}
}

// TestPublicationTooLarge: a publication that the server does not take is refused, and nobody of this host
// gets it.
func TestPublicationTooLarge(t *testing.T) {
	a := join(t, serve(t, func(o *server.Options) { o.MaxPayload = 64 << 10 }).ClientURL(), "a")
	own := a.subscribes(t, "a/own", "news", "> "+strings.Repeat("q", 63))
	err := a.Publish(core.MustTopic("news"), make([]byte, 64<<10))
	if core.AsMessagingError(err).Case != core.CaseInvalidArgument || !strings.Contains(err.Error(), "at most 64512 bytes") {
		t.Errorf("got %v", err)
	}
	err = a.Publish(core.MustTopic("new"), make([]byte, 64512-63))
	if core.AsMessagingError(err).Case != core.CaseInvalidArgument || !strings.Contains(err.Error(), "at most 64448 bytes") {
		t.Errorf("with the name of a queue group: got %v", err)
	}
	publish(t, a, "news", string(make([]byte, 64512)))
	a.settled(t)
	if own.size() != 1 || a.broker.Counters().Unpublished != 0 {
		t.Errorf("the subscriber got %d, %d were lost", own.size(), a.broker.Counters().Unpublished)
	}
}

// TestForbiddenTopic: a publication that the server does not let this host make is told in the log and
// counted; its own subscribers get it, and other topics go on.
func TestForbiddenTopic(t *testing.T) {
	user := &server.User{Username: "shop", Password: "open-sesame", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Deny: []string{"ah.default.pub.secret.>"}}, Subscribe: &server.SubjectPermission{Deny: []string{"ah.default.pub.hidden"}},
	}}
	s := serve(t, func(o *server.Options) { o.Users = []*server.User{user} })
	url := "nats://shop:open-sesame@" + s.Addr().String()
	a, b := join(t, url, "a"), join(t, url, "b")
	own, far := a.subscribes(t, "a/own", ">"), b.subscribes(t, "b/far", "secret.*", "news", "hidden")
	heard(t, s, "news", 2)
	publish(t, a, "secret.x", "1", "2", "3")
	publish(t, a, "hidden", "4")
	publish(t, a, "news", "5")
	far.comes(t, "airhost/host 5")
	own.comes(t, "airhost/host 1", "airhost/host 2", "airhost/host 3", "airhost/host 4", "airhost/host 5")
	for until := within(t); a.broker.Counters().Unpublished < 3 && until.Err() == nil; {
		<-time.After(time.Millisecond)
	}
	if n := a.broker.Counters().Unpublished; n != 3 {
		t.Errorf("%d are counted, want 3", n)
	}
	a.says(t, `Permissions Violation for Publish to \"ah.default.pub.secret.x\"`, 1)
	b.says(t, `Permissions Violation for Subscription to \"ah.default.pub.hidden\"`, 1)
	if text := a.log.String() + b.log.String(); strings.Contains(text, "sesame") || a.settled(t).DeadLetters > 0 {
		t.Errorf("dead letters, or the log has the password:\n%s", text)
	}
}

// TestFramesOfOtherPrograms: frames of a later version and malformed ones are discarded and counted, later
// fields are skipped, and a program that publishes to subjects without a topic does no harm.
func TestFramesOfOtherPrograms(t *testing.T) {
	s := serve(t, nil)
	a := join(t, s.ClientURL(), "a")
	got := a.subscribes(t, "a/all", ">", "orders q")
	heard(t, s, "orders", 1) // an earlier entry overlaps that of the queue
	other, err := natsgo.Connect(s.ClientURL())
	check(t, err)
	defer other.Close()
	text := func(s string) string { return string(rune(len(s))) + s }
	head := "\x01P" + text("z") + text("RUN")
	for _, c := range []struct{ topic, frame string }{
		{"orders", "\x02P" + text("z") + "of a later version"},
		{"orders", "no frame"},
		{"orders", head + "\x01\x00\x00" + text("nobody") + text("a sender that is no id")},
		{"Orders", head + "\x01\x00\x00" + text("z/z") + text("a topic that is none")},
		{"a..b", head + "\x01\x00\x00" + text("z/z") + text("a subject that is none")},
		{"orders", head + "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
		{"orders", head + "\x03\x01" + text("q") + "\x02" + text("later") + text("z/z") + text("1") + "\x00" + text("z/y") + text("2")},
		{"orders", head + "\x03\x00\x00" + text("z/z") + text("again")},
		{"orders", "\x01P" + text("a") + text("RUN") + "\x01\x00\x00" + text("z/z") + text("in the name of this host")},
		{"orders", "\x01P" + text("z") + text("NEW") + "\x01\x00\x00" + text("z/z") + text("of a new run")},
	} {
		check(t, other.Publish("ah.default.pub."+c.topic, []byte(c.frame)))
	}
	got.comes(t, "z/z 1", "z/y 2", "z/z in the name of this host", "z/z of a new run")
	// The server passes a.b with an empty part to nobody.
	if n := a.broker.Counters().Discarded; n != 5 {
		t.Errorf("%d are discarded, want 5", n)
	}
	check(t, other.Publish("ah.default.pub.>", []byte("to a subject with a wildcard")))
	check(t, other.PublishRequest("ah.default.pub.orders", "ah.default.hosts", []byte("with a reply")))
	check(t, other.Flush())
	publish(t, a, "orders", "all goes on")
	a.settled(t)
}
