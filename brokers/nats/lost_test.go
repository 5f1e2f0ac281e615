package nats_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// TestOutcomesWaitForTheServer: a request that a host has taken is answered when the server is back,
// also after more than a lease: a host that is cut off takes no other for gone.
func TestOutcomesWaitForTheServer(t *testing.T) {
	s := serve(t, nil)
	port := s.Addr().(*net.TCPAddr).Port
	a, b := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b")
	gate := make(chan struct{})
	a.deploy(t, "a/echo", component(func(_ guest.Host, m []byte) ([]byte, error) { <-gate; return m, nil }), nil)
	a.says(t, "host seen", 1)
	b.says(t, "host seen", 1)
	answered := make(chan string)
	go func() {
		answer, err := b.Request(within(t), echoID, []byte("hello"))
		if err != nil {
			answer = []byte(err.Error())
		}
		answered <- string(answer)
	}()
	for b.Snapshot().Left == 0 { // the receipt has come
		<-time.After(time.Millisecond)
	}
	s.Shutdown()
	s.WaitForShutdown()
	a.says(t, "disconnected from NATS", 1)
	b.says(t, "disconnected from NATS", 1)
	close(gate)
	<-time.After(nats.MinLease * 3 / 2)
	serve(t, func(o *server.Options) { o.Port = port })
	if got := <-answered; got != "hello" {
		t.Errorf("got %q", got)
	}
	for _, m := range []*member{a, b} {
		if strings.Contains(m.log.String(), "host gone") {
			t.Errorf("a host is gone:\n%s", m.log)
		}
	}
}

// TestTwoHostsOfOneName: each of two hosts with one name says so.
func TestTwoHostsOfOneName(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "a")
	a.says(t, "another host of the cluster has this host's name", 1)
	b.says(t, "another host of the cluster has this host's name", 1)
}

// TestOneOfTwoHosts: if two hosts have a component, each message goes to one of them.
func TestOneOfTwoHosts(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b, c := join(t, url, "a"), join(t, url, "b"), join(t, url, "c")
	a.deploy(t, "a/echo", component(echo), nil)
	b.deploy(t, "a/echo", component(echo), nil)
	const n = 100
	for range n {
		if _, err := c.Request(within(t), echoID, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.settled(t).Arrived + b.settled(t).Arrived; got != n {
		t.Errorf("%d arrivals, want %d", got, n)
	}
}

// TestTooLarge: a message that the server does not take is refused, with the bound.
func TestTooLarge(t *testing.T) {
	a := join(t, serve(t, func(o *server.Options) { o.MaxPayload = 64 << 10 }).ClientURL(), "a")
	err := a.Send(echoID, make([]byte, 64<<10))
	if core.AsMessagingError(err).Case != core.CaseInvalidArgument || !strings.Contains(err.Error(), "at most 64512 bytes") {
		t.Errorf("got %v", err)
	}
}

// TestOpenWaitsForAServer: a host may start before its server; Open gives up when its context ends,
// and says why.
func TestOpenWaitsForAServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	check(t, l.Close())
	url := "nats://" + l.Addr().String()
	joined := make(chan struct{})
	t.Cleanup(func() { <-joined })
	go func() {
		defer close(joined)
		join(t, url, "a")
	}()
	<-time.After(100 * time.Millisecond)
	serve(t, func(o *server.Options) { o.Port = port })
	<-joined
}

// TestForbiddenTarget: a message that the server does not let this host send comes back at once, and no
// log has the password.
func TestForbiddenTarget(t *testing.T) {
	user := &server.User{Username: "shop", Password: "open-sesame", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"ah.default.to.a.*"}}}}
	s := serve(t, func(o *server.Options) { o.Users = []*server.User{user} })
	port := s.Addr().(*net.TCPAddr).Port
	a := join(t, "nats://shop:open-sesame@"+s.Addr().String(), "a")
	if _, err := a.Request(within(t), echoID, nil); !errors.Is(err, core.ErrRequestUnavailable) || !strings.Contains(err.Error(), "capability-denied: NATS does not permit this host to send to a/echo") {
		t.Errorf("got %v", err)
	}
	for range 100 {
		_, err := a.Request(within(t), echoID, nil)
		if !errors.Is(err, core.ErrRequestUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if n := strings.Count(a.log.String(), "NATS refused something"); n < 1 || n > 20 {
		t.Errorf("%d lines about 101 refusals", n)
	}
	s.Shutdown()
	s.WaitForShutdown()
	a.says(t, "disconnected from NATS", 1)
	serve(t, func(o *server.Options) { o.Port, o.Users = port, []*server.User{user} })
	a.says(t, "connected to NATS again", 1)
	if strings.Contains(a.log.String(), "sesame") {
		t.Errorf("the log has the password:\n%s", a.log)
	}
}
