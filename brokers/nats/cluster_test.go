package nats_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// clusterEvent waits for the next event of the cluster.
func (m *member) clusterEvent(t testing.TB) host.Event {
	t.Helper()
	for until := within(t); ; {
		select {
		case e := <-m.events:
			if e.Host.Name != "" {
				return e
			}
		case <-until.Done():
			t.Fatalf("there is no further event of the cluster:\n%s", m.log)
		}
	}
}

// TestClusterEvents: the connection and the other hosts are events, in order, and each has one line
// in the log.
func TestClusterEvents(t *testing.T) {
	s := serve(t, nil)
	a := joinFor(t, s.ClientURL(), "a", patience) // no host is taken for gone while the server is
	want := func(kind host.EventKind, name, reason string) {
		t.Helper()
		e := a.clusterEvent(t)
		if e.Kind != kind || e.Host.Name != name || e.Host.Labels["zone"] != name || (reason == "") != (e.Reason == nil) || !e.Component.IsZero() || e.Time.IsZero() {
			t.Errorf("got %+v, want %s of %s", e, kind, name)
		}
		if reason != "" && e.Reason != nil && !strings.Contains(e.Reason.Error(), reason) {
			t.Errorf("the reason is %v, want %s", e.Reason, reason)
		}
	}
	want(host.EventConnected, "a", "")
	b := joinFor(t, s.ClientURL(), "b", patience)
	want(host.EventHostSeen, "b", "")
	restart(t, s, func() { want(host.EventDisconnected, "a", "EOF") }, nil)
	want(host.EventConnected, "a", "")
	b.says(t, "connected to NATS again", 1)
	b.answers(`"b"`)
	for until := within(t); a.ask(t, patience)["b"].Err != nil; { // then the server knows the subscriptions of both again
		if until.Err() != nil {
			t.Fatal("b does not answer")
		}
	}
	check(t, b.Stop(within(t)))
	want(host.EventHostGone, "b", "it stops")
	for _, line := range []string{"connected to NATS\"", "host seen", "disconnected from NATS", "connected to NATS again", "host gone"} {
		if n := strings.Count(a.log.String(), line); n != 1 {
			t.Errorf("%d lines %q, want 1:\n%s", n, line, a.log)
		}
	}
	check(t, a.Stop(within(t)))
	for e := range a.events {
		if e.Host.Name != "" {
			t.Errorf("the end of the host itself is the event %+v", e)
		}
	}
}

// TestClusterStatus: a host knows itself and the others, and its connection.
func TestClusterStatus(t *testing.T) {
	s := serve(t, nil)
	a := join(t, s.ClientURL(), "b-first")
	join(t, s.ClientURL(), "a-second")
	a.says(t, "host seen", 1)
	before, ok := a.Cluster()
	if !ok || !before.Connected || before.Name != "default" || !strings.Contains(before.Server, s.Addr().String()) || before.Reconnects != 0 || before.Since.IsZero() {
		t.Errorf("got %+v, %v", before, ok)
	}
	if h := before.Hosts; len(h) != 2 || h[0].Name != "b-first" || h[1].Name != "a-second" || h[0].Since.IsZero() || h[1].Labels["zone"] != "a-second" {
		t.Errorf("the hosts are %+v", h)
	}
	restart(t, s, func() {
		a.says(t, "disconnected from NATS", 1)
		if lost, _ := a.Cluster(); lost.Connected || lost.Server != before.Server || !lost.Since.After(before.Since) {
			t.Errorf("without a connection got %+v", lost)
		}
	}, nil)
	a.says(t, "connected to NATS again", 1)
	for until := within(t); ; <-time.After(time.Millisecond) { // the event follows the line
		if again, _ := a.Cluster(); again.Connected && again.Reconnects == 1 && again.Hosts[0].Since.Equal(before.Hosts[0].Since) {
			break
		}
		if until.Err() != nil {
			t.Fatal("the connection is not counted")
		}
	}
	check(t, a.Stop(within(t)))
	if ended, _ := a.Cluster(); ended.Connected {
		t.Error("a host that has stopped is connected")
	}
}

// TestWindowsUsedUp: messages that are refused because of a window are counted.
func TestWindowsUsedUp(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	gate := make(chan struct{})
	a.deploy(t, "a/sink", component(func(guest.Host, []byte) ([]byte, error) { <-gate; return nil, nil }), func(d *host.Deployment) { d.Limits.Mailbox = 100 })
	var refused uint64
	for range 20_000 {
		if errors.Is(b.Send(sinkID, []byte("x")), core.ErrQueueFull) {
			refused++
		}
	}
	close(gate)
	if c, _ := b.Cluster(); c.Full != refused || refused == 0 {
		t.Errorf("%d are counted, %d were refused", c.Full, refused)
	}
	b.settled(t)
}

