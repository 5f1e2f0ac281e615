package nats_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/brokertest"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// store runs a server with JetStream, which keeps all in a folder.
func store(t testing.TB, folder string, change func(*server.Options)) *server.Server {
	t.Helper()
	return serve(t, func(o *server.Options) {
		o.JetStream, o.StoreDir = true, folder
		if change != nil {
			change(o)
		}
	})
}

// book records the messages that components handle.
type book struct {
	mu  sync.Mutex
	all []string
}

func (b *book) add(sender string, message []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, sender+":"+string(message))
}

// of returns the messages of a sender.
func (b *book) of(sender string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.all {
		if text, is := strings.CutPrefix(one, sender+":"); is {
			all = append(all, text)
		}
	}
	return all
}

// has waits until a sender has so many messages in the book, and returns them.
func (b *book) has(t testing.TB, sender string, n int) []string {
	t.Helper()
	for until := within(t); ; {
		if all := b.of(sender); len(all) >= n {
			return all
		}
		select {
		case <-time.After(time.Millisecond):
		case <-until.Done():
			t.Fatalf("%d messages of %s, want %d: %.500q", len(b.of(sender)), sender, n, b.of(sender))
		}
	}
}

// scribe writes all messages into a book, and panics at "trap".
func scribe(b *book) component {
	return func(_ guest.Host, m []byte) ([]byte, error) { b.add("any", m); return nil, trapOn(m) }
}

func trapOn(m []byte) error {
	if string(m) == "trap" {
		panic("on purpose")
	}
	return nil
}

type sendersBook struct{ *book }

func (b sendersBook) HandleMessage(_ guest.Host, sender string, m []byte) ([]byte, error) {
	b.add(sender, m)
	return nil, trapOn(m)
}

func durable(d *host.Deployment) {
	d.Delivery = host.DeliveryDurable
	d.Restart = host.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
}

var mailID, sender = core.MustComponentID("a/mail"), core.MustComponentID("b/sender")

// scribeAfter is a scribe that waits at one message until a gate is open.
func scribeAfter(b *book, at string, gate chan struct{}) component {
	return func(_ guest.Host, m []byte) ([]byte, error) {
		if string(m) == at {
			<-gate
		}
		b.add("any", m)
		return nil, nil
	}
}

// deployMail deploys a durable component.
func (m *member) deployMail(t testing.TB, id string, c guest.Component) {
	t.Helper()
	m.deploy(t, id, c, durable)
}

// knows waits until a host knows that a component has a durable mailbox.
func (m *member) knows(t testing.TB, id core.ComponentID) {
	t.Helper()
	for until := within(t); ; {
		if r, err := m.broker.Route(id); err == nil && strings.HasSuffix(fmt.Sprintf("%T", r), "mailRoute") {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-until.Done():
			t.Fatalf("%s is no durable mailbox", id)
		}
	}
}

// js is a client of a server's JetStream.
func js(t testing.TB, s *server.Server) jetstream.JetStream {
	t.Helper()
	c, err := natsgo.Connect(s.ClientURL())
	check(t, err)
	t.Cleanup(c.Close)
	j, err := jetstream.New(c)
	check(t, err)
	return j
}

// holds waits until the stream of mailboxes has so many messages.
func holds(t testing.TB, j jetstream.JetStream, n uint64) {
	t.Helper()
	for until := within(t); ; {
		stream, err := j.Stream(until, "ah_default_mail")
		check(t, err)
		if got := stream.CachedInfo().State.Msgs; got == n {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-until.Done():
			t.Fatalf("%d messages in the stream, want %d", stream.CachedInfo().State.Msgs, n)
		}
	}
}

func inOrder(t testing.TB, got []string, n int) {
	t.Helper()
	for i := range n {
		if got[i] != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, got[i])
		}
	}
	if len(got) != n {
		t.Fatalf("%d messages, want %d", len(got), n)
	}
}

// relay sends each message on to a target, and waits for room.
func relay(target string) component {
	return func(h guest.Host, m []byte) ([]byte, error) {
		err := h.Send(target, m)
		for errors.Is(err, guest.ErrQueueFull) {
			<-time.After(time.Millisecond)
			err = h.Send(target, m)
		}
		return nil, err
	}
}

