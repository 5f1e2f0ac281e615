package nemesis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// answerTime is how long a component with "place: any" may not answer when the faults are
// mended: the lease and a second, as docs/clusters.md has it, and 15 s since the machine
// may be busy, and the servers may elect other leaders once more.
const answerTime = lease + time.Second + 15*time.Second

// awaitPlaced waits until each component with "place: any" answers all hosts, and one host
// runs it. It is a violation that this takes longer than most.
func (c *cluster) awaitPlaced(most time.Duration) {
	c.t.Helper()
	began, last := time.Now(), ""
	within := func(is func() (bool, string)) bool {
		ok, state := try(most-time.Since(began), func() (bool, string) {
			ok, state := is()
			if !ok {
				last = fmt.Sprintf("after %v %s", time.Since(began).Round(time.Millisecond), state)
			}
			return ok, state
		})
		if !ok {
			c.history.violation("place: any: not within %v after the faults were mended: %s", most, state)
		}
		return ok
	}
	for _, p := range c.hosts() {
		for _, target := range placedNames {
			if !within(func() (bool, string) {
				var failure string
				must(c.t, p.ask(command{Do: "probe", Target: target}, &failure))
				return failure == "", fmt.Sprintf("%s asks %s: %s", p.run, target, failure)
			}) {
				return
			}
		}
	}
	c.history.counts.answers = max(c.history.counts.answers, time.Since(began))
	if time.Since(began) > lease+time.Second {
		c.t.Logf("place: any: answers after %v: %s", time.Since(began), last)
	}
	within(func() (bool, string) {
		runs := map[string][]string{}
		for _, p := range c.hosts() {
			for _, name := range c.stat(p, "stat").Placed {
				runs[name] = append(runs[name], p.run)
			}
		}
		for _, name := range placedNames {
			if len(runs[name]) != 1 {
				return false, fmt.Sprintf("%s runs on %q", name, runs[name])
			}
		}
		return true, ""
	})
}

// checkPlacement is the checker of components with "place: any": no two hosts have a valid
// claim of one at the same time, and none runs under the claim of another one. The messages
// of a sender stay in order under one claim, and when the component moves. One that is
// handled after the end of the claim, when the host has not stopped the component yet, is
// counted: once all is mended there is none.
type checkPlacement struct {
	tenures map[string]map[int]*tenure    // by component and fence
	orders  map[[2]string]map[int]*series // by sender and component, and fence
	late    []record                      // messages that were handled after the end of a claim, since settle
}

// tenure is what a host does with a component under one claim.
type tenure struct {
	run          string
	starts, ends int
	moved        bool  // it came from another host with its messages
	first, last  int64 // the claim was valid before the one, and after the other; 0 if it never was
	told         bool  // that it was valid after another one
}

// series are the numbers of a sender's messages that were handled under one claim.
type series struct{ least, most, last int }

func newCheckPlacement() *checkPlacement {
	return &checkPlacement{tenures: map[string]map[int]*tenure{}, orders: map[[2]string]map[int]*series{}}
}

func (c *checkPlacement) note(h *history, run string, r record) bool {
	target := r.word(0)
	switch r.kind {
	case "up":
		t := c.tenure(h, run, target, r.number(1))
		if t.starts++; t.starts > 1 && t.run == run {
			h.violation("place: any: %s was started twice under fence %d, by run %s", target, r.number(1), run)
		}
		c.valid(h, target, r, 2)
		t.moved = r.word(4) == "moved"
		h.counts.starts++
		if t.moved {
			h.counts.moves++
		}
	case "down":
		c.tenure(h, run, target, r.number(1)).ends++
	case "ran":
		c.handled(h, run, r)
	default:
		return false
	}
	return true
}

func (c *checkPlacement) handled(h *history, run string, r record) {
	target, sender, n, fence := r.word(0), r.word(1), r.number(2), r.number(3)
	t := c.tenure(h, run, target, fence)
	if t.ends > 0 {
		h.violation("place: any: %s was stopped under fence %d, and handles a message, by run %s", target, fence, run)
	}
	if h.counts.placed++; !c.valid(h, target, r, 4) {
		c.late = append(c.late, r)
	}
	key := [2]string{sender, target}
	if c.orders[key] == nil {
		c.orders[key] = map[int]*series{}
	}
	s := c.orders[key][fence]
	if s == nil {
		s = &series{least: n}
		c.orders[key][fence] = s
	}
	h.handled(run, target, sender, n, &s.last)
	s.least, s.most = min(s.least, n), max(s.most, n)
}

