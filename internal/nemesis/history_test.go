package nemesis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// history is all that the hosts of a cluster have written down. It notes all that is against
// the promises.
type history struct {
	streams    map[[2]string]*stream
	requests   map[string]map[string]*request // of each sender, by id
	deaths     map[string]int64               // when a run of a host was killed
	lastDeath  map[string]int64               // when a host was killed last
	ran        map[string][]string            // the runs of hosts that have run a component with place: any
	counts     counts
	violations []string
	more       []checker
}

// checker reads the records of a further kind of load.
type checker interface {
	// note reports whether the record was one for this checker.
	note(h *history, run string, r record) bool
	// settle checks what must be true when nothing is under way. It returns a text if something was
	// lost that may be lost while there are faults.
	settle(h *history) (lost string)
	// waiting is how much has not ended yet.
	waiting(h *history) int
}

// counts count since the last round.
type counts struct {
	messages, refused, requests, dead, missing int
	outcomes, refusals                         map[string]int // by reason
	lost                                       []string       // that may be lost while there are faults

	published, heard        int // publications, and arrivals of them
	posted, unmailed, again int // messages for durable mailboxes, dead letters of these, and those handled again

	placed, starts, moves int           // messages that components with place: any have handled, their starts, and those by moves
	late, behind          int           // messages that were handled after the end of a claim, and those of them when the next one was valid
	answers               time.Duration // after which all of these have answered when the faults were mended
}

func newCounts() counts { return counts{outcomes: map[string]int{}, refusals: map[string]int{}} }

// stream is all from one sender to one target. A host that is started again has new senders.
type stream struct {
	tried, last  int // the highest number that was tried, and the last one that was handled
	highest      int // the highest one that was handled
	trying       int64
	got, refused numbers
	dead         numbers
	open         map[int]int64 // when those were sent of which nothing is known so far
}

type request struct {
	target string
	number int
	ended  bool
	answer bool // a response
}

func newHistory(more ...checker) *history {
	h := &history{
		streams: map[[2]string]*stream{}, requests: map[string]map[string]*request{},
		deaths: map[string]int64{}, lastDeath: map[string]int64{}, ran: map[string][]string{}, counts: newCounts(), more: more,
	}
	return h
}

func (h *history) violation(format string, args ...any) {
	if len(h.violations) < 50 {
		h.violations = append(h.violations, fmt.Sprintf(format, args...))
	}
}

func (h *history) stream(sender, target string) *stream {
	key := [2]string{sender, target}
	s := h.streams[key]
	if s == nil {
		s = &stream{open: map[int]int64{}}
		h.streams[key] = s
	}
	return s
}

// died notes that a run of a host was killed, and when it was dead.
func (h *history) died(run string, at int64) {
	h.deaths[run] = at
	h.lastDeath[nodeOf(run)] = at
}

// nodeOf is the host of a run such as a.3, or of a sender or target, such as a.3/out0 or a/sink.
func nodeOf(name string) string {
	name, _, _ = strings.Cut(name, "/")
	name, _, _ = strings.Cut(name, ".")
	return name
}

// runOf is the run of a sender.
func runOf(sender string) string { run, _, _ := strings.Cut(sender, "/"); return run }

// note reads a record of a run of a host.
func (h *history) note(run string, r record) {
	switch r.kind {
	case "send", "ask":
		s := h.stream(r.word(0), r.word(1))
		s.tried, s.trying = r.number(2), r.at
	case "sent":
		s := h.stream(r.word(0), r.word(1))
		h.counts.messages++
		if n := r.number(2); !s.got.has(n) && !s.dead.has(n) {
			s.open[n] = s.trying
		}
	case "refused", "unasked":
		h.counts.refused++
		h.counts.refusals[r.word(3)]++
		s := h.stream(r.word(0), r.word(1))
		s.refused.add(r.number(2))
		h.checkRefused(s, r.word(0), r.word(1), r.number(2))
	case "got":
		h.got(run, r)
	case "dead":
		h.counts.dead++
		s := h.stream(r.word(0), r.word(1))
		s.dead.add(r.number(2))
		delete(s.open, r.number(2))
	case "asked":
		h.asked(r)
	case "outcome":
		h.outcome(run, r)
	default:
		if !slices.ContainsFunc(h.more, func(c checker) bool { return c.note(h, run, r) }) {
			h.violation("%s: a record that no checker knows: %v", run, r)
		}
	}
}

func (h *history) got(run string, r record) {
	target, sender, n := r.word(0), r.word(1), r.number(2)
	h.handled(run, target, sender, n, &h.stream(sender, target).last)
}

