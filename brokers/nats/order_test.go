package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// requester is a host without components. It keeps what comes back to it.
type requester struct {
	ended chan *core.Message
	hold  func(m *core.Message) // before it keeps m
}

func (r *requester) Respond(m *core.Message) { r.hold(m); r.ended <- m }
func (r *requester) Undelivered(m *core.Message, reason error) {
	m.Fail(core.Undelivered(core.AsMessagingError(reason)))
	r.Respond(m)
}

// openFor opens a broker for a requester.
func openFor(t *testing.T, url string, lease time.Duration, r *requester) *nats.Broker {
	t.Helper()
	b, err := nats.New(nats.Config{URL: url, Host: "b", Lease: lease, Logger: slog.New(slog.DiscardHandler)})
	check(t, err)
	check(t, b.Open(within(t), r))
	return b
}

// other is a host z that a test plays. It has the component z/echo.
type other struct {
	*natsgo.Conn
	t      *testing.T
	frames *natsgo.Subscription
}

func play(t *testing.T, url string) *other {
	t.Helper()
	c, err := natsgo.Connect(url)
	check(t, err)
	t.Cleanup(c.Close)
	frames, err := c.SubscribeSync("ah.default.to.z.echo")
	check(t, err)
	check(t, c.Flush())
	return &other{c, t, frames}
}

// frame returns the next frame of messages.
func (o *other) frame() *natsgo.Msg {
	o.t.Helper()
	in, err := o.frames.NextMsg(patience)
	check(o.t, err)
	return in
}

// says publishes what follows the head of a frame of the host.
func (o *other) says(subject string, kind byte, rest string) {
	o.t.Helper()
	check(o.t, o.Publish(subject, []byte("\x01"+string(kind)+"\x01z"+rest)))
}

// beat is the word of a run of the host.
func (o *other) beat(run string, leaving bool) {
	o.t.Helper()
	check(o.t, o.Publish("ah.default.hosts", fmt.Appendf(nil, `{"version":1,"host":"z","run":%q,"lease_ms":3600000,"labels":{"run":%[1]q},"leaving":%t}`, run, leaving)))
}

// credit is the room that a receipt grants.
const credit = "\x7f\xff\x7f"

// request makes b send a request to the host, which gets its frame.
func (o *other) request(b *nats.Broker, id core.RequestID) *natsgo.Msg {
	o.t.Helper()
	to, err := b.Route(core.MustComponentID("z/echo"))
	check(o.t, err)
	m := core.NewMessage(nil)
	m.Sender, m.Target, m.Correlation = core.MustComponentID("b/asker"), core.MustComponentID("z/echo"), id
	check(o.t, to.Deliver(m))
	return o.frame()
}

// runOf returns the run of the host that b knows, or "".
func runOf(b *nats.Broker) string {
	for _, p := range b.Peers() {
		if p.Host == "z" {
			return p.Labels["run"]
		}
	}
	return ""
}

func knows(b *nats.Broker, host string) bool {
	return slices.ContainsFunc(b.Peers(), func(p nats.Peer) bool { return p.Host == host })
}

