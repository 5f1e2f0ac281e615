package nats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/trackers/slab"
)

// patience is the time after which a test stops waiting and fails.
const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// member is a host of a cluster.
type member struct {
	*host.Host
	broker *nats.Broker
	log    *hosttest.Log
	events <-chan host.Event // from the beginning on
}

// join starts a host, which stops at the end of the test.
func join(t testing.TB, url, name string) *member {
	t.Helper()
	return joinFor(t, url, name, nats.MinLease)
}

// joinFor is join with a lease.
func joinFor(t testing.TB, url, name string, lease time.Duration) *member {
	t.Helper()
	return joinTo(t, nats.Config{URL: url, Host: name, Lease: lease, Labels: map[string]string{"zone": name}})
}

// joinTo is join with the configuration of the broker, but for the log.
func joinTo(t testing.TB, config nats.Config) *member {
	t.Helper()
	m, name := &member{log: new(hosttest.Log)}, config.Host
	logger := slog.New(slog.NewTextHandler(m.log, nil))
	config.Logger = logger
	var err error
	m.broker, err = nats.New(config)
	check(t, err)
	tracker, err := slab.New(slab.Config{})
	check(t, err)
	engine, err := native.New(native.Config{})
	check(t, err)
	m.Host, err = host.New(host.Config{Logger: logger}, m.broker, tracker, engine)
	check(t, err)
	var cancel func()
	m.events, cancel = m.Subscribe(1024)
	t.Cleanup(cancel)
	check(t, m.Start(within(t)))
	t.Cleanup(func() {
		if err := m.Stop(within(t)); err != nil && !errors.Is(err, host.ErrUnhandled) {
			t.Error(name, err)
		}
	})
	return m
}

// says waits until the log of a host has a text so many times.
func (m *member) says(t testing.TB, text string, times int) {
	t.Helper()
	for until := within(t); strings.Count(m.log.String(), text) < times; {
		select {
		case <-time.After(time.Millisecond):
		case <-until.Done():
			t.Fatalf("the log does not say %q %d times:\n%s", text, times, m.log)
		}
	}
}

type component func(h guest.Host, message []byte) ([]byte, error)

func (c component) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	return c(h, message)
}

// asker sends each message on as a request to a/echo, and counts the outcomes.
type asker struct{ outcomes *sync.Map }

func (a asker) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	_, err := h.Request("a/echo", message, time.Minute)
	for errors.Is(err, guest.ErrQueueFull) { // the window is full
		<-time.After(time.Millisecond)
		_, err = h.Request("a/echo", message, time.Minute)
	}
	return nil, err
}

func (a asker) HandleCallback(_ guest.Host, id guest.RequestID, response []byte, err error) error {
	a.outcomes.Store(fmt.Sprint(string(response), " ", err), id)
	return nil
}

func echo(_ guest.Host, message []byte) ([]byte, error) { return message, nil }

func (m *member) deploy(t testing.TB, id string, c guest.Component, change func(*host.Deployment)) {
	t.Helper()
	check(t, m.Deploy(within(t), deployment(id, c, change)))
}

// deployment is that of a component that may message all others.
func deployment(id string, c guest.Component, change func(*host.Deployment)) host.Deployment {
	any, err := core.ParseIDPattern("*")
	if err != nil {
		panic(err)
	}
	d := host.Deployment{
		ID: core.MustComponentID(id), Engine: native.Name, Source: core.Source{Value: func() guest.Component { return c }},
		Capabilities: host.Capabilities{Send: []core.IDPattern{any}, Request: []core.IDPattern{any}},
		Quota:        host.Quota{MessagesPerSecond: 1e9, Burst: 1e9, PendingRequests: 1e6},
		Limits:       core.Limits{HandlerTime: time.Minute},
	}
	if change != nil {
		change(&d)
	}
	return d
}

var echoID, sinkID, askerID = core.MustComponentID("a/echo"), core.MustComponentID("a/sink"), core.MustComponentID("b/asker")

// settled waits until nothing is under way at a host, and checks that all its messages have ended.
func (m *member) settled(t testing.TB) host.Snapshot {
	t.Helper()
	for until := within(t); ; {
		s := m.Snapshot()
		ended := s.Handled + s.DeadLetters + s.Left + s.Expired
		for _, n := range s.Refused {
			ended += n
		}
		if s.Sent+s.Arrived == ended {
			return s
		}
		select {
		case <-time.After(time.Millisecond):
		case <-until.Done():
			t.Fatalf("%d sent and %d arrived, %d ended: %+v", s.Sent, s.Arrived, ended, s)
		}
	}
}

