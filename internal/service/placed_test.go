package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/cluster"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/internal/natstest"
)

// patience is the time after which a test stops waiting.
const patience = 60 * time.Second

// member is a host of a cluster, with a line of its own to the server.
type member struct {
	*Service
	t    testing.TB
	name string
	file string
	line *line
	log  *hosttest.Log
}

// line is a way to a server that can be cut.
type line struct {
	net.Listener
	mu    sync.Mutex // guards the following
	ends  []net.Conn
	isCut bool
}

func newLine(t testing.TB, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{Listener: listener}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil || !l.keep(from, far) {
				from.Close()
				continue
			}
			work.Go(func() { _, _ = io.Copy(far, from); far.Close() })
			work.Go(func() { _, _ = io.Copy(from, far); from.Close() })
		}
	})
	t.Cleanup(func() { listener.Close(); l.cut(true); work.Wait() })
	return l
}

func (l *line) keep(ends ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		for _, c := range ends {
			c.Close()
		}
		return false
	}
	l.ends = append(l.ends, ends...)
	return true
}

// cut closes the connections, and takes no other ones until it is called with false.
func (l *line) cut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = cut
	for _, c := range l.ends {
		c.Close()
	}
	l.ends = nil
}

// natsServer runs a server with JetStream.
func natsServer(t testing.TB) string {
	return natstest.Serve(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).Addr().String()
}

// clusterFile is the configuration of a host. The lease is 1 s.
func clusterFile(address, name, rest string) string {
	return fmt.Sprintf("host: {broker: nats, drain_timeout: 1s, nats: {url: \"nats://%s\", cluster: c.1, name: %s, lease: 1s, labels: {zone: %q}}}\n%s", address, name, "zone-"+name, rest)
}

