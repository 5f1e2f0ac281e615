package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/trackers/slab"
)

// joined is a broker that is in a cluster by its own account.
type joined struct {
	core.Broker
	tell    func(core.ClusterChange)
	answer  func(int) []byte
	status  core.ClusterStatus
	answers []core.HostAnswer
	hold    chan struct{} // Ask waits for it, if it is not nil
	asked   atomic.Int64
}

func (j *joined) Cluster() core.ClusterStatus            { return j.status }
func (j *joined) OnChange(tell func(core.ClusterChange)) { j.tell = tell }
func (j *joined) OnAsk(answer func(most int) []byte)     { j.answer = answer }
func (j *joined) Ask(ctx context.Context) []core.HostAnswer {
	if _, bounded := ctx.Deadline(); !bounded {
		panic("a question must end")
	}
	j.asked.Add(1)
	if j.hold != nil {
		<-j.hold
	}
	return j.answers
}

var (
	joinTime = time.Date(2026, 11, 29, 5, 51, 55, 0, time.UTC)
	self     = core.HostInfo{Name: "one", Labels: map[string]string{"zone": "a"}, Since: joinTime}
)

// inCluster makes the host of a server one of a cluster.
func inCluster(t testing.TB, j *joined) func(*admin.Config) {
	t.Helper()
	broker, err := inproc.New(inproc.Config{})
	check(t, err)
	tracker, err := slab.New(slab.Config{})
	check(t, err)
	engine, err := native.New(native.Config{})
	check(t, err)
	j.Broker = broker
	j.status = core.ClusterStatus{Name: "prod", Connected: true, Server: "nats://a", Since: joinTime, Reconnects: 2, Hosts: []core.HostInfo{self}}
	h, err := host.New(host.Config{Logger: discard}, j, tracker, engine)
	check(t, err)
	check(t, h.Start(t.Context()))
	t.Cleanup(func() { _ = h.Stop(context.Background()) })
	deploy(t, h)
	return func(c *admin.Config) { c.Host, c.Manager = h, nil }
}

// TestCluster: the answer has the host itself and all others, those too that have told nothing, or
// something that is no state.
func TestCluster(t *testing.T) {
	j := &joined{}
	info := func(name string) core.HostInfo { return core.HostInfo{Name: name, Since: joinTime} }
	state := `{"version":"v2","started":"2026-11-29T05:51:55Z","ready":true,"connected":"2026-11-29T05:51:55Z","total":7,"later":1,"drain":"draining","components":[{"id":"x/y","engine":"wazero","state":"running","health":"healthy","instances":2,"later":{}}]}`
	j.answers = []core.HostAnswer{
		{HostInfo: info("good"), Answer: []byte(state)},
		{HostInfo: info("silent"), Err: errors.New("it has not answered in time")},
		{HostInfo: info("garbage"), Answer: []byte(`{"components":{}}`)},
		{HostInfo: info("nonames"), Answer: []byte(`{"components":[{"id":"\u001b[2J"}]}`)},
		{HostInfo: info("bare"), Answer: []byte(`{"total":-5,"drain":"later"}`)},
	}
	joined := inCluster(t, j)
	s := serve(t, func(c *admin.Config) {
		joined(c)
		c.Manager = new(sharing) // the other host has a/far in its state
		c.Draining = func() string { return admin.HostDrained }
	})
	c, err := s.Cluster(t.Context())
	check(t, err)
	if c.Name != "prod" || !c.Connected || c.Server != "nats://a" || c.Reconnects != 2 || !c.Since.Equal(joinTime) || len(c.Hosts) != 6 {
		t.Fatalf("got %+v", c)
	}
	own := c.Hosts[0]
	if !own.Self || own.Name != "one" || own.Labels["zone"] != "a" || own.State == nil || own.State.Version != "v1" || own.State.Total != 1 || own.State.Components[0].ID != "a/b" || own.State.Reconnects != 2 || own.State.Drain != admin.HostDrained {
		t.Errorf("the host itself is %+v", own)
	}
	if h := c.Hosts[1]; h.Self || h.Error != "" || h.State.Version != "v2" || h.State.Total != 7 || len(h.State.Components) != 1 || h.State.Components[0].Instances != 2 || h.State.Drain != admin.HostDraining {
		t.Errorf("another one is %+v", h)
	}
	for i, reason := range []string{"it has not answered in time", "its answer cannot be read: json", "its answer cannot be read: "} {
		if h := c.Hosts[2+i]; h.State != nil || !strings.HasPrefix(h.Error, reason) {
			t.Errorf("got %+v, want the reason %s", h, reason)
		}
	}
	if h := c.Hosts[5]; h.State == nil || h.State.Total != 0 || h.State.Drain != "" || h.State.Components == nil {
		t.Errorf("got %+v", h)
	}
	if got := s.raw(t, "GET", "/v1/cluster", ""); !strings.HasPrefix(got, `200 {"name":"prod"`) || strings.Contains(got, "later") || strings.Count(got, `"drain":`) != 2 {
		t.Errorf("got %s", got)
	}
	whole, err := s.Client.Snapshot(t.Context())
	if check(t, err); whole.Cluster != "prod" {
		t.Errorf("the snapshot has the cluster %q", whole.Cluster)
	}
	_, err = serve(t, nil).Cluster(t.Context())
	failed(t, err, 501, admin.CodeNotSupported)
}