// handled notes that a message was handled. last is the one before it with which it must be
// in order.
func (h *history) handled(run, target, sender string, n int, last *int) {
	s := h.stream(sender, target)
	switch {
	case s.got.has(n):
		h.violation("handled twice: %d of %s at %s, by run %s", n, sender, target, run)
	case n < *last:
		h.violation("out of order: %d of %s at %s comes after %d, by run %s", n, sender, target, *last, run)
	}
	s.got.add(n)
	*last, s.highest = n, max(s.highest, n)
	delete(s.open, n)
	h.checkRefused(s, sender, target, n)
}

// lastDeathAt is when a host was killed last that had a target, as far as one had it.
func (h *history) lastDeathAt(target string) int64 {
	last := h.lastDeath[nodeOf(target)]
	for _, run := range h.ran[target] {
		last = max(last, h.deaths[run])
	}
	return last
}

func (h *history) checkRefused(s *stream, sender, target string, n int) {
	if s.got.has(n) && s.refused.has(n) {
		h.violation("handled though it was refused: %d of %s at %s", n, sender, target)
	}
}

func (h *history) asked(r record) {
	h.counts.requests++
	all := h.requests[r.word(0)]
	if all == nil {
		all = map[string]*request{}
		h.requests[r.word(0)] = all
	}
	all[r.word(3)] = &request{target: r.word(1), number: r.number(2)}
}

// reasons are the ones that a request of the load may end for.
var reasons = []string{"answered", "timeout", "unavailable", "target-not-found"}

func (h *history) outcome(run string, r record) {
	sender, id, reason, n := r.word(0), r.word(1), r.word(2), r.number(3)
	h.counts.outcomes[reason]++
	one := h.requests[sender][id]
	switch {
	case one == nil:
		h.violation("an outcome nobody asked for: request %s of %s", id, sender)
		return
	case runOf(sender) != run:
		h.violation("an outcome at another host: request %s of %s at run %s", id, sender, run)
	case one.ended:
		h.violation("two outcomes: request %s of %s", id, sender)
	case !slices.Contains(reasons, reason):
		h.violation("a request ended with %s: %s of %s to %s", reason, id, sender, one.target)
	case reason == "answered" && n != one.number:
		h.violation("another response: request %s of %s, number %d, got that of %d", id, sender, one.number, n)
	}
	one.ended, one.answer = true, reason == "answered"
}

// settle checks all that must be true when nothing is under way, and returns the counts since it
// was called last.
func (h *history) settle() counts {
	for _, key := range sortedKeys(h.streams) {
		h.settleStream(h.streams[key], key[0], key[1])
	}
	for _, sender := range slices.Sorted(maps.Keys(h.requests)) {
		h.settleRequests(sender)
	}
	var all []string
	for _, c := range h.more {
		if lost := c.settle(h); lost != "" {
			all = append(all, lost)
		}
	}
	n := h.counts
	n.lost, h.counts = all, newCounts()
	return n
}

func sortedKeys(all map[[2]string]*stream) [][2]string {
	return slices.SortedFunc(maps.Keys(all), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
}

func (h *history) settleStream(s *stream, sender, target string) {
	_, dead := h.deaths[runOf(sender)]
	if s.highest > s.tried && !dead {
		h.violation("handled and never sent: %d of %s at %s", s.highest, sender, target)
	}
	lost := slices.Sorted(maps.Keys(s.open))
	if dead {
		lost = nil // its dead letters are gone with it
	}
	killed := h.lastDeathAt(target)
	for _, n := range lost {
		if s.open[n] <= killed {
			h.counts.missing++ // it was at the host that was killed
			continue
		}
		h.violation("lost: %d of %s to %s was taken; it was not handled, and is no dead letter", n, sender, target)
	}
	clear(s.open)
}

func (h *history) settleRequests(sender string) {
	all := h.requests[sender]
	if _, dead := h.deaths[runOf(sender)]; dead {
		delete(h.requests, sender)
		return
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		one := all[id]
		if !one.ended {
			h.violation("no outcome: request %s of %s to %s, number %d", id, sender, one.target, one.number)
			one.ended = true
		}
		if one.answer && !h.stream(sender, one.target).got.has(one.number) {
			h.violation("answered and not handled: request %s of %s to %s, number %d", id, sender, one.target, one.number)
		}
		one.answer = false
	}
}

// numbers is a set of small numbers.
type numbers struct{ bits []uint64 }

func (s *numbers) has(n int) bool { return n >= 0 && n/64 < len(s.bits) && s.bits[n/64]>>(n%64)&1 == 1 }

func (s *numbers) add(n int) {
	if n < 0 {
		return
	}
	for n/64 >= len(s.bits) {
		s.bits = append(s.bits, 0)
	}
	s.bits[n/64] |= 1 << (n % 64)
}
