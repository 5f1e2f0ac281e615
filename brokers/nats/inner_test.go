package nats

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// sink is a host that keeps what comes back to it.
type sink struct{ back []string }

func (s *sink) Respond(m *core.Message) { s.back = append(s.back, string(m.Payload)) }
func (s *sink) Undelivered(m *core.Message, reason error) {
	s.back = append(s.back, string(m.Payload)+" "+reason.Error())
}

// unconnected returns a broker that takes messages and sends nothing.
func unconnected(t *testing.T) (*Broker, *sink) {
	t.Helper()
	b, err := New(Config{Host: "one", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	home := new(sink)
	b.home = home
	b.refusal.Store(nil)
	b.most.Store(1 << 20)
	return b, home
}

func deliver(t *testing.T, to core.Receiver, sender core.ComponentID, text string) {
	t.Helper()
	m := core.NewMessage([]byte(text))
	m.Sender = sender
	if err := to.Deliver(m); err != nil {
		t.Fatal(err)
	}
}

// TestRestRefused: a receipt that refuses a message and all behind it gives all of them back.
func TestRestRefused(t *testing.T) {
	b, home := unconnected(t)
	r := b.newRoute(x)
	for i := range 4 {
		deliver(t, r, y, fmt.Sprint(i))
	}
	r.frames[1], r.waiting = r.waiting[0], nil
	no := func(index int, rest bool) refusal {
		return refusal{index: index, reason: &core.MessagingError{Case: core.CaseUnavailable, Text: "no"}, rest: rest}
	}
	r.confirm(1, receipt{window: 1, refusals: []refusal{no(0, false), no(2, true)}})
	if got := fmt.Sprint(home.back); got != "[0 unavailable: no 2 unavailable: no 3 unavailable: no]" || b.counts.left.Load() != 1 || r.pending != 0 {
		t.Errorf("got %s, %d have left, %d are pending", got, b.counts.left.Load(), r.pending)
	}
}

// TestRequestToItself: a host does not take itself for gone that has sent a request to a
// component which has come to it meanwhile, however long the answer takes. It forgets
// itself when nothing waits.
func TestRequestToItself(t *testing.T) {
	b, home := unconnected(t)
	long := func() { b.peers.all["one"].until = time.Now().Add(-time.Second) }
	b.peers.expect("one", 7, 0)
	b.peers.expect("one", 8, time.Now().Add(-time.Second).UnixNano()) // it has timed out
	long()
	b.peers.heardSelf()
	b.peers.expire(time.Now())
	if len(home.back) > 0 || len(b.peers.all["one"].requests) != 1 {
		t.Fatalf("%d requests end, and %v wait", len(home.back), b.peers.all["one"].requests)
	}
	b.peers.answered("one", 7)
	long()
	b.peers.heardSelf()
	b.peers.expire(time.Now())
	if len(home.back)+len(b.peers.all) > 0 {
		t.Errorf("%d requests end, and it knows %v", len(home.back), b.peers.all)
	}
}

// TestFramesOfARoute: a frame ends at its bounds, names a sender once, and is read as it was written.
func TestFramesOfARoute(t *testing.T) {
	b, _ := unconnected(t)
	r := b.newRoute(x)
	r.credit.window, r.credit.bytes = 1<<20, 1<<30
	const n = frameMessages + 10
	for i := range n {
		deliver(t, r, []core.ComponentID{x, x, y}[i%3], fmt.Sprint(i))
	}
	deliver(t, r, y, string(make([]byte, frameBytes)))
	if len(r.waiting) != 3 {
		t.Fatalf("%d frames, want 3", len(r.waiting))
	}
	i := 0
	for _, f := range r.waiting {
		in := reader{rest: f.data.data}
		for in.open(messagesFrame); in.more(); i++ {
			_, _, sender, payload := in.message(0)
			if want := []string{"a/x", "a/x", "a/y"}[i%3]; i < n && (string(sender) != want || string(payload) != fmt.Sprint(i)) {
				t.Fatalf("message %d is %s of %s", i, payload, sender)
			}
		}
		if in.err != nil {
			t.Fatal(in.err)
		}
	}
	if i != n+1 {
		t.Errorf("%d messages, want %d", i, n+1)
	}
}

// TestBusyRoutes: while all routes have something to do, a new one looks at none of them, but for a
// sweep each time that their number has doubled. When they are idle they are forgotten.
func TestBusyRoutes(t *testing.T) {
	b, _ := unconnected(t)
	id := func(i int) core.ComponentID { return core.MustComponentID(fmt.Sprint("a/x", i)) }
	var busy []*remote
	for i := range maxRemotes + 1 { // the last one has looked at all others
		busy = append(busy, b.newRoute(id(i)))
		busy[i].pending = 1
	}
	for _, r := range busy {
		r.mu.Lock() // who looks at it waits
	}
	made := make(chan struct{})
	go func() {
		defer close(made)
		for range maxRemotes - 1 {
			busy = append(busy, b.newRoute(id(len(busy))))
		}
	}()
	select {
	case <-made:
	case <-time.After(30 * time.Second):
		t.Fatal("a new route looks at all others")
	}
	for i, r := range busy {
		if r.pending = 0; i <= maxRemotes {
			r.mu.Unlock()
		}
	}
	b.newRoute(x)
	if len(b.remotes) != 1 || len(b.numbered) != 1 {
		t.Errorf("%d routes, want the new one", len(b.remotes))
	}
}

// TestSweep: however a map grows, its sweeps look at each entry twice at most on average.
func TestSweep(t *testing.T) {
	var s sweep
	looks := 0
	const n = 1 << 20
	for size := range n {
		if s.due(size, 4096) {
			looks += size
			s.done(size)
		}
	}
	if looks == 0 || looks > 2*n {
		t.Errorf("%d looks at %d entries", looks, n)
	}
}

// TestGrantsOfIdleRoutes: a route that sends nothing loses its part, without a look at all routes.
func TestGrantsOfIdleRoutes(t *testing.T) {
	var g grants
	for i := range 5000 {
		g.grant(fmt.Sprint("h", i), x)
	}
	turn := func() { g.turned = time.Now().Add(-2 * grantTime) }
	turn()
	if g.grant("h0", x); len(g.recent) != 1 || len(g.before) != 4999 {
		t.Errorf("%d recent and %d earlier routes, want 1 and 4999", len(g.recent), len(g.before))
	}
	turn()
	if window, _ := g.grant("h1", x); window != maxWindow || g.routesLocked() != 2 {
		t.Errorf("a window of %d with %d routes, want %d with 2", window, g.routesLocked(), maxWindow)
	}
}

// TestReceiptsGoWithOutcomes: a receipt that waits goes in one frame with an outcome; a broker that
// has forgotten the origin of a request meanwhile sends both by the one that it has now.
func TestReceiptsGoWithOutcomes(t *testing.T) {
	b, _ := unconnected(t)
	earlier := b.origin("two")
	if !earlier.retire() {
		t.Fatal("an idle origin stays")
	}
	delete(b.origins, "two")
	earlier.confirm(frameReceipt{route: 3, frame: 4, window: 5, bytes: 6})
	m := core.NewMessage([]byte("hello"))
	m.Correlation = 7
	earlier.Respond(m)
	o := b.origin("two")
	if o.retire() {
		t.Error("an origin with an outcome is forgotten")
	}
	data, n, receipts := o.next(nil, true, 10)
	r := reader{rest: data}
	r.open(outcomesFrame)
	if !r.isReceipt() || r.receipt() != (frameReceipt{3, 4, 5, 6}) || r.isReceipt() {
		t.Errorf("%q has no receipt", data)
	}
	if id, failed, payload := r.outcome(); id != 7 || failed || string(payload) != "hello" || r.more() || r.err != nil || n != 1 || receipts != 1 {
		t.Errorf("%q: outcome %d, %q, %v; %d outcomes and %d receipts", data, id, payload, r.err, n, receipts)
	}
	if o.forget(n, receipts); len(o.waiting)+len(o.receipts)+o.bytes != 0 {
		t.Errorf("%d outcomes and %d receipts are left", len(o.waiting), len(o.receipts))
	}
	o.timer.Stop()
}

// TestOneBound: messages and outcomes have the same largest size.
func TestOneBound(t *testing.T) {
	b, _ := unconnected(t)
	b.most.Store(10)
	for size, fits := range map[int]bool{10: true, 11: false} {
		m := core.NewMessage(make([]byte, size))
		m.Sender = y
		if err := b.newRoute(x).Deliver(m); (err == nil) != fits || !fits && !errors.Is(err, core.ErrInvalidArgument) {
			t.Errorf("a message of %d bytes: %v", size, err)
		}
		m = core.NewMessage(make([]byte, size))
		if b.origin("two").Respond(m); (m.Failure == nil) != fits {
			t.Errorf("an outcome of %d bytes: %v", size, m.Failure)
		}
	}
}

// TestNoMailboxAnyMore: a component that has no durable mailbox any more is reached directly again.
func TestNoMailboxAnyMore(t *testing.T) {
	b, _ := unconnected(t)
	r := b.newRoute(x)
	b.know(x)
	if !b.forget(x) {
		t.Error("it was not known")
	}
	deliver(t, r, y, "hello")
	if r.pending != 1 {
		t.Errorf("%d messages are on their way", r.pending)
	}
}

// TestMailAfterDirectMessages: while messages that went directly have not ended, those for the store
// wait; then they are sent in order.
func TestMailAfterDirectMessages(t *testing.T) {
	b, _ := unconnected(t)
	direct := b.newRoute(x)
	for i := range 2 {
		deliver(t, direct, y, fmt.Sprint(i))
	}
	direct.frames[1], direct.waiting = direct.waiting[0], nil
	b.know(x)
	r := &mailRoute{broker: b, target: x, letters: map[uint64]*letter{}, lanes: map[core.ComponentID]*outLane{}, queued: true}
	b.mail.routes[x], b.mail.answers = r, new(natsgo.Subscription)
	b.followLocked(r)
	deliver(t, r, y, "2")
	if len(r.ready) != 0 {
		t.Error("a message for the store has overtaken others")
	}
	direct.confirm(1, receipt{window: 1, refusals: []refusal{{index: 0, reason: errStore, store: true}, {index: 1, reason: errStore, store: true}}})
	var got []string
	for len(r.ready) > 0 {
		l := r.ready[0]
		r.ready = r.ready[1:]
		got = append(got, string(l.message.Payload))
		r.end(l.number)
	}
	if fmt.Sprint(got) != "[0 1 2]" {
		t.Errorf("sent in the order %v", got)
	}
}