// TestClusterIsAskedOnce: clients that come while the hosts are being asked get the same answer, and
// more than a few are refused.
func TestClusterIsAskedOnce(t *testing.T) {
	j := &joined{hold: make(chan struct{})}
	s := serve(t, inCluster(t, j))
	const clients = 12
	ended := make(chan error, clients)
	for range clients {
		go func() { _, err := s.Cluster(context.Background()); ended <- err }()
	}
	for range clients - 4 {
		failed(t, <-ended, 429, admin.CodeTooMany)
	}
	close(j.hold)
	for range 4 {
		check(t, <-ended)
	}
	if n := j.asked.Load(); n != 1 {
		t.Errorf("the hosts were asked %d times, want once", n)
	}
	_, err := s.Cluster(t.Context())
	if check(t, err); j.asked.Load() != 2 {
		t.Error("a client that comes later gets an old answer")
	}
}

// TestClusterAnswer: what others are told has all components, or as many as there is room for, and no
// text of theirs.
func TestClusterAnswer(t *testing.T) {
	j := &joined{}
	s := serve(t, inCluster(t, j))
	check(t, s.Send(t.Context(), id, []byte("panic")))
	h := func() (h admin.HostState) { check(t, json.Unmarshal(j.answer(4<<20), &h)); return h }
	for h().Components[0].State != "failed" {
		<-time.After(time.Millisecond)
	}
	if text := string(j.answer(4 << 20)); strings.Contains(text, "asked to") {
		t.Errorf("the answer tells the last error: %s", text)
	}
	// Native components of one source.
	change := inCluster(t, j)
	var c admin.Config
	change(&c)
	for i := range 1000 {
		check(t, c.Host.Deploy(t.Context(), host.Deployment{
			ID:     core.MustComponentID(fmt.Sprintf("%s/component-%04d", strings.Repeat("n", 63), i)),
			Engine: native.Name, Source: native.Source(func() guest.Component { return component{} }),
		}))
	}
	c.Listen = ""
	unseen, err := admin.New(c)
	check(t, err)
	check(t, unseen.Start(t.Context()))
	whole := h()
	if text := j.answer(4 << 20); len(whole.Components) != 1001 || whole.Total != 1001 || len(text) > 1<<20 {
		t.Errorf("%d of %d components in %d bytes, which a message of NATS does not have", len(whole.Components), whole.Total, len(text))
	}
	for _, most := range []int{1 << 10, 10_000, 100_000} {
		text := j.answer(most)
		var cut admin.HostState
		check(t, json.Unmarshal(text, &cut))
		if len(text) > most || cut.Total != 1001 || len(cut.Components) < most/1000-1 || len(cut.Components) >= 1001 {
			t.Errorf("with room for %d bytes: %d bytes, %d of %d components", most, len(text), len(cut.Components), cut.Total)
		}
	}
	check(t, unseen.Stop(t.Context()))
	if j.answer != nil {
		t.Error("a server that has stopped answers")
	}
}

// TestEventsOfTheCluster: they are in the stream, with the host.
func TestEventsOfTheCluster(t *testing.T) {
	j := &joined{}
	s := serve(t, inCluster(t, j))
	other := core.HostInfo{Name: "two", Labels: map[string]string{"zone": "b"}}
	for _, c := range []core.ClusterChange{
		{Kind: core.ClusterConnected, Host: self, Server: "nats://a"}, {Kind: core.ClusterHostSeen, Host: other},
		{Kind: core.ClusterHostGone, Host: other, Reason: errors.New("it stops")}, {Kind: core.ClusterDisconnected, Host: self, Reason: errors.New("EOF")},
	} {
		j.tell(c)
	}
	got := entries(t, s.Events(t.Context(), admin.Stream{Last: -1}), func(e admin.Event) string {
		return strings.Join([]string{e.Kind, e.Component, e.Host, e.Labels["zone"], e.Reason}, " ")
	})
	want := "connected  one a |host-seen  two b |host-gone  two b it stops|disconnected  one a EOF"
	if text := strings.Join(got, "|"); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	_ = s.raw(t, "GET", "/v1/events", "")
	other.Labels = map[string]string{"x": strings.Repeat("x", 64<<10)}
	for range 200 {
		j.tell(core.ClusterChange{Kind: core.ClusterHostSeen, Host: other})
	}
	if n := len(entries(t, s.Events(t.Context(), admin.Stream{Last: -1}), func(admin.Event) string { return "" })); n > 64 {
		t.Errorf("%d events with large labels are kept, want 4 MiB at most", n)
	}
	if got := entries(t, s.Events(t.Context(), admin.Stream{Last: -1, Component: id}), func(e admin.Event) string { return e.Kind }); len(got) != 0 {
		t.Errorf("of a component got %v", got)
	}
}
