package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/natstest"
)

// fakeCluster is a cluster of six hosts, two of which write what a terminal would obey.
func fakeCluster() *admin.Cluster {
	state := func(of admin.HostState) *admin.HostState { return &of }
	return &admin.Cluster{
		Name: "prod", Connected: true, Server: "nats://10.0.0.1:4222", Since: fakeTime, Reconnects: 2,
		Hosts: []admin.ClusterHost{
			{Name: "b", Self: true, Labels: map[string]string{"zone": "b", "disk": "ssd"}, Since: fakeTime, State: state(admin.HostState{Version: "v0.3.0", Ready: true})},
			{Name: "a", Since: fakeTime, State: state(admin.HostState{Version: "v0.4.0", Ready: true, Total: 1002, Components: []admin.ClusterComponent{
				{ID: "shop/stock", Engine: "wazero", State: "running", Health: "healthy", Instances: 4, Waiting: 12, Durable: true, Stored: 7, Rate: 1234.5, Memory: 12_900_000, Handled: 1_000_000, Errors: 1, Restarts: 2},
				{ID: "shop/\x1b[2J", Engine: "\x1b", State: "failed", Required: true},
			}})},
			{Name: "c", Since: fakeTime, State: state(admin.HostState{Version: "v0.4.0", Drain: admin.HostDraining})},
			{Name: "c2", Since: fakeTime, State: state(admin.HostState{Version: "v0.4.0", Ready: true, Drain: admin.HostDrained})},
			{Name: "d", Since: fakeTime, Labels: map[string]string{"zone": "a"}, Error: "it has not answered in time"},
			{Name: "\x1b", Since: fakeTime, Error: "its answer cannot be read: \x1b" + strings.Repeat("x", 200)},
		},
	}
}

// TestPsOfALostConnection: the host that answers says that it is disconnected.
func TestPsOfALostConnection(t *testing.T) {
	f := newFakeHost(t)
	f.cluster = fakeCluster()
	f.cluster.Connected, f.cluster.Hosts = false, f.cluster.Hosts[:1]
	got := runArgs("ps", "--cluster", f.file)
	if !strings.HasPrefix(got.stdout, "cluster prod: disconnected from nats://10.0.0.1:4222 since ") || !strings.Contains(got.stdout, "disconnected           0\n") || strings.Contains(got.stdout, "COMPONENT  ") {
		t.Errorf("got %+v", got)
	}
}

// TestReadyWithoutAConnection: a host that has lost its connection is ready, and its components
// message each other as before. The loss is an event.
func TestReadyWithoutAConnection(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	n := natstest.Serve(t, &server.Options{})
	s := serveFile(t, shop(t, fmt.Sprintf("nats://127.0.0.1:%d", n.Addr().(*net.TCPAddr).Port), ""))
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, cancel := s.Subscribe(100)
	defer cancel()
	n.Shutdown()
	for e := range events {
		if e.Kind == host.EventDisconnected {
			break
		}
	}
	if err := s.Ready(); err != nil {
		t.Errorf("it is not ready: %v", err)
	}
	if answer, err := s.Request(t.Context(), core.MustComponentID("shop/audit"), []byte("x")); string(answer) != "x" {
		t.Errorf("got %q, %v", answer, err)
	}
	if err := s.Send(core.MustComponentID("far/audit"), nil); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("to another host: %v", err)
	}
}

// TestClusterOfTwoHosts: a host shows the components of another one, which tells its state with
// admin: off too. Both have no more than their permissions.
func TestClusterOfTwoHosts(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	n := natstest.Serve(t, &server.Options{Users: []*server.User{userOf(t, shop(t, "nats://a", ""), "shop"), userOf(t, far(t, "nats://a"), "far")}})
	url := func(name string) string { return "nats://" + name + ":open-sesame@" + n.Addr().String() }
	text, err := os.ReadFile(shop(t, url("shop"), ""))
	if err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "shop.yaml", strings.Replace(string(text), `admin: "off", `, "", 1))
	other := airhost(t, "run", far(t, url("far")))
	up := make(chan struct{})
	other.when(running, func() { close(up) })
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	<-up
	one := airhost(t, "run", file)
	one.when(running, func() {})
	one.when(`msg="host seen" host=far-1`, func() {
		got := runArgs("ps", "--cluster", file)
		for _, want := range []string{"cluster prod.eu: connected to nats://127.0.0.1:", "shop-1 (this host)  -  ", "far-1               zone=b", "connected           2\n", "far-1   far/audit    native  running", "shop-1  shop/orders  native  running"} {
			if !strings.Contains(got.stdout, want) || got.code != exitDone {
				t.Errorf("%q is not in %s%s", want, got.stdout, got.stderr)
			}
		}
		if got := runArgs("events", file); !strings.Contains(got.stdout, "host-seen     host far-1\n") {
			t.Errorf("the events are %s%s", got.stdout, got.stderr)
		}
		one.send(syscall.SIGTERM)()
		other.send(syscall.SIGTERM)()
	})
	one.ends(exitDone)
	one.lacks("sesame", "NATS refused")
	if err := other.Wait(); err != nil {
		t.Error(err)
	}
	other.lacks("sesame", "NATS refused", "admin API listens")
}
