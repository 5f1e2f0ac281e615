package nats_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// restart stops a server and starts another one at its address.
func restart(t *testing.T, s *server.Server, between func(), change func(*server.Options)) *server.Server {
	t.Helper()
	port := s.Addr().(*net.TCPAddr).Port
	s.Shutdown()
	s.WaitForShutdown()
	between()
	return serve(t, func(o *server.Options) {
		if o.Port = port; change != nil {
			change(o)
		}
	})
}

// TestOutcomesOfAllSizes: many long failures, and a response that the server does not take any more,
// come to their requester, though they waited for the server.
func TestOutcomesOfAllSizes(t *testing.T) {
	s := serve(t, nil)
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	gate := make(chan struct{})
	a.deploy(t, "a/echo", component(func(_ guest.Host, m []byte) ([]byte, error) {
		<-gate
		if string(m) == "large" {
			return make([]byte, 500<<10), nil
		}
		return nil, errors.New(strings.Repeat("x", 4000))
	}), nil)
	const n = 600
	ended := make(chan error, n)
	for i := range n {
		text := ""
		if i == 0 {
			text = "large"
		}
		go func() {
			_, err := b.Request(within(t), echoID, []byte(text))
			for errors.Is(err, core.ErrQueueFull) { // the window is full
				<-time.After(time.Millisecond)
				_, err = b.Request(within(t), echoID, []byte(text))
			}
			ended <- err
		}()
	}
	for b.Snapshot().Left < n {
		<-time.After(time.Millisecond)
	}
	restart(t, s, func() {
		a.says(t, "disconnected from NATS", 1)
		b.says(t, "disconnected from NATS", 1)
		close(gate)
		for a.Snapshot().Handled < n {
			<-time.After(time.Millisecond)
		}
	}, func(o *server.Options) { o.MaxPayload = 200 << 10 })
	large := 0
	for range n {
		switch err := <-ended; {
		case err != nil && strings.Contains(err.Error(), "the response has 512000 bytes"):
			large++
		case !errors.Is(err, core.ErrRequestFailed):
			t.Fatalf("got %v", err)
		}
	}
	if large != 1 || a.broker.Counters().Lost > 0 {
		t.Errorf("%d outcomes that are too large, want 1; %d lost", large, a.broker.Counters().Lost)
	}
}

// TestDetachWithoutAServer: a component that leaves while there is no server gets nothing when it is
// back.
func TestDetachWithoutAServer(t *testing.T) {
	s := serve(t, nil)
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	a.deploy(t, "a/echo", component(echo), nil)
	_, err := b.Request(within(t), echoID, nil)
	check(t, err)
	restart(t, s, func() {
		a.says(t, "disconnected from NATS", 1)
		check(t, a.Undeploy(within(t), echoID))
	}, nil)
	a.says(t, "connected to NATS again", 1)
	b.says(t, "connected to NATS again", 1)
	if _, err := b.Request(within(t), echoID, nil); !errors.Is(err, core.ErrTargetNotFound) {
		t.Errorf("got %v, want target-not-found", err)
	}
}

// TestSlowComponent: no message to a component that takes few of them ends twice.
func TestSlowComponent(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	var handled atomic.Int64
	a.deploy(t, "a/sink", component(func(guest.Host, []byte) ([]byte, error) {
		<-time.After(200 * time.Millisecond)
		handled.Add(1)
		return nil, nil
	}), func(d *host.Deployment) { d.Limits.Mailbox = 1 })
	const n = 30
	for range n {
		check(t, b.Send(sinkID, nil))
	}
	s := b.settled(t)
	a.settled(t)
	if got := handled.Load() + int64(s.DeadLetters); got != n || int64(s.Left) != handled.Load() {
		t.Errorf("%d handled and %d dead letters of %d, %d have left", handled.Load(), s.DeadLetters, n, s.Left)
	}
}

// TestWrongPasswordForAWhile: a server that does not know the host for a while is found again.
func TestWrongPasswordForAWhile(t *testing.T) {
	user := func(password string) func(*server.Options) {
		return func(o *server.Options) { o.Users = []*server.User{{Username: "shop", Password: password}} }
	}
	s := serve(t, user("open"))
	a := join(t, fmt.Sprintf("nats://shop:open@%s", s.Addr()), "a")
	s = restart(t, s, func() {}, user("closed"))
	<-time.After(1500 * time.Millisecond) // several attempts
	restart(t, s, func() {}, user("open"))
	a.says(t, "connected to NATS again", 1)
	if _, err := a.Request(within(t), echoID, nil); !errors.Is(err, core.ErrTargetNotFound) {
		t.Errorf("got %v, want target-not-found", err)
	}
}

// TestCloseDoesNotWaitForASilentHost: Close waits for receipts for two leases at most, and then the
// messages come back.
func TestCloseDoesNotWaitForASilentHost(t *testing.T) {
	s := serve(t, nil)
	w := newWire(t, s.Addr().String())
	a, b := join(t, "nats://"+w.Addr().String(), "a"), join(t, s.ClientURL(), "b")
	a.deploy(t, "a/sink", component(echo), nil)
	b.says(t, "host seen", 1)
	w.cut.Store(true)
	check(t, b.Send(sinkID, nil))
	ended := make(chan error)
	go func() { ended <- b.broker.Close(context.Background()) }()
	select {
	case err := <-ended:
		check(t, err)
	case <-time.After(patience / 2):
		t.Fatalf("Close takes longer than %v", patience/2)
	}
	if n := b.Snapshot().DeadLetters; n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

// TestSilentLine: a host whose line is cut without a word takes no other for gone.
func TestSilentLine(t *testing.T) {
	s := serve(t, nil)
	w := newWire(t, s.Addr().String())
	a, b := join(t, "nats://"+w.Addr().String(), "a"), join(t, s.ClientURL(), "b")
	a.says(t, "host seen", 1)
	b.says(t, "host seen", 1)
	w.cut.Store(true)
	b.says(t, "host gone", 1)
	<-time.After(nats.MinLease)
	if strings.Contains(a.log.String(), "host gone") {
		t.Errorf("the host that is cut off says:\n%s", a.log)
	}
	w.cut.Store(false)
}
