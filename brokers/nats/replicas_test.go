package nats_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/internal/natstest"
)

// leasesOf opens a host's directory, and returns its error, or the replicas of the leases and the host's log.
func leasesOf(t testing.TB, s *server.Server, config nats.Config) (replicas int, log string, err error) {
	t.Helper()
	text := new(hosttest.Log)
	config.URL, config.Host, config.Logger = s.ClientURL(), "a", slog.New(slog.NewTextHandler(text, nil))
	b, err := nats.New(config)
	check(t, err)
	check(t, b.Open(within(t), nobody{}))
	defer func() { check(t, b.Close(within(t))) }()
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	err = b.Directory().Watch(ctx, func(string, []byte, uint64) { cancel() })
	if err != nil {
		return 0, text.String(), err
	}
	stream, err := js(t, s).Stream(within(t), "KV_ah_"+config.Cluster+"_leases")
	check(t, err)
	return stream.CachedInfo().Config.Replicas, text.String(), nil
}

// probed returns the warnings of a check of a host with leases and durable mailboxes.
func probed(t testing.TB, config nats.Config) string {
	t.Helper()
	found, err := nats.Probe(within(t), config, nats.NewPermissions(config.Cluster, "a", nil, nil).WithPlacement(config.Cluster, "a"))
	check(t, err)
	mail, err := nats.ProbeMail(within(t), config)
	check(t, err)
	return strings.TrimSpace(strings.Join(found.Warnings, "; ") + "\n" + mail)
}

// TestReplicasOfLeases: three servers of a cluster keep the leases, or as many as the configuration says; a check
// warns if fewer than three keep leases or mailboxes.
func TestReplicasOfLeases(t *testing.T) {
	servers := natstest.Cluster(t, "three", 3)
	url := servers[0].ClientURL()
	const (
		leases = "the stream KV_ah_CLUSTER_leases has 1 of 3 replicas that the NATS cluster three could have, so that components with place: any stop while its server is away: "
		mail   = "the stream ah_CLUSTER_mail has 1 of 3 replicas that the NATS cluster three could have, so that durable mailboxes stand still while its server is away, and are lost with its disk: "
		set    = "set host.nats.replicas to 3"
		edit   = "call nats stream edit KV_ah_CLUSTER_leases --replicas 3"
	)
	for _, c := range []struct {
		cluster       string
		replicas      int
		made          int
		before, after string // the warnings before and after the host was there
	}{
		{"none", 0, 3, mail + set, mail + set},
		{"one", 1, 1, leases + set + "\n" + mail + set, leases + set + ", and " + edit + "\n" + mail + set},
		{"three", 3, 3, "", ""},
	} {
		config := nats.Config{URL: url, Cluster: c.cluster, Replicas: c.replicas, Lease: nats.MinLease}
		fits := func(when, want string) {
			t.Helper()
			if got, want := probed(t, config), strings.ReplaceAll(want, "CLUSTER", c.cluster); got != want {
				t.Errorf("%s, %s: the check warns of\n%s\nwant\n%s", c.cluster, when, got, want)
			}
		}
		fits("before", c.before)
		got, log, err := leasesOf(t, servers[0], config)
		if got != c.made || err != nil || strings.Contains(log, "too few") {
			t.Errorf("%s: %d replicas, want %d; %v, %s", c.cluster, got, c.made, err, log)
		}
		fits("afterwards", c.after)
	}
	// Leases with one replica are used by hosts that want more.
	for _, replicas := range []int{0, 3} {
		config := nats.Config{URL: url, Cluster: "one", Replicas: replicas, Lease: nats.MinLease}
		got, log, err := leasesOf(t, servers[0], config)
		if want := `too few NATS servers keep the leases of the cluster`; got != 1 || err != nil || !strings.Contains(log, want) || !strings.Contains(log, `want=3 advice="nats stream edit KV_ah_one_leases --replicas 3"`) {
			t.Errorf("%d: %d replicas, %v, %s", replicas, got, err, log)
		}
		if got, want := probed(t, config), strings.ReplaceAll(leases+edit, "CLUSTER", "one"); !strings.HasPrefix(got, want) {
			t.Errorf("%d: the check warns of\n%s\nwant\n%s", replicas, got, want)
		}
	}
	goesOn(t, servers[0].ClientURL(), func() {
		stream, err := js(t, servers[0]).Stream(within(t), "KV_ah_none_leases")
		check(t, err)
		leader := stream.CachedInfo().Cluster.Leader
		i := slices.IndexFunc(servers, func(s *server.Server) bool { return s.Name() == leader })
		servers[max(1, i)].Shutdown() // the host is at the first one
	})
}

// goesOn checks that the leases of the cluster none can be written while a server is away.
func goesOn(t testing.TB, url string, shutDown func()) {
	t.Helper()
	a := joinTo(t, nats.Config{URL: url, Cluster: "none", Host: "a", Lease: patience})
	told, _ := watch(t, a.broker.Directory())
	for following(t, told) != (value{}) {
	}
	shutDown()
	for until := within(t); ; {
		ctx, cancel := context.WithTimeout(until, time.Second)
		_, won, err := a.broker.Directory().Update(ctx, "host.a", nil, 0)
		cancel()
		if err == nil && won {
			return
		}
		if until.Err() != nil {
			t.Fatalf("without one of three servers the leases cannot be written: %v, %v", won, err)
		}
	}
}

// TestTooFewServers: one server keeps the leases if there are not three, and a number that the servers
// do not have is refused.
func TestTooFewServers(t *testing.T) {
	for name, c := range map[string]struct {
		server  *server.Server
		warns   bool
		refusal string
	}{
		"one":       {serve(t, withJetStream(t)), false, "replicas > 1 not supported in non-clustered mode"},
		"of a pair": {natstest.Cluster(t, "pair", 2)[0], true, "no suitable peers for placement"},
	} {
		config := nats.Config{URL: c.server.ClientURL(), Cluster: "c", Lease: nats.MinLease}
		if got, log, err := leasesOf(t, c.server, config); got != 1 || err != nil || strings.Contains(log, "too few") != c.warns {
			t.Errorf("%s: %d replicas, %v, %s", name, got, err, log)
		}
		if got := probed(t, config); (got != "") != c.warns {
			t.Errorf("%s: the check warns of %q", name, got)
		}
		config.Cluster, config.Replicas = "d", 3
		if _, _, err := leasesOf(t, c.server, config); err == nil || !strings.Contains(err.Error(), c.refusal) || !strings.Contains(err.Error(), "; host.nats.replicas is how many servers") {
			t.Errorf("%s: leases on three servers: %v", name, err)
		}
	}
}