// tenure returns that of a fence, which belongs to one run of a host alone.
func (c *checkPlacement) tenure(h *history, run, target string, fence int) *tenure {
	if c.tenures[target] == nil {
		c.tenures[target] = map[int]*tenure{}
	}
	t := c.tenures[target][fence]
	if t == nil {
		t = &tenure{run: run}
		c.tenures[target][fence] = t
	}
	if t.run != run {
		h.violation("place: any: two hosts have %s under the same fence %d: run %s and run %s", target, fence, t.run, run)
	}
	if !slices.Contains(h.ran[target], run) {
		h.ran[target] = append(h.ran[target], run)
	}
	return t
}

// valid notes if the claim with the fence before the word i of a record was valid: between
// the time in that word and the one of the record itself, since a host may be stopped
// anywhere. It checks that no claim was valid after one with a higher fence was.
func (c *checkPlacement) valid(h *history, target string, r record, i int) bool {
	if r.word(i+1) != "true" {
		return false
	}
	fence := r.number(i - 1)
	t := c.tenures[target][fence]
	t.last = max(t.last, int64(r.number(i)))
	if t.first == 0 || r.at < t.first {
		t.first = r.at
	}
	for other, o := range c.tenures[target] {
		low, high := min(fence, other), max(fence, other)
		lower, higher := c.tenures[target][low], c.tenures[target][high]
		if low == high || o.first == 0 || lower.last <= higher.first || lower.told {
			continue
		}
		lower.told = true
		h.violation("place: any: two claims of %s at the same time: that with fence %d of run %s is valid after that with fence %d of run %s was",
			target, low, lower.run, high, higher.run)
	}
	return true
}

// waiting is 0: the streams know of the messages.
func (c *checkPlacement) waiting(*history) int { return 0 }

func (c *checkPlacement) settle(h *history) (lost string) {
	for key := range c.orders {
		c.settleOrder(h, key[0], key[1])
	}
	late := len(c.late)
	if late == 0 {
		return ""
	}
	behind := 0
	for _, r := range c.late {
		for fence, t := range c.tenures[r.word(0)] {
			if fence > r.number(3) && t.first > 0 && t.first < r.at {
				behind++
				break
			}
		}
	}
	c.late = nil
	h.counts.late += late
	h.counts.behind += behind
	return fmt.Sprintf("%d messages handled after the end of a claim, %d of them when the next one was valid", late, behind)
}

// settleOrder checks that messages of a sender stay in order when the component moves.
func (c *checkPlacement) settleOrder(h *history, sender, target string) {
	all, before := c.orders[[2]string{sender, target}], 0
	for _, fence := range slices.Sorted(maps.Keys(c.tenures[target])) {
		from, to := all[before], all[fence]
		if c.tenures[target][fence].moved && from != nil && to != nil && to.least < from.most {
			h.violation("place: any: out of order after a move: %d of %s at %s under fence %d, and %d before under fence %d",
				to.least, sender, target, fence, from.most, before)
		}
		before = fence
	}
}

