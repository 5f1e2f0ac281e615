package nats_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// mailFrame is a frame of one message, as it is stored. flags are those of the message.
func mailFrame(flags byte, rest ...string) []byte {
	frame := append([]byte{1, 'M', 1, 'x'}, flags)
	for _, text := range rest {
		frame = append(append(frame, byte(len(text))), text...)
	}
	return frame
}

// TestGarbageInTheStream: bytes that are no message are removed, counted and logged, and the next
// message is handled.
func TestGarbageInTheStream(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	w := new(book)
	a.deployMail(t, "a/mail", sendersBook{w})
	j := js(t, s)
	garbage := [][]byte{
		nil, {0}, {9, 'M', 1, 'x'}, {1, 'O', 1, 'x', 0, 1, 0}, mailFrame(0), mailFrame(0, "no id", "x"), mailFrame(0, "", "x"),
		mailFrame(0, "b/c", "x", "more"), {1, 'M', 1, 'x', 1, 7, 0, 3, 'b', '/', 'c', 1, 'x'}, mailFrame(64, "b/c", "x"),
		{1, 'M', 1, '\n', 0, 3, 'b', '/', 'c', 1, 'x'}, []byte(strings.Repeat("x", 1<<20)),
	}
	for _, frame := range append(garbage, mailFrame(0, "b/c", "fine")) {
		_, err := j.Publish(within(t), "ah.default.mail.a.mail", frame)
		check(t, err)
	}
	if got := w.has(t, "b/c", 1); got[0] != "fine" {
		t.Errorf("got %q", got)
	}
	holds(t, j, 0)
	if n := a.broker.Counters().Discarded; n != uint64(len(garbage)) {
		t.Errorf("%d discarded, want %d", n, len(garbage))
	}
	a.says(t, "what is stored for a component is no message", len(garbage))
}

