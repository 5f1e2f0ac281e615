package nemesis

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ticks is how often a second each sender of a host sends to all hosts.
const ticks = 50

// number reads a number from the environment.
func number(t testing.TB, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: want a number: %v", variable, err)
	}
	return n
}

// TestNemesis: in every round something else goes wrong under load, is mended, and no promise is
// broken. AIRHOST_NEMESIS has the number of rounds, AIRHOST_NEMESIS_SEED the seed of an earlier
// run, AIRHOST_NEMESIS_FAULTS the kinds of faults if not all, divided by commas.
// AIRHOST_NEMESIS_NETWORK=proxies makes do without rights.
func TestNemesis(t *testing.T) {
	rounds := uint64(len(kinds)) // each kind once; TestDurableNemesis has two more
	if testing.Short() {
		rounds = 3
	}
	playAll(t, int(number(t, "AIRHOST_NEMESIS", rounds)), sortedNames(), options{})
}

// TestDurableNemesis is TestNemesis with durable mailboxes, and the faults that matter to these. Its
// rounds take longer, since an election of Raft takes several seconds. AIRHOST_NEMESIS_DURABLE has
// their number.
func TestDurableNemesis(t *testing.T) {
	if testing.Short() {
		t.Skip("its rounds are long")
	}
	names := []string{"kill -9 a host", "kill -9 all servers", "empty store", "full disk", "host <- servers", "server | all servers"}
	playAll(t, int(number(t, "AIRHOST_NEMESIS_DURABLE", 2)), names, options{Durable: true})
}

// playAll plays rounds of some kinds of faults.
func playAll(t *testing.T, rounds int, names []string, o options) {
	if only := os.Getenv("AIRHOST_NEMESIS_FAULTS"); only != "" {
		names = strings.Split(only, ",")
	}
	seed := number(t, "AIRHOST_NEMESIS_SEED", rand.Uint64N(1_000_000))
	t.Logf("seed %d: AIRHOST_NEMESIS_SEED=%d makes the same rounds", seed, seed)
	c := newCluster(t, seed, o)
	sum := newTable()
	defer func() { t.Logf("%s\nseed %d\n%v%d violations", c.kind, seed, sum, len(c.history.violations)) }()
	for _, r := range scheduleOf(seed, rounds, names) {
		began := time.Now()
		n := c.play(r)
		line := fmt.Sprintf("round %d: %v for %v: %v, %.1f s", r.number, r, r.time.Round(time.Millisecond), n, time.Since(began).Seconds())
		fmt.Println(line)
		sum.add(r, n, time.Since(began))
		if len(c.history.violations) > 0 {
			t.Fatalf("seed %d, %s\n  %s", seed, line, strings.Join(c.history.violations, "\n  "))
		}
	}
}

// play plays a round, and returns its counts. Violations are in the history.
func (c *cluster) play(r round) counts {
	c.t.Helper()
	c.load(ticks)
	c.awaitLocal(hostNames, 5)
	var hit []string
	began := time.Now()
	for i, f := range r.faults {
		<-time.After(time.Duration(i) * r.time / 3)
		f.apply(c)
		hit = append(hit, f.hits...)
	}
	<-time.After(time.Until(began.Add(r.time)))
	c.awaitLocal(slices.DeleteFunc(slices.Clone(hostNames), func(name string) bool { return slices.Contains(hit, name) }), 5)
	c.heal()
	c.load(ticks)
	c.awaitHealed()
	return c.finish()
}

// finish ends the load, waits until nothing is under way, and checks.
func (c *cluster) finish() counts {
	c.t.Helper()
	c.load(0)
	if !c.awaitQuiet() {
		return c.history.counts
	}
	c.readJournals()
	n := c.history.settle()
	if len(c.history.violations) > 0 {
		return n
	}
	c.checkCalm()
	for _, p := range c.hosts() {
		c.checkGrowth(p)
	}
	return n
}

// checkCalm checks that all has healed: without faults nothing is refused, nothing is a dead
// letter, and each request is answered. A busy machine may be taken for a fault, some times.
func (c *cluster) checkCalm() {
	c.t.Helper()
	var all []string
	for range 6 {
		for _, p := range c.hosts() {
			var failure string
			if must(c.t, p.ask(command{Do: "calm", Load: 10}, &failure)); failure != "" {
				c.t.Fatalf("%s: %s", p.run, failure)
			}
		}
		if c.awaitQuiet(); len(c.history.violations) > 0 {
			return
		}
		c.readJournals()
		n := c.history.settle()
		if n.refused+n.dead+len(n.lost) == 0 && n.messages > 0 && n.outcomes["answered"] == n.requests && n.requests > 0 {
			return
		}
		all = append(all, fmt.Sprint(n, n.lost))
		c.awaitHealed()
	}
	c.history.violation("it has not healed: %s", strings.Join(all, "; "))
}

// awaitLocal waits until the hosts have handled some of their own messages: also while others, or
// the ways to them, have faults.
func (c *cluster) awaitLocal(names []string, messages int64) {
	c.t.Helper()
	for _, name := range names {
		p := c.all[name]
		first := c.stat(p, "stat").Local
		c.await("a host goes on with its own messages", func() (bool, string) {
			n := c.stat(p, "stat").Local - first
			return n >= messages, fmt.Sprintf("%s has handled %d, want %d", p.run, n, messages)
		})
	}
}