// join starts a host.
func join(t testing.TB, to, name, components string) *member {
	t.Helper()
	m := &member{t: t, name: name, line: newLine(t, to), log: new(hosttest.Log), file: filepath.Join(t.TempDir(), "airhost.yaml")}
	m.write(components)
	file, err := config.Load(m.file, Built())
	if err != nil {
		t.Fatal(err)
	}
	m.Service, err = New(context.Background(), Config{File: file, Changes: true, Log: slog.New(slog.NewTextHandler(m.log, nil)), LogWiring: slog.LevelDebug})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(context.Background()); err != nil && !errors.Is(err, host.ErrUnhandled) {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log of %s:\n%s", name, m.log)
		}
	})
	if err := errors.Join(m.DeployAll(t.Context()), m.Open(t.Context())); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *member) write(components string) {
	if err := os.WriteFile(m.file, []byte(clusterFile(m.line.Addr().String(), m.name, components)), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) apply(components string) []string {
	m.t.Helper()
	m.write(components)
	applied, err := m.Apply(m.t.Context(), admin.ApplyRequest{}, func(admin.Progress) {})
	if err != nil {
		m.t.Fatal(err)
	}
	return changes(applied)
}

// counters are the components c/0 to c/n-1, which count, and any that follow.
func counters(n int, more ...string) string {
	var b strings.Builder
	b.WriteString("components:\n")
	for i := range n {
		fmt.Fprintf(&b, " - {id: c/%d, source: counter, engine: native, place: any, logs: {lines_per_second: 1}}\n", i)
	}
	for _, one := range more {
		fmt.Fprintf(&b, " - %s\n", one)
	}
	return b.String()
}

// here are the components of a namespace that a host runs.
func (m *member) here(namespace string) (all []string) {
	for _, c := range m.Components() {
		if c.ID.Namespace() == namespace && c.State == "running" {
			all = append(all, c.ID.String())
		}
	}
	return all
}

func until(t testing.TB, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(what)
		}
		if time.Since(began) > patience {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
	return time.Since(began)
}

// once waits until each of n components runs on one of the hosts.
func once(t testing.TB, n int, hosts ...*member) time.Duration {
	t.Helper()
	return until(t, "each component runs once", func() bool {
		var all []string
		for _, m := range hosts {
			all = append(all, m.here("c")...)
		}
		slices.Sort(all)
		return len(all) == n && len(slices.Compact(all)) == n
	})
}

// balanced waits until each of n components runs on the host that it belongs to.
func balanced(t testing.TB, n int, hosts ...*member) {
	t.Helper()
	var names []string
	for _, m := range hosts {
		names = append(names, m.name)
	}
	for _, m := range hosts {
		var want []string
		for i := range n {
			if id := fmt.Sprintf("c/%d", i); cluster.Choose(core.MustComponentID(id), names) == m.name {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		until(t, m.name+" has its part", func() bool { return slices.Equal(m.here("c"), want) })
	}
}

// count sends a message to a counter until it is taken, and returns the count.
func (m *member) count(id string) (int, error) {
	response, err := answers(m.Service, id, "x")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(response)
}

// TestHostDies: three hosts share components; one is cut off, and the others answer for all of them,
// while the host that is cut off stops its own, and goes on with those of its place. When it is back it
// gets its part again.
func TestHostDies(t *testing.T) {
	n, to := 30, natsServer(t)
	if testing.Short() {
		n = 12
	}
	local := "{id: l/echo, source: echo, engine: native}"
	var hosts []*member
	for _, name := range []string{"a", "b", "c"} {
		hosts = append(hosts, join(t, to, name, counters(n, local)))
	}
	a, b, c := hosts[0], hosts[1], hosts[2]
	balanced(t, n, hosts...)
	began := b.here("l")
	b.line.cut(true)
	t.Log("others run all after", once(t, n, a, c))
	for i := range n {
		id := fmt.Sprintf("c/%d", i)
		until(t, id+" answers", func() bool { _, err := a.count(id); return err == nil })
	}
	until(t, "it stops its own", func() bool { return len(b.here("c")) == 0 })
	if answer, err := answers(b.Service, "l/echo", "hello"); answer != "hello" || err != nil || len(began) != 1 {
		t.Errorf("the component of the host that is cut off answers %q, %v", answer, err)
	}
	b.line.cut(false)
	balanced(t, n, hosts...)
	for _, one := range b.Components() {
		if one.ID.Namespace() == "l" && one.Counters.Restarts > 0 {
			t.Error("what has place: here was restarted")
		}
	}
}

// TestDrainMovesAll: while requests come all the time, a host gives its components away with their state:
// each request is counted once, and none is lost, and so is each message without an answer.
func TestDrainMovesAll(t *testing.T) {
	const n = 6
	to := natsServer(t)
	local := "{id: l/echo, source: echo, engine: native}"
	a, b := join(t, to, "a", counters(n, local)), join(t, to, "b", counters(n))
	client := join(t, to, "client", "components: [{id: l/client, source: echo, engine: native}]")
	balanced(t, n, a, b)
	was := a.here("c")

	var work sync.WaitGroup
	done, counts := make(chan struct{}), make([]int, n)
	for i := range n {
		work.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if i >= n-2 { // without an answer
					if client.Send(core.MustComponentID(fmt.Sprintf("c/%d", i)), []byte("x")) == nil { // else its window is used up
						counts[i]++
					}
					<-time.After(100 * time.Microsecond)
					continue
				}
				got, err := client.count(fmt.Sprintf("c/%d", i))
				if err != nil {
					t.Errorf("request %d to c/%d: %v", counts[i]+1, i, err)
					return
				}
				if counts[i]++; got != counts[i] {
					t.Errorf("c/%d counts %d, want %d", i, got, counts[i])
					return
				}
			}
		})
	}
	var steps []string
	drained, err := a.Drain(t.Context(), admin.DrainRequest{}, func(p admin.Progress) { steps = append(steps, p.ID+" "+p.Step+" "+p.Host) })
	close(done)
	work.Wait()
	if err != nil || len(drained.Moved) != len(was) || len(drained.Failed()) > 0 || drained.Here != 1 || len(steps) != len(was) {
		t.Fatalf("%v: %+v; steps %v", err, drained, steps)
	}
	if a.Draining() != admin.HostDrained || b.Draining() != "" {
		t.Errorf("after it was drained it says %q, and the other host %q", a.Draining(), b.Draining())
	}
	if drained, err := b.Drain(t.Context(), admin.DrainRequest{}, func(admin.Progress) {}); err != nil || len(drained.Failed()) != n || b.Draining() != admin.HostDraining {
		t.Errorf("drained without a host that takes its components: %v: %+v, it says %q", err, drained, b.Draining())
	}
	if len(a.here("c")) > 0 || len(b.here("c")) != n || len(a.here("l")) != 1 {
		t.Errorf("a has %v, b has %v", a.here("c"), b.here("c"))
	}
	for _, one := range a.Failed() {
		if one.State != "elsewhere" || one.Host != "b" {
			t.Errorf("%+v", one)
		}
	}
	for _, m := range []*member{a, b} {
		if drained, err := m.Drain(t.Context(), admin.DrainRequest{Undo: true}, nil); err != nil || !drained.Undone || m.Draining() != "" {
			t.Errorf("%v: %+v, it says %q", err, drained, m.Draining())
		}
	}
	balanced(t, n, a, b)
	for i := range n {
		id := fmt.Sprintf("c/%d", i)
		until(t, fmt.Sprintf("%s counts to %d", id, counts[i]), func() bool {
			got, err := answers(client.Service, id, "get")
			return err == nil && got == strconv.Itoa(counts[i])
		})
	}
	for _, m := range []*member{a, b, client} {
		if letters := m.DeadLetters(); len(letters) > 0 {
			t.Errorf("%s has the dead letters %v", m.name, letters)
		}
	}
}