// TestHosts: both patterns, from a Go program and from a component, in order and without loss.
func TestHosts(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	a.deploy(t, "a/echo", component(echo), nil)
	var got []string
	a.deploy(t, "a/sink", component(func(_ guest.Host, m []byte) ([]byte, error) { got = append(got, string(m)); return nil, nil }), nil)
	outcomes := new(sync.Map)
	b.deploy(t, "b/asker", asker{outcomes}, nil)
	answer, err := b.Request(within(t), echoID, []byte("hello"))
	if string(answer) != "hello" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
	const n = 1000
	for i := range n {
		for b.Send(sinkID, fmt.Append(nil, i)) != nil { // the window is full
			<-time.After(time.Millisecond)
		}
		check(t, b.Send(askerID, fmt.Append(nil, i%500)))
	}
	for a.Snapshot().Handled < 2*n+1 {
		<-time.After(time.Millisecond)
	}
	for i := 0; i < 500; {
		if _, came := outcomes.Load(fmt.Sprint(i, " <nil>")); came {
			i++
		}
	}
	b.settled(t)
	s := a.settled(t)
	for i, m := range got {
		if m != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, m)
		}
	}
	if len(got) != n || s.Arrived != 2*n+1 {
		t.Errorf("%d messages and %d arrivals, want %d and %d", len(got), s.Arrived, n, 2*n+1)
	}
	a.says(t, `msg="host seen" host=b labels=map[zone:b]`, 1)
	if peers := a.broker.Peers(); len(peers) != 1 || peers[0].Host != "b" || peers[0].Labels["zone"] != "b" {
		t.Errorf("the peers are %v", peers)
	}
	check(t, b.Stop(within(t)))
	a.says(t, `msg="host gone" host=b reason="it stops"`, 1)
}

// TestNobodyHasTheTarget: a request ends with target-not-found, and a message is a dead letter.
func TestNobodyHasTheTarget(t *testing.T) {
	a := join(t, serve(t, nil).ClientURL(), "a")
	if _, err := a.Request(within(t), echoID, nil); !errors.Is(err, core.ErrTargetNotFound) {
		t.Errorf("got %v, want target-not-found", err)
	}
	check(t, a.Send(echoID, []byte("x")))
	a.settled(t)
	if l := a.DeadLetters(); len(l) != 2 || !strings.HasPrefix(l[1].Reason, "target-not-found") {
		t.Errorf("the dead letters are %+v", l)
	}
}

// TestBackPressure: a target that does not handle its messages makes its route refuse with
// queue-full at once; a message that was taken is handled, or is a dead letter with the reason.
func TestBackPressure(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	gate := make(chan struct{})
	var handled atomic.Int64
	a.deploy(t, "a/sink", component(func(guest.Host, []byte) ([]byte, error) { <-gate; handled.Add(1); return nil, nil }), func(d *host.Deployment) { d.Limits.Mailbox = 100 })
	taken, refused := 0, 0
	for range 100_000 {
		switch err := b.Send(sinkID, []byte("x")); {
		case err == nil:
			taken++
		case errors.Is(err, core.ErrQueueFull):
			refused++
		default:
			t.Fatal(err)
		}
	}
	close(gate)
	s := b.settled(t)
	a.settled(t)
	if refused == 0 || int(s.DeadLetters)+int(handled.Load()) != taken {
		t.Errorf("%d taken, %d refused, %d handled, %d dead letters", taken, refused, handled.Load(), s.DeadLetters)
	}
	for _, l := range b.DeadLetters() {
		if !strings.Contains(l.Reason, "queue-full") {
			t.Errorf("a dead letter because of %s", l.Reason)
		}
	}
}

// TestServerGone: while there is no server, messages to other hosts are refused and those within
// the host go on; afterwards all goes on.
func TestServerGone(t *testing.T) {
	s := serve(t, nil)
	port := s.Addr().(*net.TCPAddr).Port
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	a.deploy(t, "a/echo", component(echo), nil)
	b.deploy(t, "b/echo", component(echo), nil)
	_, err := b.Request(within(t), echoID, nil)
	check(t, err)
	s.Shutdown()
	s.WaitForShutdown()
	b.says(t, "disconnected from NATS", 1)
	if _, err := b.Request(within(t), echoID, nil); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("without a server: %v, want unavailable", err)
	}
	if _, err := b.Request(within(t), core.MustComponentID("b/echo"), nil); err != nil {
		t.Errorf("within the host: %v", err)
	}
	a.deploy(t, "a/late", component(echo), nil)
	serve(t, func(o *server.Options) { o.Port = port })
	a.says(t, "connected to NATS again", 1)
	b.says(t, "connected to NATS again", 1)
	for _, id := range []string{"a/echo", "a/late"} {
		for until := within(t); ; <-time.After(time.Millisecond) { // the other host may be back later
			if _, err = b.Request(until, core.MustComponentID(id), nil); err == nil || until.Err() != nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s with a server again: %v", id, err)
		}
	}
}

// wire passes on all that goes to and from a server, until it is cut.
type wire struct {
	net.Listener
	cut  atomic.Bool
	lose atomic.Pointer[string] // a part of subjects: nobody answers there
}