// TestTheLastWordComesLast: the outcomes that a host has sent before it leaves, or before it starts
// again, come to the requester, though it handles them later than that word. All other requests that
// the host has taken end at once, also one with a receipt that is handled late.
func TestTheLastWordComesLast(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprint("again ", again), func(t *testing.T) {
			url := serve(t, nil).ClientURL()
			z, gates := play(t, url), map[core.RequestID]chan struct{}{1: make(chan struct{}), 9: make(chan struct{})}
			r := &requester{ended: make(chan *core.Message, 100), hold: func(m *core.Message) {
				if gate := gates[m.Correlation]; gate != nil {
					<-gate
				}
			}}
			b := openFor(t, url, time.Hour, r)
			z.beat("first", false)
			for runOf(b) != "first" {
				<-time.After(time.Millisecond)
			}
			for id := range core.RequestID(4) {
				z.says(z.request(b, id+1).Reply, 'R', credit)
			}
			for left := uint64(0); left < 4; left, _ = b.Traffic() {
				<-time.After(time.Millisecond)
			}
			refused, late := z.request(b, 9), z.request(b, 5)
			z.says(refused.Reply, 'R', credit+"\x00\x00\x00") // its end holds up all receipts
			z.says("ah.default.host.b.out", 'O', "\x00\x01\x03one")
			z.says("ah.default.host.b.out", 'O', "\x00\x02\x03two") // behind the one that is held up
			z.says(late.Reply, 'R', credit)
			want := map[core.RequestID]string{1: "one", 2: "two", 3: "unavailable: host z is gone", 4: "four", 9: "capability-denied"}
			if again {
				z.beat("second", false)
			} else {
				z.beat("first", true)
				want[5] = want[3]
			}
			for runOf(b) == "first" {
				<-time.After(time.Millisecond)
			}
			check(t, z.Publish("ah.default.hosts", []byte(`{"host":"y","run":"y","lease_ms":3600000}`)))
			for !knows(b, "y") { // the word before is done with
				<-time.After(time.Millisecond)
			}
			z.says("ah.default.host.b.out", 'O', "\x00\x04\x04four") // behind an echo that passes no receipts
			check(t, z.Flush())
			close(gates[1])
			for range len(want) {
				m := next(t, r.ended)
				got := string(m.Payload)
				if m.Failure != nil {
					got = m.Failure.Error()
				}
				if text, is := want[m.Correlation]; !is || !strings.Contains(got, text) {
					t.Errorf("request %d: got %q, want %q", m.Correlation, got, text)
				}
				if delete(want, m.Correlation); m.Correlation == 4 {
					close(gates[9])
				}
			}
			check(t, b.Close(within(t)))
		})
	}
}

func next(t *testing.T, ended chan *core.Message) *core.Message {
	t.Helper()
	select {
	case m := <-ended:
		return m
	case <-time.After(patience):
		t.Fatal("nothing comes back")
		return nil
	}
}

// TestCloseWaitsForCallbacks: Close waits until the messages that a lost connection gives back have
// been given back, for as long as its context allows.
func TestCloseWaitsForCallbacks(t *testing.T) {
	s := serve(t, nil)
	z, began, gate := play(t, s.ClientURL()), make(chan struct{}), make(chan struct{})
	r := &requester{ended: make(chan *core.Message, 1), hold: func(*core.Message) { close(began); <-gate }}
	b := openFor(t, s.ClientURL(), nats.MinLease, r)
	z.request(b, 1) // gets no receipt
	s.Shutdown()
	<-began
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close has ended with %v while a message was given back", err)
	}
	close(gate)
	next(t, r.ended)
}

// TestFaultInAFrame: the messages of a frame that cannot be read, and all behind them, are refused.
func TestFaultInAFrame(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, z := join(t, url, "a"), play(t, url)
	a.deploy(t, "a/echo", component(echo), nil)
	receipts, err := z.SubscribeSync("ah.default.host.z.credit.>")
	check(t, err)
	check(t, z.PublishRequest("ah.default.to.a.echo", "ah.default.host.z.credit.1.1", []byte("\x01M\x01z\x00\x03z/z\x02hi\x00\xff")))
	got, err := receipts.NextMsg(patience)
	check(t, err)
	// The index of the message that cannot be read, and unavailable with the bit for all behind it.
	if !strings.Contains(string(got.Data), "\x01"+string([]byte{0x80 | byte(core.CaseUnavailable)})) || !strings.Contains(string(got.Data), "host a could not read the message") {
		t.Errorf("the receipt is %q", got.Data)
	}
	if n := a.settled(t).Arrived; n != 1 {
		t.Errorf("%d messages have arrived, want 1", n)
	}
}

// TestReceiptWithoutAnOutcome: the receipt of a request waits for its outcome, but not for long.
func TestReceiptWithoutAnOutcome(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	gate := make(chan struct{})
	a.deploy(t, "a/echo", component(func(_ guest.Host, m []byte) ([]byte, error) { <-gate; return m, nil }), nil)
	ended := make(chan error)
	go func() { _, err := b.Request(within(t), echoID, nil); ended <- err }()
	for b.Snapshot().Left == 0 { // the receipt has come
		<-time.After(time.Millisecond)
	}
	close(gate)
	check(t, <-ended)
}