// states are the states of the components of a namespace as ps shows them.
func (m *member) states() (all []string) {
	for _, c := range m.Failed() {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.ID, c.State, c.Host)))
	}
	slices.Sort(all)
	return all
}

// TestPlacedChanges: a file changes components that run on one of several hosts.
func TestPlacedChanges(t *testing.T) {
	to := natsServer(t)
	one := func(rest string) string {
		return "components:\n - {id: l/echo, source: echo, engine: native}\n - {id: c/0, source: counter, engine: native, " + rest + "}\n"
	}
	a := join(t, to, "a", "components: [{id: l/echo, source: echo, engine: native}]")
	same(t, a.apply(one("place: any")), "add c/0")
	once(t, 1, a)
	b := join(t, to, "b", one("place: any, config: {start: 10}"))
	balanced(t, 1, a, b)
	if cluster.Choose(core.MustComponentID("c/0"), []string{"a", "b"}) != "b" {
		a, b = b, a
	}
	same(t, a.states(), "c/0 elsewhere b")
	if err := a.Restart(t.Context(), core.MustComponentID("c/0")); err == nil || !strings.Contains(err.Error(), "host b runs it") {
		t.Errorf("a restart where it does not run: %v", err)
	}
	check(t, b.Restart(t.Context(), core.MustComponentID("c/0")))
	same(t, a.apply(one("place: any")))
	same(t, a.apply(one("place: any, config: {start: 20}")), "replace c/0") // for the time when it comes
	if got := b.here("c"); len(got) != 1 {
		t.Errorf("another host's file has moved it: %v", got)
	}
	same(t, b.apply(one("place: any, place_labels: {zone: zone-a}")), "replace c/0")
	until(t, "the host with the label has it", func() bool { return len(a.here("c")) == 1 && len(b.here("c")) == 0 })
	if got, err := b.count("c/0"); got != 21 || err != nil { // by no subscription that it has left behind
		t.Errorf("it counts %d, %v, want 21 with its new configuration", got, err)
	}
	same(t, b.states(), "c/0 elsewhere")
	same(t, a.apply(one("place: here, config: {start: 30}")), "replace c/0")
	if got, err := a.count("c/0"); got != 31 || err != nil {
		t.Errorf("it counts %d, %v, want 31", got, err)
	}
	same(t, a.apply(one("place: any, config: {start: 40}")), "replace c/0")
	once(t, 1, a)
	same(t, a.apply("components: [{id: l/echo, source: echo, engine: native}]"), "remove c/0")
	if len(a.here("c"))+len(a.states()) > 0 {
		t.Errorf("it is still there: %v %v", a.here("c"), a.states())
	}
	same(t, b.apply(one("place: any")), "update c/0")
	once(t, 1, b)
	check(t, b.Undeploy(t.Context(), core.MustComponentID("c/0")))
	if len(b.here("c"))+len(b.states()) > 0 {
		t.Errorf("it is still there: %v %v", b.here("c"), b.states())
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlacedThatFails: a component that does not start on the host that it belongs to runs on another one,
// and one that starts on none is told where it failed.
func TestPlacedThatFails(t *testing.T) {
	to := natsServer(t)
	with := func(config string) string {
		return "components: [{id: c/0, source: counter, engine: native, place: any, config: {start: " + config + "}}, {id: l/echo, source: echo, engine: native}]"
	}
	first, second := "a", "b"
	if cluster.Choose(core.MustComponentID("c/0"), []string{"a", "b"}) != "a" {
		first, second = second, first
	}
	a := join(t, to, first, with("wrong"))
	if got := a.Failed(); len(got) != 1 || got[0].State != "failed" || !strings.Contains(got[0].LastError, "want a number") {
		t.Errorf("got %+v", got)
	}
	b := join(t, to, second, with("1"))
	once(t, 1, b)
	until(t, "the first host knows where it is", func() bool { return slices.Equal(a.states(), []string{"c/0 elsewhere " + second}) })
	same(t, a.apply(with("7")), "replace c/0")
	until(t, "it moves to the host that it belongs to", func() bool { return len(a.here("c")) == 1 })
	if got, err := b.count("c/0"); got != 2 || err != nil {
		t.Errorf("it counts %d, %v, want 2: its state has moved", got, err)
	}
}

// TestNoJetStream: a host without components that run on one of several needs no JetStream; one with some
// says so.
func TestNoJetStream(t *testing.T) {
	to := natstest.Serve(t, &server.Options{}).Addr().String()
	a := join(t, to, "a", "components: [{id: l/echo, source: echo, engine: native}]")
	const want = "set jetstream in the configuration"
	if got := a.apply(counters(1)); len(got) != 2 || !strings.Contains(got[0], want) {
		t.Errorf("got %v", got)
	}
	f := newFolder(t)
	file, err := config.Load(f.write("airhost.yaml", clusterFile(to, "b", counters(1))), Built())
	check(t, err)
	s, err := New(context.Background(), Config{File: file, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	if err := s.DeployAll(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	check(t, s.Stop(t.Context()))
	if _, err := Online(t.Context(), file); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("check --online: %v", err)
	}
	with, err := config.Load(f.write("airhost.yaml", clusterFile(natsServer(t), "b", counters(1))), Built())
	check(t, err)
	if _, err := Online(t.Context(), with); err != nil {
		t.Errorf("check --online with JetStream: %v", err)
	}
}

// TestPlacedOnOneHost: the words of a host without a cluster.
func TestPlacedOnOneHost(t *testing.T) {
	s := newFolder(t).serve("components: [{id: a/b, source: echo, engine: native}]")
	if _, err := s.Put(t.Context(), core.MustComponentID("a/c"), []byte("{id: a/c, source: echo, engine: native, place: any}"), func(admin.Progress) {}); err != nil {
		t.Error(err)
	} else if got := s.Failed(); len(got) != 1 || !strings.Contains(got[0].LastError, "needs the broker nats") {
		t.Errorf("got %+v", got)
	}
	if got := s.Draining(); got != "" {
		t.Errorf("a host that cannot be drained says %q", got)
	}
	var refused *admin.Error
	if _, err := s.Drain(t.Context(), admin.DrainRequest{}, func(admin.Progress) {}); !errors.As(err, &refused) || refused.Code != admin.CodeNotSupported {
		t.Errorf("got %v", err)
	}
}