func newWire(t testing.TB, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	w := &wire{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			t.Cleanup(func() { from.Close(); server.Close() })
			pass := func(to, from net.Conn) { _, _ = io.Copy(writer{w, to}, from); to.Close() }
			go pass(server, from)
			go pass(from, server)
		}
	}()
	return w
}

type writer struct {
	wire *wire
	to   net.Conn
}

func (w writer) Write(p []byte) (int, error) {
	if w.wire.cut.Load() {
		return len(p), nil // as on a line that is cut: nobody learns of it
	}
	if lose := w.wire.lose.Load(); lose != nil {
		p = bytes.ReplaceAll(p, []byte(*lose), []byte(strings.ToLower(*lose)))
	}
	return w.to.Write(p)
}

// TestHostGone: a host that is cut off without a word is gone after its lease. The requests that it has
// taken end with unavailable, and so do those that come later.
func TestHostGone(t *testing.T) {
	s := serve(t, nil)
	w := newWire(t, s.Addr().String())
	a, b := join(t, "nats://"+w.Addr().String(), "a"), join(t, s.ClientURL(), "b")
	gate := make(chan struct{})
	a.deploy(t, "a/echo", component(func(guest.Host, []byte) ([]byte, error) { <-gate; return nil, nil }), nil)
	b.says(t, "host seen", 1)
	ended := make(chan error)
	go func() { _, err := b.Request(within(t), echoID, nil); ended <- err }()
	for s := a.Snapshot(); s.Arrived == 0; s = a.Snapshot() {
		<-time.After(time.Millisecond)
	}
	for b.Snapshot().Left == 0 { // the receipt has come
		<-time.After(time.Millisecond)
	}
	w.cut.Store(true)
	if err := <-ended; !errors.Is(err, core.ErrRequestUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	b.says(t, `msg="host gone" host=a reason="it has been silent for its lease"`, 1)
	check(t, b.Send(echoID, nil))
	b.settled(t)
	if l := b.DeadLetters(); len(l) != 1 || !strings.HasPrefix(l[0].Reason, "unavailable") && !strings.HasPrefix(l[0].Reason, "target-not-found") {
		t.Errorf("the dead letters are %+v", l)
	}
	close(gate)
}

// TestOtherVersions: a host of a later version learns that this one reads an earlier one, and fields
// that it adds are skipped; a host of an earlier version makes messages undeliverable.
func TestOtherVersions(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a := join(t, url, "a")
	a.deploy(t, "a/echo", component(echo), nil)
	other, err := natsgo.Connect(url)
	check(t, err)
	defer other.Close()
	inbox, err := other.SubscribeSync("ah.default.host.z.>")
	check(t, err)
	const reply = "ah.default.host.z.credit.1.1"
	text := func(s string) string { return string(rune(len(s))) + s }
	for _, c := range []struct{ frame, answer string }{
		{"\x02M" + text("z") + "what a later version has", "\x01V" + text("a")},
		{"\x01M" + text("z") + "\x02" + text("later") + text("z/z") + text("hello"), "\x01R" + text("a")},
	} {
		check(t, other.PublishRequest("ah.default.to.a.echo", reply, []byte(c.frame)))
		got, err := inbox.NextMsg(patience)
		check(t, err)
		if !strings.HasPrefix(string(got.Data), c.answer) {
			t.Errorf("%q is answered by %q, want %q", c.frame, got.Data, c.answer)
		}
	}
	check(t, other.PublishRequest("ah.default.to.a.echo", reply, []byte("\x01M"+text("z")+"\x03\x07\x0a"+text("later")+text("z/z")+text("hello"))))
	receipt, outcome := "\x01O"+text("a")+"\x08\x01\x01", "\x00\x07"+text("hello")
	for received, answered := false, false; !received || !answered; { // they come together, or either is first
		got, err := inbox.NextMsg(patience)
		check(t, err)
		hasReceipt, hasOutcome := strings.HasPrefix(string(got.Data), receipt), strings.HasSuffix(string(got.Data), outcome)
		if received, answered = received || hasReceipt, answered || hasOutcome; !hasReceipt && !hasOutcome {
			t.Errorf("a request is answered by %q, want %q and %q", got.Data, receipt, outcome)
		}
	}
	if n := a.settled(t).Arrived; n != 2 {
		t.Errorf("%d messages have arrived, want 2", n)
	}
	old, err := other.Subscribe("ah.default.to.old.target", func(in *natsgo.Msg) { check(t, in.Respond([]byte("\x01V"+text("z")))) })
	check(t, err)
	check(t, other.Flush())
	if _, err := a.Request(within(t), core.MustComponentID("old/target"), nil); !errors.Is(err, core.ErrRequestUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	check(t, old.Unsubscribe())
}
