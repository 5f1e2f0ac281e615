package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// fault is one thing that goes wrong in a round. cluster.heal ends it.
type fault struct {
	name  string
	hits  []string // hosts that may not go on with their own messages
	apply func(c *cluster)
}

// kinds make the faults, by name.
var kinds = map[string]func(r *rand.Rand) fault{
	"kill -9 a host":          killHost,
	"kill -9 a server":        func(r *rand.Rand) fault { return killServers(pick(r, serverNames)) },
	"kill -9 all servers":     func(*rand.Rand) fault { return killServers(serverNames...) },
	"SIGSTOP a host, short":   func(r *rand.Rand) fault { return freeze(pick(r, hostNames), lease/2) },
	"SIGSTOP a host, long":    func(r *rand.Rand) fault { return freeze(pick(r, hostNames), 0) },
	"SIGSTOP a server, short": func(r *rand.Rand) fault { return freeze(pick(r, serverNames), lease/2) },
	"SIGSTOP a server, long":  func(r *rand.Rand) fault { return freeze(pick(r, serverNames), 0) },
	"host | servers":          func(r *rand.Rand) fault { h := pick(r, hostNames); return cut(h, serverNames, true, true) },
	"host -> servers":         func(r *rand.Rand) fault { h := pick(r, hostNames); return cut(h, serverNames, true, false) },
	"host <- servers":         func(r *rand.Rand) fault { h := pick(r, hostNames); return cut(h, serverNames, false, true) },
	"hosts | server":          func(r *rand.Rand) fault { return cut(pick(r, serverNames), hostNames, true, true) },
	"server | server":         func(r *rand.Rand) fault { s := pickTwo(r); return cut(s[0], s[1:], true, true) },
	"server -> server":        func(r *rand.Rand) fault { s := pickTwo(r); return cut(s[0], s[1:], true, false) },
	"server | all servers":    func(r *rand.Rand) fault { return cut(pick(r, serverNames), serverNames, true, true) },
	"delay and jitter":        slow,
	"loss":                    lossy,
	"full disk":               fullDisk,
	"empty store":             emptyStore,
}

func pick(r *rand.Rand, names []string) string { return names[r.IntN(len(names))] }

func pickTwo(r *rand.Rand) []string {
	two := slices.Clone(serverNames)
	r.Shuffle(len(two), func(i, j int) { two[i], two[j] = two[j], two[i] })
	return two[:2]
}

func killHost(r *rand.Rand) fault {
	name := pick(r, hostNames)
	return fault{name: "kill -9 " + name, hits: []string{name}, apply: func(c *cluster) { c.kill(name) }}
}

func killServers(names ...string) fault {
	return fault{name: "kill -9 " + strings.Join(names, " "), apply: func(c *cluster) {
		for _, name := range names {
			c.kill(name)
		}
	}}
}

// freeze stops a process for some time, or until the faults of the round end.
func freeze(name string, d time.Duration) fault {
	text := "SIGSTOP " + name
	if d > 0 {
		text += fmt.Sprintf(" for %v", d)
	}
	return fault{name: text, hits: []string{name}, apply: func(c *cluster) {
		p := c.all[name]
		if !p.alive() {
			return
		}
		must(c.t, p.freeze())
		if d > 0 {
			<-time.After(d)
			must(c.t, p.thaw())
		}
	}}
}

// cut cuts the ways from one to others, those back, or both.
func cut(one string, others []string, there, back bool) fault {
	arrow := map[[2]bool]string{{true, true}: "|", {true, false}: "->", {false, true}: "<-"}[[2]bool{there, back}]
	return fault{name: fmt.Sprintf("%s %s %s", one, arrow, strings.Join(others, " ")), apply: func(c *cluster) {
		for _, other := range others {
			if there {
				c.network.set(one, other, link{cut: true})
			}
			if back {
				c.network.set(other, one, link{cut: true})
			}
		}
	}}
}

