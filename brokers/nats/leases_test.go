package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

func withJetStream(t testing.TB) func(*server.Options) {
	return func(o *server.Options) { o.JetStream, o.StoreDir = true, t.TempDir() }
}

// value is one that a watch has told.
type value struct {
	key, text string
	revision  uint64
}

// watch returns the values that a watch tells, until the test ends.
func watch(t testing.TB, d *nats.Directory) (<-chan value, <-chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	told, ended := make(chan value, 100), make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended <- d.Watch(ctx, func(key string, text []byte, revision uint64) { told <- value{key, string(text), revision} })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return told, ended
}

func following[T any](t testing.TB, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-within(t).Done():
		t.Fatal("nothing comes")
	}
	return v
}

// TestDirectory: of two hosts that set a value after the same revision one does so; both see it, also one
// that begins to look later. A watch ends with the connection.
func TestDirectory(t *testing.T) {
	s := serve(t, withJetStream(t))
	w := newWire(t, s.Addr().String())
	cut := join(t, "nats://"+w.Addr().String(), "a")
	a, b := cut.broker.Directory(), join(t, s.ClientURL(), "b").broker.Directory()
	if _, _, err := a.Update(within(t), "c.x.y", nil, 0); err == nil {
		t.Error("an update before the first watch succeeds")
	}
	told, ended := watch(t, a)
	if got := following(t, told); got != (value{}) {
		t.Errorf("an empty directory tells %v", got)
	}
	later, _ := watch(t, b)
	following(t, later)
	first, won, err := a.Update(within(t), "c.x.y", []byte("of a"), 0)
	if !won || err != nil {
		t.Errorf("the first: %v, %v", won, err)
	}
	if _, won, err := b.Update(within(t), "c.x.y", []byte("of b"), 0); won || err != nil {
		t.Errorf("the second: %v, %v", won, err)
	}
	both := []<-chan value{told, later}
	for _, from := range both {
		if got := following(t, from); got != (value{"c.x.y", "of a", first}) {
			t.Errorf("got %v", got)
		}
	}
	second, won, err := b.Update(within(t), "c.x.y", []byte("of b"), first)
	if !won || err != nil || second <= first {
		t.Errorf("after the first: %d, %v, %v", second, won, err)
	}
	for _, from := range both {
		if got := following(t, from); got != (value{"c.x.y", "of b", second}) {
			t.Errorf("got %v", got)
		}
	}
	newer, _ := watch(t, b)
	if got := following(t, newer); got != (value{"c.x.y", "of b", second}) || following(t, newer) != (value{}) {
		t.Errorf("a watch that begins later tells %v", got)
	}
	w.cut.Store(true)
	cut.says(t, "disconnected from NATS", 1)
	w.cut.Store(false)
	if err := following(t, ended); err != nil { // the connection is made anew
		t.Errorf("the watch ends with %v", err)
	}
}

// TestLostWatch: a watch ends with an error if JetStream never answers its request, as when
// a server has died with it, and the next one begins.
func TestLostWatch(t *testing.T) {
	s := serve(t, withJetStream(t))
	w := newWire(t, s.Addr().String())
	silent, err := natsgo.Connect(s.ClientURL())
	check(t, err)
	t.Cleanup(silent.Close)
	_, err = silent.Subscribe("$JS.API.consumer.create.>", func(*natsgo.Msg) {})
	check(t, err)
	check(t, silent.Flush())
	d := join(t, "nats://"+w.Addr().String(), "a").broker.Directory()
	told, _ := watch(t, d)
	following(t, told)
	lost := "CONSUMER.CREATE"
	w.lose.Store(&lost)
	_, ended := watch(t, d)
	if err := following(t, ended); err == nil || !strings.Contains(err.Error(), "JetStream does not answer") {
		t.Errorf("the watch ends with %v", err)
	}
	w.lose.Store(nil)
	told, _ = watch(t, d)
	if got := following(t, told); got != (value{}) {
		t.Errorf("the next one tells %v", got)
	}
}

// TestAskMove: a host answers another one, also at the same time, and nobody answers for a host that is not
// there.
func TestAskMove(t *testing.T) {
	s := serve(t, nil)
	a, b := join(t, s.ClientURL(), "a").broker.Directory(), join(t, s.ClientURL(), "b.x").broker.Directory()
	gate := make(chan struct{})
	check(t, b.Answer(func(_ context.Context, request []byte) []byte {
		if string(request) == "slow" {
			<-gate
		}
		return append([]byte("re: "), request...)
	}))
	slow := make(chan string)
	go func() {
		answer, err := a.Ask(within(t), "b.x", []byte("slow"))
		slow <- fmt.Sprint(string(answer), err)
	}()
	if answer, err := a.Ask(within(t), "b.x", []byte("hello")); string(answer) != "re: hello" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
	close(gate)
	if got := following(t, slow); got != "re: slow<nil>" {
		t.Errorf("got %s", got)
	}
	if _, err := a.Ask(within(t), "c", nil); err == nil {
		t.Error("a host that is not there answers")
	}
	if a.MaxAsk() < 1<<20 {
		t.Errorf("the largest request has %d bytes", a.MaxAsk())
	}
}