// answers sets an answer of a host, which the others read.
func (m *member) answers(text string) { m.AnswerCluster(func(int) []byte { return []byte(text) }) }

// ask returns the answers that a host gets within a time.
func (m *member) ask(t testing.TB, within time.Duration) map[string]core.HostAnswer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	answers, err := m.AskCluster(ctx)
	check(t, err)
	all := make(map[string]core.HostAnswer)
	for _, a := range answers {
		all[a.Name] = a
	}
	if len(all) != len(answers) {
		t.Errorf("%d answers of %d hosts", len(answers), len(all))
	}
	return all
}

// wantNoAnswer checks the reason why there is no answer.
func wantNoAnswer(t testing.TB, a core.HostAnswer, reason string) {
	t.Helper()
	if a.Answer != nil || a.Err == nil || !strings.Contains(a.Err.Error(), reason) {
		t.Errorf("%s: got %.50q and %v, want no answer since %s", a.Name, a.Answer, a.Err, reason)
	}
}

// TestAsk: a host gets the states of all others; one that tells nothing is there with the reason.
func TestAsk(t *testing.T) {
	s := serve(t, nil)
	a, b, c := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b.x"), join(t, s.ClientURL(), "c")
	a.says(t, "host seen", 2)
	a.answers(`"I do not ask myself"`)
	b.answers(`{"components":3}`)
	got := a.ask(t, patience)
	if len(got) != 2 || string(got["b.x"].Answer) != `{"components":3}` || got["b.x"].Err != nil || got["b.x"].Labels["zone"] != "b.x" {
		t.Errorf("got %+v", got)
	}
	wantNoAnswer(t, got["c"], "it tells nothing: its program has no admin API")
	b.AnswerCluster(nil)
	wantNoAnswer(t, a.ask(t, patience)["b.x"], "it tells nothing")
	c.answers("[")
	wantNoAnswer(t, a.ask(t, 100*time.Millisecond)["c"], "not answered in time") // it is the host's own mistake
	c.says(t, "this host's state cannot be told", 1)
	s.Shutdown()
	s.WaitForShutdown()
	a.says(t, "disconnected from NATS", 1)
	got = a.ask(t, patience)
	wantNoAnswer(t, got["b.x"], "the connection to NATS is lost")
	wantNoAnswer(t, got["c"], "the connection to NATS is lost")
}

// TestAnswerOfMostSize: an answer that is too large for a message is made again, smaller.
func TestAnswerOfMostSize(t *testing.T) {
	url := serve(t, func(o *server.Options) { o.MaxPayload = 64 << 10 }).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	a.says(t, "host seen", 1)
	b.AnswerCluster(func(most int) []byte {
		text := make([]byte, min(most, 200<<10)/2-2)
		_, _ = rand.Read(text)
		return fmt.Appendf(nil, `"%x"`, text) // packed it is half as large
	})
	if got := a.ask(t, patience)["b"]; got.Err != nil || len(got.Answer) < 32<<10 || len(got.Answer) > 256<<10 {
		t.Errorf("got %d bytes, %v", len(got.Answer), got.Err)
	}
}

// stranger is a program in a cluster that is no host of ours.
type stranger struct {
	*natsgo.Conn
	t testing.TB
}

// newStranger joins a cluster as hosts of these names.
func newStranger(t testing.TB, url string, names ...string) *stranger {
	t.Helper()
	c, err := natsgo.Connect(url)
	check(t, err)
	t.Cleanup(c.Close)
	s := &stranger{c, t}
	for _, name := range names {
		check(t, c.Publish("ah.default.hosts", fmt.Appendf(nil, `{"version":1,"host":%q,"run":"x","lease_ms":60000}`, name)))
	}
	check(t, c.Flush())
	return s
}

// answer answers questions to a host.
func (s *stranger) answer(host string, answers ...[]byte) {
	s.t.Helper()
	_, err := s.Subscribe("ah.default.host."+host+".status", func(in *natsgo.Msg) {
		for _, a := range answers {
			if err := in.Respond(a); err != nil {
				s.t.Error(err)
			}
		}
	})
	check(s.t, err)
	check(s.t, s.Flush())
}

func packed(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}