// TestFullMailbox: a message for a mailbox that is full is a dead letter with queue-full; those that were
// stored are handled.
func TestFullMailbox(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	j := js(t, s)
	_, err := j.CreateStream(within(t), jetstream.StreamConfig{
		Name: "ah_default_mail", Subjects: []string{"ah.default.mail.>"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew,
		MaxMsgsPerSubject: 3, DiscardNewPerSubject: true,
	})
	check(t, err)
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	w := new(book)
	a.deployMail(t, "a/mail", scribe(w))
	b.knows(t, mailID)
	check(t, a.Undeploy(within(t), mailID))
	for i := range 5 {
		check(t, b.Send(mailID, fmt.Append(nil, i)))
	}
	b.settled(t)
	letters := b.DeadLetters()
	if len(letters) != 2 || string(letters[0].Payload) != "3" || !strings.Contains(letters[0].Reason, "queue-full: a/mail: maximum messages per subject exceeded") {
		t.Errorf("the dead letters are %+v", letters)
	}
	a.deployMail(t, "a/mail", scribe(w))
	inOrder(t, w.has(t, "any", 3), 3)
	holds(t, j, 0)
}

// TestFullStream: the same for a stream that has no room for bytes.
func TestFullStream(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	j := js(t, s)
	_, err := j.CreateStream(within(t), jetstream.StreamConfig{
		Name: "ah_default_mail", Subjects: []string{"ah.default.mail.>"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew,
		MaxMsgsPerSubject: 3, DiscardNewPerSubject: true, MaxBytes: 2000,
	})
	check(t, err)
	a := join(t, s.ClientURL(), "a")
	a.deployMail(t, "a/mail", component(echo))
	check(t, a.Send(mailID, make([]byte, 4000)))
	a.settled(t)
	if l := a.DeadLetters(); len(l) != 1 || !strings.Contains(l[0].Reason, "queue-full: a/mail: maximum bytes exceeded") {
		t.Errorf("%d dead letters", len(l))
	}
}

// TestNoRoomOnDisk: while the server has no room, messages wait, and are stored when it has.
func TestNoRoomOnDisk(t *testing.T) {
	s := store(t, t.TempDir(), func(o *server.Options) { o.JetStreamMaxStore = 20_000 })
	a := join(t, s.ClientURL(), "a")
	sizes, gate := make(chan int, 100), make(chan struct{})
	a.deployMail(t, "a/mail", component(func(_ guest.Host, m []byte) ([]byte, error) { <-gate; sizes <- len(m); return nil, nil }))
	const n = 10
	for i := range n {
		check(t, a.Send(mailID, make([]byte, 4000+i)))
	}
	a.says(t, "a message for a durable mailbox is not stored yet", 1)
	close(gate)
	for range n {
		<-sizes
	}
	a.settled(t)
	if l := a.DeadLetters(); len(l) != 0 {
		t.Errorf("%d dead letters: %s", len(l), l[0].Reason)
	}
}

// TestWindowOfMail: while nothing is stored, a route takes as much as its window, and refuses the rest at
// once; a message above the server's max_payload is refused with the bound.
func TestWindowOfMail(t *testing.T) {
	folder := t.TempDir()
	s := store(t, folder, nil)
	port := s.Addr().(*net.TCPAddr).Port
	a := join(t, s.ClientURL(), "a")
	w := new(book)
	a.deployMail(t, "a/mail", scribe(w))
	if err := a.Send(mailID, make([]byte, 8<<20)); core.AsMessagingError(err).Case != core.CaseInvalidArgument {
		t.Errorf("above max_payload: %v", err)
	}
	s.Shutdown()
	s.WaitForShutdown()
	a.says(t, "disconnected from NATS", 1)
	if n := a.broker.Waiting(mailID); n != 0 {
		t.Errorf("%d messages are stored, want 0", n)
	}
	taken := 0
	for ; taken < 10_000; taken++ {
		if err := a.Send(mailID, fmt.Append(nil, taken)); err != nil {
			if core.AsMessagingError(err).Case != core.CaseQueueFull {
				t.Fatal(err)
			}
			break
		}
	}
	if taken != 4096 {
		t.Errorf("%d messages are taken, want 4096", taken)
	}
	store(t, folder, func(o *server.Options) { o.Port = port })
	inOrder(t, w.has(t, "any", taken), taken)
	a.settled(t)
}

// TestCloseWithMail: a host that stops without a server has dead letters of messages that are not stored.
func TestCloseWithMail(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	a.deployMail(t, "a/mail", component(echo))
	s.Shutdown()
	s.WaitForShutdown()
	a.says(t, "disconnected from NATS", 1)
	check(t, a.Send(mailID, []byte("x")))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = a.Stop(ctx) // it says that a message is left
	if l := a.DeadLetters(); len(l) != 1 || !strings.Contains(l[0].Reason, "JetStream has not confirmed") {
		t.Errorf("the dead letters are %+v", l)
	}
}

// TestConsumerIsDeleted: a consumer that is deleted from outside is made anew, and nothing is handled twice.
func TestConsumerIsDeleted(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	w := new(book)
	gate := make(chan struct{})
	a.deployMail(t, "a/mail", scribeAfter(w, "1", gate))
	for i := range 3 {
		check(t, a.Send(mailID, fmt.Append(nil, i)))
	}
	w.has(t, "any", 1)
	j := js(t, s)
	check(t, j.DeleteConsumer(within(t), "ah_default_mail", "a~mail"))
	a.says(t, "the consumer of a durable mailbox was deleted: it is made anew", 1)
	check(t, a.Send(mailID, []byte("3")))
	close(gate)
	inOrder(t, w.has(t, "any", 4), 4)
	holds(t, j, 0)
}

// TestTwoHostsWithAMailbox: the host that has deployed the component last gets the messages, and the other
// one says so; when the last one leaves, the other one gets them again.
func TestTwoHostsWithAMailbox(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a, b, c := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b"), join(t, s.ClientURL(), "c")
	at, bt := new(book), new(book)
	a.deployMail(t, "a/mail", scribe(at))
	c.knows(t, mailID)
	check(t, c.Send(mailID, []byte("1")))
	at.has(t, "any", 1)
	b.deployMail(t, "a/mail", scribe(bt))
	a.says(t, `another host has taken the durable mailbox of a component over: two hosts have it, undeploy one" component=a/mail host=b`, 1)
	check(t, c.Send(mailID, []byte("2")))
	bt.has(t, "any", 1)
	check(t, b.Undeploy(within(t), mailID))
	check(t, c.Send(mailID, []byte("3")))
	if got := at.has(t, "any", 2); strings.Join(got, " ") != "1 3" || len(bt.of("any")) != 1 {
		t.Errorf("a has %v, b has %v", got, bt.of("any"))
	}
}

// TestHostStopsInMidMessage: a message that a host is handling when it must stop comes again, and is no dead
// letter.
func TestHostStopsInMidMessage(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	began, gate := make(chan struct{}), make(chan struct{})
	a.deployMail(t, "a/mail", component(func(guest.Host, []byte) ([]byte, error) { close(began); <-gate; return nil, nil }))
	check(t, a.Send(mailID, []byte("0")))
	<-began
	check(t, a.Send(mailID, []byte("1")))
	holds(t, js(t, s), 2)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := a.Stop(ctx); err == nil {
		t.Error("Stop has not said that the component was left behind")
	}
	if l := a.DeadLetters(); len(l) != 0 {
		t.Errorf("the dead letters are %+v", l)
	}
	w := new(book)
	b := join(t, s.ClientURL(), "b")
	b.deployMail(t, "a/mail", scribe(w))
	inOrder(t, w.has(t, "any", 2), 2)
	close(gate)
}

// TestLargeMail: messages that are larger than all of a mailbox's room come one by one.
func TestLargeMail(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	sizes := make(chan int, 10)
	a.deploy(t, "a/mail", component(func(_ guest.Host, m []byte) ([]byte, error) { sizes <- len(m); return nil, nil }), func(d *host.Deployment) {
		durable(d)
		d.Limits.MessageSize = 7 << 20
	})
	for _, size := range []int{10, 6 << 20, 6 << 20, 7<<20 + 1, 20} { // one is too large for the component
		err := a.Send(mailID, make([]byte, size))
		for errors.Is(err, core.ErrQueueFull) { // the window is full
			<-time.After(time.Millisecond)
			err = a.Send(mailID, make([]byte, size))
		}
		check(t, err)
	}
	for _, want := range []int{10, 6 << 20, 6 << 20, 20} {
		if got := <-sizes; got != want {
			t.Errorf("a message of %d bytes, want %d", got, want)
		}
	}
	holds(t, js(t, s), 0)
	a.settled(t)
	if l := a.DeadLetters(); len(l) != 1 || !strings.Contains(l[0].Reason, "invalid-argument") {
		t.Errorf("%d dead letters", len(l))
	}
}

// TestSlowComponentIsNotFlooded: a component whose mailbox has little room gets all messages, one after
// the other.
func TestSlowComponentIsNotFlooded(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	w := new(book)
	a.deploy(t, "a/mail", scribe(w), func(d *host.Deployment) { durable(d); d.Limits.Mailbox = 2 })
	const n = 1000
	for i := range n {
		check(t, a.Send(mailID, fmt.Append(nil, i)))
	}
	w.has(t, "any", n)
	holds(t, js(t, s), 0)
	if l := a.DeadLetters(); len(l) != 0 {
		t.Errorf("%d dead letters", len(l))
	}
}

// TestFailedComponentKeepsMail: messages of a component that has failed wait until it is back.
func TestFailedComponentKeepsMail(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	w := new(book)
	a.deploy(t, "a/mail", scribe(w), func(d *host.Deployment) {
		durable(d)
		d.Restart = host.Restart{Policy: host.RestartTemporary, MaxDeliver: 1}
	})
	check(t, a.Send(mailID, []byte("trap")))
	w.has(t, "any", 1)
	check(t, a.Send(mailID, []byte("1")))
	holds(t, js(t, s), 1)
	check(t, a.Restart(within(t), mailID))
	if got := w.has(t, "any", 2); got[1] != "1" {
		t.Errorf("got %v", got)
	}
	holds(t, js(t, s), 0)
}

// TestNoLongerDurable: a component that is deployed again without a durable mailbox gets its messages
// directly; those that waited stay in the stream, and the log says so.
func TestNoLongerDurable(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	a.deployMail(t, "a/mail", component(echo))
	b.knows(t, mailID)
	check(t, a.Undeploy(within(t), mailID))
	check(t, b.Send(mailID, []byte("1")))
	b.settled(t)
	w := new(book)
	a.deploy(t, "a/mail", scribe(w), nil)
	a.says(t, "a component has no durable mailbox any more", 1)
	check(t, a.Send(mailID, []byte("2")))
	if got := w.has(t, "any", 1); got[0] != "2" {
		t.Errorf("got %v", got)
	}
	holds(t, js(t, s), 1)
}

// TestForeignPermissions: a host without permissions for JetStream works as without durable
// mailboxes, and says so once.
func TestForeignPermissions(t *testing.T) {
	deny := &server.SubjectPermission{Deny: []string{"$JS.>", "ah.default.mail.>"}}
	s := store(t, t.TempDir(), func(o *server.Options) {
		o.Users = []*server.User{{Username: "a", Password: "x"}, {Username: "b", Password: "x", Permissions: &server.Permissions{Publish: deny}}}
	})
	url := func(name string) string { return "nats://" + name + ":x@" + s.Addr().String() }
	began := time.Now()
	b := join(t, url("b"), "b")
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the start took %v", took)
	}
	a := join(t, url("a"), "a")
	a.deployMail(t, "a/mail", component(echo))
	a.deploy(t, "a/echo", component(echo), nil)
	if _, err := b.Request(within(t), echoID, nil); err != nil {
		t.Error(err)
	}
	check(t, b.Send(mailID, nil)) // directly, since b cannot read the directory, and then to the stream
	b.settled(t)
	if l := b.DeadLetters(); len(l) != 1 || !strings.Contains(l[0].Reason, "capability-denied") {
		t.Errorf("the dead letters are %+v", l)
	}
	b.says(t, "NATS does not permit this host to use durable mailboxes", 1)
	if strings.Count(b.log.String(), "does not permit") != 1 {
		t.Errorf("the log:\n%s", b.log)
	}
	d := host.Deployment{ID: core.MustComponentID("b/mail"), Engine: "native", Source: core.Source{Value: func() guest.Component { return component(echo) }}, Delivery: host.DeliveryDurable}
	if err := b.Deploy(within(t), d); err == nil || !strings.Contains(err.Error(), "airhost nats permissions FILE") {
		t.Errorf("got %v", err)
	}
}

// TestMailIsForbidden: a message that the server does not let a host store comes back at once.
func TestMailIsForbidden(t *testing.T) {
	deny := &server.SubjectPermission{Deny: []string{"ah.default.mail.>"}}
	s := store(t, t.TempDir(), func(o *server.Options) {
		o.Users = []*server.User{{Username: "a", Password: "x"}, {Username: "b", Password: "x", Permissions: &server.Permissions{Publish: deny}}}
	})
	url := func(name string) string { return "nats://" + name + ":x@" + s.Addr().String() }
	a, b := join(t, url("a"), "a"), join(t, url("b"), "b")
	a.deployMail(t, "a/mail", component(echo))
	b.knows(t, mailID)
	check(t, b.Send(mailID, nil))
	b.settled(t)
	if l := b.DeadLetters(); len(l) != 1 || !strings.Contains(l[0].Reason, "capability-denied") {
		t.Errorf("the dead letters are %+v", l)
	}
}

// TestJetStreamComesBack: while JetStream is off and the server there, messages wait, and are stored later.
func TestJetStreamComesBack(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	w := new(book)
	a.deployMail(t, "a/mail", scribe(w))
	check(t, a.Send(mailID, []byte("0")))
	w.has(t, "any", 1)
	check(t, s.DisableJetStream())
	check(t, a.Send(mailID, []byte("1")))
	a.says(t, "a message for a durable mailbox is not stored yet", 1)
	check(t, s.EnableJetStream(s.JetStreamConfig()))
	inOrder(t, w.has(t, "any", 2), 2)
	a.settled(t)
}

// TestStreamIsDeleted: a stream that is deleted while hosts run is made anew, and the log says that what was
// stored is lost.
func TestStreamIsDeleted(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	w := new(book)
	a.deployMail(t, "a/mail", scribe(w))
	check(t, a.Send(mailID, []byte("0")))
	w.has(t, "any", 1)
	j := js(t, s)
	check(t, j.DeleteStream(within(t), "ah_default_mail"))
	check(t, j.DeleteStream(within(t), "KV_ah_default_durable"))
	a.says(t, "the stream of durable mailboxes was made anew", 1)
	check(t, a.Send(mailID, []byte("1")))
	inOrder(t, w.has(t, "any", 2), 2)
}

// TestReplicas: more replicas than the servers can keep is an error that names the stream.
func TestReplicas(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	b, err := nats.New(nats.Config{URL: s.ClientURL(), Host: "a", Replicas: 3, Lease: nats.MinLease})
	check(t, err)
	check(t, b.Open(within(t), nobody{}))
	defer func() { check(t, b.Close(within(t))) }()
	if err := b.AttachDurable(mailID, nobody{}); err == nil || !strings.Contains(err.Error(), "stream ah_default_mail: ") || !strings.Contains(err.Error(), "replicas > 1 not supported in non-clustered mode; host.nats.replicas is how many servers") {
		t.Errorf("got %v", err)
	}
	if _, err := nats.New(nats.Config{Replicas: 2}); err == nil || !strings.Contains(err.Error(), "want 1, 3 or 5") {
		t.Errorf("got %v", err)
	}
}

// nobody is an origin and a receiver.
type nobody struct{}

func (nobody) Respond(m *core.Message)              { m.Release() }
func (nobody) Undelivered(m *core.Message, _ error) { m.Release() }
func (nobody) Deliver(m *core.Message) error        { m.Release(); return nil }

// TestDeployWithoutAServer: a durable component that is deployed while the connection is lost gets its
// messages when that is back.
func TestDeployWithoutAServer(t *testing.T) {
	folder := t.TempDir()
	s := store(t, folder, nil)
	port := s.Addr().(*net.TCPAddr).Port
	a := join(t, s.ClientURL(), "a")
	s.Shutdown()
	s.WaitForShutdown()
	a.says(t, "disconnected from NATS", 1)
	w := new(book)
	a.deployMail(t, "a/mail", scribe(w))
	check(t, a.Send(mailID, []byte("0")))
	store(t, folder, func(o *server.Options) { o.Port = port })
	w.has(t, "any", 1)
}