// slow and lossy make all ways to and from one process bad.
func slow(r *rand.Rand) fault {
	l := link{delay: time.Duration(5+r.IntN(100)) * time.Millisecond}
	l.jitter = l.delay / 2
	return bad(pick(r, slices.Concat(serverNames, hostNames)), l)
}

func lossy(r *rand.Rand) fault {
	return bad(pick(r, slices.Concat(serverNames, hostNames)), link{loss: 0.05 + 0.25*r.Float64()})
}

func bad(name string, l link) fault {
	return fault{name: fmt.Sprintf("%s: %v", name, l), apply: func(c *cluster) {
		for _, other := range slices.Concat(serverNames, hostNames) {
			c.network.set(name, other, l)
			c.network.set(other, name, l)
		}
	}}
}

func fullDisk(r *rand.Rand) fault {
	name := pick(r, serverNames)
	return fault{name: name + " has a full disk", apply: func(c *cluster) {
		if !c.fill(name) {
			c.t.Log("no full disk: the servers have none of their own in this network")
		}
	}}
}

func emptyStore(r *rand.Rand) fault {
	name := pick(r, serverNames)
	return fault{name: "kill -9 " + name + ", its store is empty", apply: func(c *cluster) {
		c.kill(name)
		c.empty(name)
	}}
}

// round is one round of a schedule.
type round struct {
	number int
	kinds  []string
	faults []fault
	time   time.Duration // from the first fault to the end of all
}

// schedule makes the rounds of a seed. Each kind is in the first rounds once; some have two faults.
func schedule(seed uint64, rounds int) []round { return scheduleOf(seed, rounds, sortedNames()) }

// scheduleOf is schedule with some kinds of faults alone.
func scheduleOf(seed uint64, rounds int, names []string) []round {
	r := rand.New(rand.NewPCG(seed, 0))
	var all []round
	var order []string
	for number := range rounds {
		if len(order) == 0 {
			order = slices.Clone(names)
			r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		one := round{number: number + 1, kinds: order[:1:1], time: lease + time.Duration(r.Int64N(int64(lease)))}
		order = order[1:]
		if r.IntN(5) < 2 {
			one.kinds = append(one.kinds, names[r.IntN(len(names))])
		}
		if len(one.kinds) > 1 && slices.ContainsFunc(one.kinds, losesStore) && !slices.ContainsFunc(one.kinds, hitsHostsOnly) {
			one.kinds = one.kinds[:1]
		}
		for _, kind := range one.kinds {
			one.faults = append(one.faults, kinds[kind](r))
		}
		all = append(all, one)
	}
	return all
}

// losesStore reports whether a fault takes away the store of a server. Others may have to keep it
// alone then: no fault of another server may come along, since three replicas bear one loss.
func losesStore(kind string) bool { return kind == "empty store" || kind == "full disk" }

func hitsHostsOnly(kind string) bool {
	return strings.HasSuffix(kind, "a host") || strings.Contains(kind, "a host,") || strings.HasPrefix(kind, "host ")
}

func sortedNames() (names []string) {
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (r round) String() string {
	var names []string
	for _, f := range r.faults {
		names = append(names, f.name)
	}
	return strings.Join(names, " + ")
}

// TestSchedule: the rounds come from the seed alone, and 20 of them have all kinds.
func TestSchedule(t *testing.T) {
	for seed := range uint64(20) {
		used := map[string]bool{}
		again := schedule(seed, 20)
		for i, r := range schedule(seed, 20) {
			for _, kind := range r.kinds {
				used[kind] = true
			}
			if r.String() != again[i].String() || r.time != again[i].time {
				t.Errorf("round %d of seed %d is %v, and then %v", i, seed, r, again[i])
			}
		}
		if len(used) != len(kinds) {
			t.Errorf("seed %d has %d kinds in 20 rounds, want %d", seed, len(used), len(kinds))
		}
	}
}