// TestAnswersOfAttackers: answers that are no answers are discarded, and said of the host that gave
// them; those of others are as they were.
func TestAnswersOfAttackers(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b := join(t, url, "a"), join(t, url, "b")
	b.answers(`"b"`)
	good := func(host string) []byte {
		return packed(fmt.Appendf(nil, `{"version":1,"host":%q,"state":%q}`, host, host))
	}
	reasons := map[string]string{
		"garbage": "its answer cannot be read", "nojson": "its answer cannot be read", "empty": "its answer cannot be read", "bomb": "its answer has more than", "large": "its answer cannot be read",
		"liar": "in the name of another host, \"b\"", "later": "it answers in version 2", "none": "nothing takes the question",
	}
	names := []string{"many"}
	for name := range reasons {
		names = append(names, name)
	}
	z := newStranger(t, url, names...)
	z.answer("garbage", []byte("garbage"))
	z.answer("empty", nil)
	z.answer("nojson", packed([]byte("garbage")))
	z.answer("bomb", packed([]byte(`{"version":1,"host":"bomb","state":"`+strings.Repeat("x", 5<<20)+`"}`)))
	z.answer("large", make([]byte, 1<<20))
	z.answer("liar", good("b"))
	z.answer("later", packed([]byte(`{"version":2,"host":"later","state":1}`)))
	thousand := make([][]byte, 1000)
	for i := range thousand {
		thousand[i] = good("many")
	}
	z.answer("many", thousand...)
	a.says(t, "host seen", 2+len(reasons))
	for range 1000 { // nobody has asked
		check(t, z.Publish("ah.default.host.a.status."+rand.Text(), good("b")))
	}
	got := a.ask(t, patience)
	for name, reason := range reasons {
		wantNoAnswer(t, got[name], reason)
	}
	if len(got) != 2+len(reasons) || string(got["b"].Answer) != `"b"` || string(got["many"].Answer) != `"many"` {
		t.Errorf("got %+v", got)
	}
	for until := within(t); a.broker.Counters().Discarded < 1999+6; <-time.After(time.Millisecond) {
		if until.Err() != nil {
			t.Fatalf("%d are discarded, want those that nobody has asked for, and the bad ones", a.broker.Counters().Discarded)
		}
	}
	newStranger(t, url, "mute").answer("mute")
	a.says(t, "host seen", 3+len(reasons))
	again := a.ask(t, 2*time.Second)
	wantNoAnswer(t, again["mute"], "not answered in time")
	if string(again["b"].Answer) != `"b"` {
		t.Errorf("the next time got %+v", again["b"])
	}
}

// TestQuestionsOfAttackers: a question gets its answer at no other subject than that of a host, and
// not without end.
func TestQuestionsOfAttackers(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a := join(t, url, "a")
	a.answers(`"a"`)
	z := newStranger(t, url)
	all, err := z.SubscribeSync(">")
	check(t, err)
	bad := 0
	for _, q := range []struct{ reply, text string }{
		{"ah.default.hosts", `{"version":1,"host":"z"}`}, {"ah.default.to.a.echo", `{"version":1,"host":"z"}`}, {"ah.default.host.z.status.a.b", `{"version":1,"host":"z"}`},
		{"ah.default.host.y.status.ABC", `{"version":1,"host":"z"}`}, {"ah.default.host.z.out", `{"version":1,"host":"z"}`},
		{"ah.default.host.z.status.ABC", `{}`}, {"ah.default.host.z.status.ABC", ""}, {"ah.default.host.z.status.ABC", "\xff"}, {"ah.default.host.z.status.ABC", strings.Repeat(" ", 5000)},
		{"", `{"version":1,"host":"z"}`},
	} {
		check(t, z.PublishMsg(&natsgo.Msg{Subject: "ah.default.host.a.status", Reply: q.reply, Data: []byte(q.text)}))
		bad++
	}
	began := time.Now()
	for range 500 {
		check(t, z.PublishRequest("ah.default.host.a.status", "ah.default.host.z.status.ABC", []byte(`{"version":1,"host":"z"}`)))
	}
	check(t, z.Flush())
	answers := 0
	for until := within(t); a.broker.Counters().Discarded < uint64(bad+450-50*int(time.Since(began)/time.Second)); <-time.After(time.Millisecond) {
		if until.Err() != nil {
			t.Fatalf("%d are discarded", a.broker.Counters().Discarded)
		}
	}
	most := 50 * (2 + int(time.Since(began)/time.Second))
	for {
		in, err := all.NextMsg(100 * time.Millisecond)
		if err != nil {
			break
		}
		isQuestion := json.Valid(in.Data) || len(in.Data) < 2 || strings.HasPrefix(string(in.Data), " ")
		switch {
		case in.Subject == "ah.default.host.z.status.ABC":
			answers++
		case !isQuestion:
			t.Errorf("%s got %q", in.Subject, in.Data)
		}
	}
	if answers == 0 || answers > most {
		t.Errorf("%d answers, want %d at most", answers, most)
	}
}