// TestDurable: messages of components of two hosts, and of their programs, are stored and handled once,
// each sender's in order; requests go to the component directly.
func TestDurable(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	w := new(book)
	a.deployMail(t, "a/mail", sendersBook{w})
	a.deployMail(t, "a/echo", component(echo))
	a.deploy(t, "a/sender", relay("a/mail"), nil)
	b.deploy(t, "b/sender", relay("a/mail"), nil)
	b.knows(t, mailID)
	const n = 300
	for i := range n {
		check(t, a.Send(core.MustComponentID("a/sender"), fmt.Append(nil, i)))
		check(t, b.Send(sender, fmt.Append(nil, i)))
		check(t, b.Send(mailID, fmt.Append(nil, i)))
	}
	for _, sender := range []string{"a/sender", "b/sender", "airhost/host"} {
		inOrder(t, w.has(t, sender, n), n)
	}
	for _, m := range []*member{a, b} {
		if got, err := m.Request(within(t), echoID, []byte("hello")); string(got) != "hello" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	a.deploy(t, "a/reader", scribe(w), func(d *host.Deployment) {
		durable(d)
		d.Subscribe = []host.Subscription{{Topic: core.MustTopicPattern("news.*")}}
	})
	left := a.settled(t).Left
	topic, err := core.ParseTopic("news.today")
	check(t, err)
	check(t, a.Publish(topic, []byte("published")))
	w.has(t, "any", 1)
	holds(t, js(t, s), 0)
	if got := a.settled(t).Left; got != left+1 {
		t.Errorf("%d messages were stored for a publication, want 1", got-left)
	}
	b.settled(t)
	if len(a.DeadLetters())+len(b.DeadLetters()) != 0 {
		t.Errorf("dead letters: %+v %+v", a.DeadLetters(), b.DeadLetters())
	}
}

// TestMailWaits: a message that is sent while the component's host is away, or the component is undeployed, is
// handled after the next deployment, on any host.
func TestMailWaits(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	w := new(book)
	a.deployMail(t, "a/mail", scribe(w))
	b.knows(t, mailID)
	check(t, b.Send(mailID, []byte("0")))
	w.has(t, "any", 1)
	check(t, a.Undeploy(within(t), mailID))
	check(t, b.Send(mailID, []byte("1")))
	b.settled(t)
	check(t, a.Send(mailID, []byte("2")))
	a.settled(t)
	a.deployMail(t, "a/mail", scribe(w))
	w.has(t, "any", 3)
	check(t, a.Stop(within(t)))
	c := join(t, s.ClientURL(), "c") // knows it from the directory
	check(t, c.Send(mailID, []byte("3")))
	c.settled(t)
	if _, err := c.Request(within(t), mailID, nil); !errors.Is(err, core.ErrTargetNotFound) {
		t.Errorf("a request of a host that is away: %v", err)
	}
	b.deployMail(t, "a/mail", scribe(w))
	inOrder(t, w.has(t, "any", 4), 4)
	holds(t, js(t, s), 0)
}

// TestPoison: a message on which the instance ends each time is a dead letter after restart.max_deliver
// times, and the others of its sender wait for that.
func TestPoison(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	w := new(book)
	a.deploy(t, "a/mail", sendersBook{w}, func(d *host.Deployment) { durable(d); d.Restart.MaxDeliver = 3 })
	b.deploy(t, "b/sender", relay("a/mail"), nil)
	b.knows(t, mailID)
	for _, text := range []string{"1", "trap", "2"} {
		check(t, b.Send(sender, []byte(text)))
	}
	if got := strings.Join(w.has(t, "b/sender", 5), " "); got != "1 trap trap trap 2" {
		t.Errorf("handled %s", got)
	}
	holds(t, js(t, s), 0)
	a.settled(t)
	letters := a.DeadLetters()
	if len(letters) != 1 || string(letters[0].Payload) != "trap" || letters[0].Sender.String() != "b/sender" || !strings.Contains(letters[0].Reason, "on purpose") {
		t.Errorf("the dead letters are %+v", letters)
	}
	if n := a.broker.Counters().Redelivered; n != 2 || a.broker.Cluster().Redelivered != n {
		t.Errorf("%d redeliveries, want 2, also in %+v", n, a.broker.Cluster())
	}
}

// TestHostDies: messages that a host has got and not handled when it dies are handled by the next one, in order.
func TestHostDies(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	w := newWire(t, s.Addr().String())
	a, b := join(t, "nats://"+w.Addr().String(), "a"), join(t, s.ClientURL(), "b")
	began, gate := make(chan struct{}, 10), make(chan struct{})
	defer close(gate)
	first := new(book)
	a.deployMail(t, "a/mail", component(func(_ guest.Host, m []byte) ([]byte, error) {
		began <- struct{}{}
		if string(m) == "1" {
			<-gate
			return nil, nil
		}
		first.add("any", m)
		return nil, nil
	}))
	b.deploy(t, "b/sender", relay("a/mail"), nil)
	b.knows(t, mailID)
	for i := range 5 {
		check(t, b.Send(sender, fmt.Append(nil, i)))
	}
	<-began
	<-began
	holds(t, js(t, s), 4) // the first one is acknowledged
	w.cut.Store(true)     // nothing of a goes through any more
	second := new(book)
	b.deployMail(t, "a/mail", scribe(second))
	got := second.has(t, "any", 4)
	if strings.Join(got, " ") != "1 2 3 4" || strings.Join(first.of("any"), " ") != "0" {
		t.Errorf("handled %v, then %v", first.of("any"), got)
	}
	holds(t, js(t, s), 0)
	w.cut.Store(false)
}

// TestServerRestarts: messages that are sent while the server is away are stored when it is back, and
// nothing is handled twice.
func TestServerRestarts(t *testing.T) {
	folder := t.TempDir()
	s := store(t, folder, nil)
	port := s.Addr().(*net.TCPAddr).Port
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	w := new(book)
	gate := make(chan struct{})
	a.deployMail(t, "a/mail", scribeAfter(w, "10", gate))
	b.deploy(t, "b/sender", relay("a/mail"), nil)
	b.knows(t, mailID)
	const n = 200
	for i := range n / 2 {
		check(t, b.Send(sender, fmt.Append(nil, i)))
	}
	w.has(t, "any", 10)
	holds(t, js(t, s), n/2-10)
	for until := within(t); a.Components()[0].Stored != n/2-10; { // as soon as all have come
		select {
		case <-time.After(time.Millisecond):
		case <-until.Done():
			t.Fatalf("%d messages are stored, want %d", a.Components()[0].Stored, n/2-10)
		}
	}
	s.Shutdown()
	s.WaitForShutdown()
	a.says(t, "disconnected from NATS", 1)
	b.says(t, "disconnected from NATS", 1)
	for i := n / 2; i < n; i++ {
		check(t, b.Send(sender, fmt.Append(nil, i)))
	}
	close(gate)
	s = store(t, folder, func(o *server.Options) { o.Port = port })
	inOrder(t, w.has(t, "any", n), n)
	holds(t, js(t, s), 0)
	b.settled(t)
	a.settled(t)
}

// TestEmptyStore: a server that comes back without its store gets the stream anew; the log says that
// what was stored is lost, and all goes on.
func TestEmptyStore(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	port := s.Addr().(*net.TCPAddr).Port
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	w := new(book)
	a.deployMail(t, "a/mail", scribe(w))
	check(t, b.Send(mailID, []byte("0")))
	w.has(t, "any", 1)
	s.Shutdown()
	s.WaitForShutdown()
	a.says(t, "disconnected from NATS", 1)
	s = store(t, t.TempDir(), func(o *server.Options) { o.Port = port })
	a.says(t, "the stream of durable mailboxes was made anew", 1)
	b.says(t, "connected to NATS again", 1)
	check(t, b.Send(mailID, []byte("1")))
	inOrder(t, w.has(t, "any", 2), 2)
	holds(t, js(t, s), 0)
}

// TestNoJetStream: without JetStream a durable component is refused, with advice; all else works.
func TestNoJetStream(t *testing.T) {
	a := join(t, serve(t, nil).ClientURL(), "a")
	a.deploy(t, "a/echo", component(echo), nil)
	d := host.Deployment{ID: mailID, Engine: "native", Source: core.Source{Value: func() guest.Component { return component(echo) }}, Delivery: host.DeliveryDurable}
	err := a.Deploy(within(t), d)
	if err == nil || !strings.Contains(err.Error(), "the NATS server has no JetStream") || !strings.Contains(err.Error(), "nats-server -js") {
		t.Errorf("got %v", err)
	}
	if _, err := a.Request(within(t), echoID, nil); err != nil {
		t.Error(err)
	}
	if err := a.Send(mailID, nil); err != nil {
		t.Error(err)
	}
	a.settled(t)
	if l := a.DeadLetters(); len(l) != 1 || !strings.HasPrefix(l[0].Reason, "target-not-found") {
		t.Errorf("the dead letters are %+v", l)
	}
}

// TestDurableWithinAHost: the durable part of the suite, with components of one host.
func TestDurableWithinAHost(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	var clusters atomic.Int64
	brokertest.RunDurable(t, brokertest.Harness{Direct: true, Late: true, New: func() (core.Broker, error) {
		return nats.New(nats.Config{URL: s.ClientURL(), Host: "one", Cluster: fmt.Sprint("c", clusters.Add(1)), Lease: nats.MinLease, Logger: slog.New(slog.DiscardHandler)})
	}})
}
