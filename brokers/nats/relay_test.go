package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestMoveThereAndBack: three hosts send to a component that moves between two of them again and again, and
// asks and answers on the way. Nothing is lost, handled twice or out of order.
func TestMoveThereAndBack(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b, c := join(t, url, "a"), join(t, url, "b"), join(t, url, "c")
	all := new(notes)
	check(t, a.Deploy(within(t), travel(traveller{at: "a", notes: all}, nil, nil)))
	stop := make(chan struct{})
	var senders sync.WaitGroup
	last := make([]int, 3)
	asked := 0
	for i, m := range []*member{a, b, c} {
		senders.Go(func() {
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Microsecond):
					send(t, m, fmt.Sprintf("%c%d", "abc"[i], n))
					last[i] = n
				}
			}
		})
	}
	senders.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Microsecond):
			}
			switch answer, err := c.Request(within(t), travellerID, []byte("?")); {
			case err == nil:
				asked++
			case !errors.Is(err, core.ErrQueueFull):
				t.Errorf("got %q, %v", answer, err)
				return
			}
		}
	})
	from, to2 := a, b
	for i := range 10 {
		all.await(t, 300*(i+1))
		check(t, from.MoveAway(within(t), travellerID, to(to2, traveller{at: "ab"[(i+1)%2 : (i+1)%2+1], notes: all}, nil)))
		from, to2 = to2, from
	}
	close(stop)
	senders.Wait()
	sent := last[0] + last[1] + last[2]
	list := all.await(t, sent+asked)
	if n := inOrder(t, list, "abc"); n != sent {
		t.Errorf("%d messages, want %d", n, sent)
	}
	for _, m := range []*member{a, b, c} {
		if s := m.settled(t); s.DeadLetters > 0 || s.Late > 0 {
			t.Errorf("%+v %+v", s, m.DeadLetters())
		}
	}
	answer, err := b.Request(within(t), travellerID, []byte("last"))
	if want := fmt.Sprint("a ", sent+asked+1); string(answer) != want || err != nil {
		t.Errorf("got %q, %v, want %q", answer, err, want)
	}
}

// TestMoveFailsWhileHostsSend: the component goes on where it was; nothing is lost or out of order.
func TestMoveFailsWhileHostsSend(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b, c := join(t, url, "a"), join(t, url, "b"), join(t, url, "c")
	all := new(notes)
	check(t, a.Deploy(within(t), travel(traveller{at: "a", notes: all}, nil, nil)))
	wrong := errors.New("wrong")
	n := 0
	for range 3 {
		err := a.MoveAway(within(t), travellerID, func(ctx context.Context, m *core.Moving) error {
			for range 300 {
				n++
				send(t, b, fmt.Sprint("b", n))
				send(t, c, fmt.Sprint("c", n))
			}
			return wrong
		})
		if !errors.Is(err, wrong) {
			t.Errorf("got %v", err)
		}
	}
	if got := inOrder(t, all.await(t, 2*n), "bc"); got != 2*n {
		t.Errorf("%d messages, want %d", got, 2*n)
	}
	for _, m := range []*member{a, b, c} {
		m.settled(t)
	}
}

// waitingAt moves a component with a request of another host, which waits there for the gate.
func waitingAt(t *testing.T, a, b, c *member, gate <-chan struct{}) (answered chan error) {
	t.Helper()
	echoes := component(func(_ guest.Host, m []byte) ([]byte, error) { <-gate; return m, nil })
	here, there := travel(traveller{}, nil, nil), travel(traveller{}, nil, nil)
	here.ID, there.ID = echoID, echoID
	there.Source = core.Source{Value: func() guest.Component { return echoes }}
	check(t, a.Deploy(within(t), here))
	answered = make(chan error, 1)
	check(t, a.MoveAway(within(t), echoID, func(ctx context.Context, m *core.Moving) error {
		go func() {
			answer, err := c.Request(within(t), echoID, []byte("hello"))
			if err == nil && string(answer) != "hello" {
				err = fmt.Errorf("got %q", answer)
			}
			answered <- err
		}()
		for a.Snapshot().Arrived < 1 {
			<-time.After(time.Millisecond)
		}
		there.Moving = m
		return b.Deploy(ctx, there)
	}))
	for a.Snapshot().Left < 1 || a.Snapshot().Pending < 1 { // it is a request of this host there
		<-time.After(time.Millisecond)
	}
	return answered
}