// TestPlacementChecker: it finds broken histories, and nothing in good ones. The place of a
// line is its time.
func TestPlacementChecker(t *testing.T) {
	const all = `
a.1 send a.1/out0 any/p 1
a.1 sent a.1/out0 any/p 1
a.1 send a.1/out0 any/p 2
a.1 sent a.1/out0 any/p 2
a.1 send a.1/out0 any/p 3
a.1 sent a.1/out0 any/p 3
a.1 ask a.1/out0 any/p 4
a.1 asked a.1/out0 any/p 4 77
b.1 up any/p 5 9 true new
b.1 ran any/p a.1/out0 1 5 10 true
b.1 ran any/p a.1/out0 2 5 11 true
`
	const moves = all + "b.1 down any/p 5\nc.1 up any/p 6 14 true moved\n"
	const fails = all + "c.1 up any/p 9 13 true new\n"
	const rest = "c.1 ran any/p a.1/out0 3 %d 99 true\nc.1 ran any/p a.1/out0 4 %[1]d 99 true\na.1 outcome a.1/out0 77 answered 4\n"
	moved, failed := moves+fmt.Sprintf(rest, 6), fails+fmt.Sprintf(rest, 9)
	for _, test := range []struct{ name, story, want string }{
		{"moves", moved, ""},
		{"fails over", failed, ""},
		{"handled late, since the host hung", strings.Replace(failed, "c.1 ran any/p a.1/out0 3 9 99 true", "b.1 ran any/p a.1/out0 3 5 99 false\nb.1 down any/p 5", 1), ""},
		{"another order after a failover", strings.Replace(failed, "b.1 ran any/p a.1/out0 2 5 11 true\n", "", 1) + "c.1 ran any/p a.1/out0 2 9 99 true", "out of order: 2 of a.1/out0"},
		{"lost with the host that had it", strings.Replace(failed, "c.1 ran any/p a.1/out0 3 9 99 true\n", "kill b.1\n", 1), ""},
		{"lost", strings.Replace(failed, "c.1 ran any/p a.1/out0 3 9 99 true\n", "", 1), "lost: 3 of a.1/out0 to any/p"},
		{"lost, and another host was killed", strings.Replace(failed, "c.1 ran any/p a.1/out0 3 9 99 true\n", "kill d.1\n", 1), "lost: 3 of a.1/out0 to any/p"},
		{"handled twice, by two hosts", failed + "c.1 ran any/p a.1/out0 1 9 99 true", "handled twice: 1"},
		{"no outcome", strings.Replace(failed, "a.1 outcome a.1/out0 77 answered 4", "", 1), "no outcome: request 77"},
		{"two outcomes", failed + "a.1 outcome a.1/out0 77 timeout -1", "two outcomes: request 77"},
		{"a claim valid after a higher one", fails + "b.1 ran any/p a.1/out0 3 5 14 true\n" + strings.Replace(fmt.Sprintf(rest, 9), "c.1 ran any/p a.1/out0 3 9 99 true\n", "", 1),
			"two claims of any/p at the same time: that with fence 5 of run b.1 is valid after that with fence 9 of run c.1"},
		{"a start with a lower fence", failed + "d.1 up any/p 8 98 true new", "that with fence 8 of run d.1 is valid after that with fence 9"},
		{"a start that hung, with a lower fence", failed + "d.1 up any/p 8 98 false new", ""},
		{"asked before, and written later", failed + "b.1 up any/p 6 13 true new", ""},
		{"the same fence at two hosts", failed + "d.1 up any/p 9 98 true new", "two hosts have any/p under the same fence 9: run c.1 and run d.1"},
		{"the same fence in two runs", failed + "kill c.1\nc.2 up any/p 9 98 true new", "under the same fence 9"},
		{"started twice", failed + "c.1 up any/p 9 98 true new", "any/p was started twice under fence 9"},
		{"goes on after its end", strings.Replace(moved, "c.1 ran any/p a.1/out0 3 6 99 true", "b.1 ran any/p a.1/out0 3 5 99 false", 1), "was stopped under fence 5, and handles a message"},
		{"order after a move", strings.Replace(strings.Replace(moved, "b.1 ran any/p a.1/out0 2 5 11", "b.1 ran any/p a.1/out0 3 5 11", 1), "a.1/out0 3 6", "a.1/out0 2 6", 1),
			"out of order after a move: 2 of a.1/out0 at any/p under fence 6, and 3 before under fence 5"},
	} {
		h := tell(t, test.story, newCheckPlacement())
		if test.want == "" && len(h.violations) > 0 || test.want != "" && (len(h.violations) != 1 || !strings.Contains(h.violations[0], test.want)) {
			t.Errorf("%s: found %q, want %q", test.name, h.violations, test.want)
		}
	}
	c := newCheckPlacement()
	h := newHistory(c)
	r, err := parseRecord("5 ran any/p a.1/out0 1 5 4 false")
	must(t, err)
	c.note(h, "b.1", r)
	if lost := c.settle(h); lost != "1 messages handled after the end of a claim, 0 of them when the next one was valid" {
		t.Errorf("got %q", lost)
	}
}