// TestAtClose: Close calls the function of AtClose while the directory can still be written.
func TestAtClose(t *testing.T) {
	url := serve(t, withJetStream(t)).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	told, _ := watch(t, b.broker.Directory())
	following(t, told)
	_, ended := watch(t, a.broker.Directory())
	a.broker.Directory().AtClose(func(ctx context.Context) {
		_, _, _ = a.broker.Directory().Update(ctx, "host.a", []byte("gone"), 0)
	})
	for _, _, err := a.broker.Directory().Update(within(t), "host.other", nil, 1<<40); err != nil; { // until the watch has opened it
		_, _, err = a.broker.Directory().Update(within(t), "host.other", nil, 1<<40)
	}
	check(t, a.Stop(within(t)))
	if got := following(t, told); got.key != "host.a" || got.text != "gone" {
		t.Errorf("got %v", got)
	}
	following(t, ended)
}

// TestFences: messages of a host that has lost its claim are refused by all that know of a later one: from
// the directory, or from a message of the host that has the claim now.
func TestFences(t *testing.T) {
	url := serve(t, nil).ClientURL()
	old, now, target := join(t, url, "old"), join(t, url, "now"), join(t, url, "target")
	var got atomic.Uint64
	target.deploy(t, "a/sink", component(func(guest.Host, []byte) ([]byte, error) { got.Add(1); return nil, nil }), nil)
	echoing := func(m *member) {
		m.deploy(t, "b/asker", component(func(h guest.Host, message []byte) ([]byte, error) {
			return nil, h.Send("a/sink", message)
		}), nil)
	}
	valid := func() bool { return true }
	old.broker.Directory().Own(askerID, 5, 5, valid)
	echoing(old)
	send := func(m *member, arrives bool) {
		t.Helper()
		before, letters := got.Load(), len(m.DeadLetters())
		check(t, m.Send(askerID, []byte("x")))
		m.settled(t)
		target.settled(t)
		refused := m.DeadLetters()[letters:]
		switch {
		case arrives && (got.Load() != before+1 || len(refused) > 0):
			t.Errorf("a message is refused: %v", refused)
		case !arrives && (got.Load() != before || len(refused) != 1 || !strings.Contains(refused[0].Reason, "capability-denied: another host runs b/asker now")):
			t.Errorf("a message with a lower fence arrives, or is lost: %v", refused)
		}
	}
	send(old, true)
	target.broker.Directory().Know(askerID, 6)
	send(old, false)
	target.broker.Directory().Know(askerID, 4) // late news
	send(old, false)
	old.broker.Directory().Own(askerID, 7, 6, valid)
	send(old, true) // as after a move, when its messages from before are still under way
	now.broker.Directory().Own(askerID, 9, 8, valid)
	echoing(now)
	send(now, true)
	send(old, false) // target has learned of it from the message
	now.broker.Directory().Own(askerID, 0, 0, nil)
	send(now, true) // without a claim
}

// TestClaimIsOver: a host refuses messages to a component after the end of its claim.
func TestClaimIsOver(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	var valid atomic.Bool
	valid.Store(true)
	a.broker.Directory().Own(echoID, 1, 1, valid.Load)
	a.deploy(t, "a/echo", component(echo), nil)
	if _, err := b.Request(within(t), echoID, nil); err != nil {
		t.Error(err)
	}
	valid.Store(false)
	if _, err := b.Request(within(t), echoID, nil); !errors.Is(err, core.ErrUnavailable) || !strings.Contains(err.Error(), "lost its claim") {
		t.Errorf("got %v, want unavailable", err)
	}
	if _, err := a.Request(within(t), echoID, nil); err != nil {
		t.Errorf("within the host: %v", err) // the component is stopped soon
	}
}

// TestNobodyRunsIt: a component that hosts claim, and none has now, is unavailable, and not unknown.
func TestNobodyRunsIt(t *testing.T) {
	a := join(t, serve(t, nil).ClientURL(), "a")
	a.broker.Directory().Know(echoID, 3)
	if _, err := a.Request(within(t), echoID, nil); !errors.Is(err, core.ErrUnavailable) || !strings.Contains(err.Error(), "no host runs a/echo at the moment") {
		t.Errorf("got %v, want unavailable", err)
	}
}

// TestNoDirectory: a server without JetStream has no directory, and the error says how to have one.
func TestNoDirectory(t *testing.T) {
	a := join(t, serve(t, nil).ClientURL(), "a")
	ctx, cancel := context.WithTimeout(within(t), 10*time.Second)
	defer cancel()
	err := a.broker.Directory().Watch(ctx, func(string, []byte, uint64) {})
	if err == nil || !strings.Contains(err.Error(), "set jetstream in the configuration of the NATS servers") {
		t.Errorf("got %v", err)
	}
}