// TestStopWaitsForRelays: a host that has moved all of its components away, and stops, passes on the outcomes
// that come by it.
func TestStopWaitsForRelays(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b, c := join(t, url, "a"), join(t, url, "b"), join(t, url, "c")
	gate := make(chan struct{})
	answered := waitingAt(t, a, b, c, gate)
	stopped := make(chan error)
	go func() { stopped <- a.Stop(within(t)) }()
	for a.Send(sinkID, nil) == nil { // it stops
		<-time.After(time.Millisecond)
	}
	close(gate)
	check(t, <-answered)
	check(t, <-stopped)
}

// TestRelayedHostDies: requests that follow a component end with unavailable if its new host dies.
func TestRelayedHostDies(t *testing.T) {
	s := serve(t, nil)
	w := newWire(t, s.Addr().String())
	a, b, c := join(t, s.ClientURL(), "a"), join(t, "nats://"+w.Addr().String(), "b"), join(t, s.ClientURL(), "c")
	gate := make(chan struct{})
	answered := waitingAt(t, a, b, c, gate)
	w.cut.Store(true)
	if err := <-answered; !errors.Is(err, core.ErrRequestUnavailable) || !strings.Contains(err.Error(), "host b is gone") {
		t.Errorf("got %v, want unavailable", err)
	}
	close(gate)
	check(t, a.Quiesce(within(t)))
	w.cut.Store(false)
}

// TestMoveOfARequester: a request of the component itself is answered before it moves.
func TestMoveOfARequester(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	outcomes := new(sync.Map)
	a.deploy(t, "b/asker", asker{outcomes}, nil)
	asked := make(chan struct{})
	b.deploy(t, "a/echo", component(func(_ guest.Host, m []byte) ([]byte, error) {
		close(asked)
		<-time.After(200 * time.Millisecond)
		return m, nil
	}), nil)
	check(t, a.Send(askerID, []byte("hello")))
	<-asked
	check(t, a.MoveAway(within(t), askerID, func(ctx context.Context, m *core.Moving) error {
		if _, came := outcomes.Load("hello <nil>"); !came {
			t.Error("the component moves before it has the outcome")
		}
		b.deploy(t, "b/asker", asker{outcomes}, func(d *host.Deployment) { d.Moving = m })
		return nil
	}))
	a.settled(t)
	b.settled(t)
}

// TestFormerHostDies: if a component's former host dies during the move, the new one begins without its messages.
// Those that other hosts have sent meanwhile come back.
func TestFormerHostDies(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	s := serve(t, nil)
	w := newWire(t, s.Addr().String())
	a, b, c := join(t, "nats://"+w.Addr().String(), "a"), join(t, s.ClientURL(), "b"), join(t, s.ClientURL(), "c")
	all := new(notes)
	check(t, a.Deploy(within(t), travel(traveller{at: "a", notes: all}, nil, nil)))
	c.says(t, "host seen", 2)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	check(t, a.MoveAway(ctx, travellerID, func(ctx context.Context, m *core.Moving) error {
		err := to(b, traveller{at: "b", notes: all}, nil)(ctx, m)
		w.cut.Store(true)
		send(t, c, "c1")
		return err
	}))
	for until := within(t); c.Snapshot().DeadLetters < 1 && until.Err() == nil; {
		<-time.After(time.Millisecond)
	}
	if l := c.DeadLetters(); len(l) != 1 || !strings.HasPrefix(l[0].Reason, "unavailable") {
		t.Errorf("the dead letters are %+v", l)
	}
	b.says(t, "have not all come", 1)
	if answer, err := c.Request(within(t), travellerID, []byte("?")); string(answer) != "b 1" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
	w.cut.Store(false)
}
