package nemesis

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBusLost: for a minute there is no server, or no way to one. Meanwhile local messages go on
// and others are refused with unavailable; pending requests to other hosts end with that, or in
// time; no host and no component is restarted. Afterwards all heals. AIRHOST_NEMESIS_BUS has the
// seconds, by default 5.
func TestBusLost(t *testing.T) {
	seconds := uint64(5)
	if testing.Short() {
		seconds = 3
	}
	seconds = number(t, "AIRHOST_NEMESIS_BUS", seconds)
	for name, lose := range map[string]fault{
		"servers killed": killServers(serverNames...),
		"all ways cut":   cutAll(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loseBus(t, lose, time.Duration(seconds)*time.Second)
		})
	}
}

func cutAll() fault {
	return fault{name: "all ways cut", apply: func(c *cluster) {
		for _, name := range hostNames {
			cut(name, serverNames, true, true).apply(c)
		}
	}}
}

func loseBus(t *testing.T, lose fault, lost time.Duration) {
	c := newCluster(t, 1, options{})
	for _, p := range c.hosts() {
		c.checkGrowth(p)
	}
	before := maps.Clone(c.all)
	c.load(ticks)
	c.awaitLocal(hostNames, 5)
	lose.apply(c)
	for over := time.Now().Add(lost); time.Now().Before(over); {
		c.awaitLocal(hostNames, 5)
	}
	c.load(0)
	c.awaitQuiet() // though there is no bus
	c.readJournals()
	n := c.history.settle()
	t.Logf("without the bus for %v: %v", lost, n)
	for reason := range n.outcomes { // a server that ends after another one says that nobody has the target
		if !slices.Contains([]string{"answered", "timeout", "unavailable", "target-not-found"}, reason) {
			t.Errorf("%d requests ended with %s", n.outcomes[reason], reason)
		}
	}
	for reason := range n.refusals {
		if !slices.Contains([]string{"unavailable", "queue-full"}, reason) {
			t.Errorf("%d messages were refused with %s", n.refusals[reason], reason)
		}
	}
	if len(n.refusals) == 0 || n.outcomes["answered"] == 0 { // it takes a while until a connection is known to be lost
		t.Errorf("none was refused, or answered within a host: %v, %v", n.refusals, n)
	}
	c.heal()
	c.awaitHealed()
	c.load(ticks)
	c.awaitLocal(hostNames, 5)
	t.Logf("with the bus again: %v", c.finish())
	for _, name := range hostNames {
		if c.all[name] != before[name] || !c.all[name].alive() {
			t.Errorf("%s was restarted", name)
		}
	}
	if len(c.history.violations) > 0 {
		t.Errorf("violations:\n  %s", strings.Join(c.history.violations, "\n  "))
	}
}

// TestBrokenBrokers: a broker with a fault is found within a few rounds, for the reason that it has.
func TestBrokenBrokers(t *testing.T) {
	for how, want := range brokenWays {
		t.Run(how, func(t *testing.T) {
			if how != "duplicate" && (testing.Short() || how != "lose" && os.Getenv("AIRHOST_NEMESIS") == "") {
				t.Skip("AIRHOST_NEMESIS plays all")
			}
			c := newCluster(t, 1, options{Break: how})
			c.quiet = 8 * time.Second
			for _, r := range schedule(1, 5) {
				r.faults, r.time = nil, lease // no others are to blame
				if how == ignoreLease {
					c.await("a host has components to lose", func() (bool, string) {
						return len(c.stat(c.all[hostNames[1]], "stat").Placed) > 0, "it has none"
					})
					r.faults, r.time = []fault{freeze(hostNames[1], 0)}, 2*lease
				}
				n := c.play(r)
				if found := c.history.violations; len(found) > 0 {
					t.Logf("round %d: %.300s; %v", r.number, found[0], n)
					if !slices.ContainsFunc(found, func(v string) bool { return strings.Contains(v, want) }) {
						t.Errorf("found %.1000q, want one with %q", found, want)
					}
					return
				}
			}
			t.Error("not found")
		})
	}
}