// remoteTargets is how many components a host messages over the bus: its own durable
// mailbox too, or those with place: any.
var remoteTargets = 9 + len(placedNames)

// checkGrowth compares a host with how it was after its first round: nothing has ended or was
// restarted, and nothing is kept of what is over. A host is its own peer, and the origin of requests to
// itself, for a while after it has sent to a component that came to it meanwhile.
func (c *cluster) checkGrowth(p *process) {
	c.t.Helper()
	s := c.stat(p, "collect")
	switch h := s.Held; {
	case s.Restarts+s.Traps > 0:
		c.history.violation("%s: %d instances ended and %d were restarted", p.run, s.Traps, s.Restarts)
	case s.LostDead > 0:
		c.t.Fatalf("%s has forgotten %d dead letters before they were read: lower the load", p.run, s.LostDead)
	case h.UnderWay+h.Frames+h.Outcomes > 0:
		c.history.violation("%s: nothing is under way, and its broker holds %+v", p.run, h)
	case h.Routes > remoteTargets || h.Peers > 3 || h.Origins > 3 || h.Expected > 2*2048 || h.Early > 2*(1<<16):
		c.history.violation("%s: its broker holds %+v", p.run, h)
	}
	if p.base == nil {
		p.base = &s
		return
	}
	// Reconnecting makes some goroutines and files more or fewer for a while.
	grown := func(what string, now, before, slack int) {
		if now > before+slack {
			c.history.violation("%s: %d %s, after its first round %d", p.run, now, what, before)
		}
	}
	grown("goroutines", s.Goroutines, p.base.Goroutines, 30)
	grown("open files", s.Files, p.base.Files, 10)
	grown("MiB of memory", int(s.Heap>>20), int(p.base.Heap>>20), 64)
}

// String lists the counts.
func (n counts) String() string {
	var outcomes []string
	for _, reason := range slices.Sorted(maps.Keys(n.outcomes)) {
		outcomes = append(outcomes, fmt.Sprintf("%s %d", reason, n.outcomes[reason]))
	}
	return fmt.Sprintf("%d messages, %d refused, %d dead letters, %d lost with their host, %d requests (%s), %d publications, %d heard, %d durable, %d dead letters, %d again, %d placed, %d starts, %d moves, %d late, %d behind, answers after %.2f s",
		n.messages, n.refused, n.dead, n.missing, n.requests, strings.Join(outcomes, ", "), n.published, n.heard, n.posted, n.unmailed, n.again,
		n.placed, n.starts, n.moves, n.late, n.behind, n.answers.Seconds())
}

// table sums up rounds by the kinds of their faults.
type table struct {
	rows map[string]*row
	all  row
}

type row struct {
	rounds int
	counts
	time time.Duration
}

func newTable() *table { return &table{rows: map[string]*row{}} }

func (s *table) add(r round, n counts, d time.Duration) {
	s.all.add(n, d)
	for _, kind := range slices.Compact(slices.Sorted(slices.Values(r.kinds))) {
		if s.rows[kind] == nil {
			s.rows[kind] = &row{}
		}
		s.rows[kind].add(n, d)
	}
}

func (w *row) add(n counts, d time.Duration) {
	w.rounds++
	w.messages += n.messages
	w.refused += n.refused
	w.requests += n.requests
	w.dead += n.dead
	w.missing += n.missing
	w.published += n.published
	w.posted += n.posted
	w.again += n.again
	w.placed += n.placed
	w.starts += n.starts
	w.moves += n.moves
	w.late += n.late
	w.behind += n.behind
	w.answers = max(w.answers, n.answers)
	w.time += d
	if w.outcomes == nil {
		w.outcomes = map[string]int{}
	}
	for reason, times := range n.outcomes {
		w.outcomes[reason] += times
	}
}

// String writes the table as docs/clusters.md has it.
func (s *table) String() string {
	var text strings.Builder
	text.WriteString("| fault | rounds | messages | refused | dead letters | lost with their host | requests | answered | timeout | unavailable | target-not-found | publications | durable | again |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	line := func(name string, w *row) {
		fmt.Fprintf(&text, "| %s | %d | %d | %d | %d | %d | %d |", name, w.rounds, w.messages, w.refused, w.dead, w.missing, w.requests)
		for _, reason := range reasons {
			fmt.Fprintf(&text, " %d |", w.outcomes[reason])
		}
		fmt.Fprintf(&text, " %d | %d | %d |\n", w.published, w.posted, w.again)
	}
	for _, name := range slices.SortedFunc(maps.Keys(s.rows), func(a, b string) int { return cmp.Compare(a, b) }) {
		line(strings.ReplaceAll(name, "|", "\\|"), s.rows[name])
	}
	line("all", &s.all)
	fmt.Fprintf(&text, "place: any: %d messages, %d of them after the end of the claim, %d of these when the next one was valid, %d starts, %d of them by moves, answers after %v at most\n", s.all.placed, s.all.late, s.all.behind, s.all.starts, s.all.moves, s.all.answers.Round(time.Millisecond))
	fmt.Fprintf(&text, "%v\n", s.all.time.Round(time.Second))
	return text.String()
}
