package nemesis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// mailName is the component of each host that has a durable mailbox.
const mailName = "mail"

// durable is a load of messages for durable mailboxes.
var durable = load{
	components: map[string]func(*runningHost) guest.Component{
		mailName: func(h *runningHost) guest.Component { return mailbox{h} },
	},
	change: func(_ string, d *host.Deployment) { d.Delivery = host.DeliveryDurable },
	send: func(s *sender, h guest.Host, tick int, calm bool) {
		if tick%3 != 0 && !calm {
			return
		}
		for _, name := range hostNames {
			target := name + "/" + mailName
			number, payload := s.next(target)
			s.host.journal.write("post", s.self, target, number)
			if err := h.Send(target, payload); err != nil {
				s.host.journal.write("unposted", s.self, target, number, firstWord(err.Error()))
				continue
			}
			s.host.journal.write("posted", s.self, target, number)
		}
	},
}

type mailbox struct{ host *runningHost }

// HandleMessage implements [guest.Component].
func (m mailbox) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	if from, number, ok := parsePayload(message); ok {
		m.host.journal.write("mail", m.host.settings.Name+"/"+mailName, from, number)
	}
	return nil, nil
}

// checkDurable is the checker: a message that was taken for a durable mailbox is handled, though its
// host may be killed, or is a dead letter of its sender's host, while that lives. It is handled twice only
// if the run that has handled it first was killed; and in the order in which it was sent.
type checkDurable struct {
	boxes map[[2]string]*box // by sender and target

}

type box struct {
	tried   int
	highest int            // of those that were handled
	by      map[int]string // the last run that has handled each
	last    map[string]int // the last one that each run has handled
	refused numbers
	open    map[int]struct{} // taken, and not handled so far
	dead    int              // since settle
}

func newCheckDurable() *checkDurable { return &checkDurable{boxes: map[[2]string]*box{}} }

func (c *checkDurable) of(sender, target string) *box {
	key := [2]string{sender, target}
	if c.boxes[key] == nil {
		c.boxes[key] = &box{by: map[int]string{}, last: map[string]int{}, open: map[int]struct{}{}}
	}
	return c.boxes[key]
}

func (c *checkDurable) note(h *history, run string, r record) bool {
	n := r.number(2)
	switch r.kind {
	case "post":
		c.of(r.word(0), r.word(1)).tried = n
	case "unposted":
		c.of(r.word(0), r.word(1)).refused.add(n)
	case "posted":
		h.counts.posted++
		if b := c.of(r.word(0), r.word(1)); b.by[n] == "" {
			b.open[n] = struct{}{}
		}
	case "unmailed": // a dead letter
		b := c.of(r.word(0), r.word(1))
		delete(b.open, n)
		b.dead++
	case "mail":
		c.handled(h, run, r.word(0), r.word(1), n)
	default:
		return false
	}
	return true
}

func (c *checkDurable) handled(h *history, run, target, sender string, n int) {
	b := c.of(sender, target)
	first := b.by[n]
	_, killed := h.deaths[first]
	switch {
	case first != "" && !killed:
		h.violation("stored once and handled twice: %d of %s at %s, by run %s and run %s, which was not killed", n, sender, target, run, first)
	case first != "":
		h.counts.again++
	case n < b.highest:
		h.violation("stored in order and handled out of it: %d of %s at %s comes after %d", n, sender, target, b.highest)
	}
	if n < b.last[run] && first != "" {
		h.violation("handled again out of order: %d of %s at %s comes after %d", n, sender, target, b.last[run])
	}
	b.by[n], b.last[run], b.highest = run, n, max(b.highest, n)
	delete(b.open, n)
}

// waiting is how many messages of hosts that live are neither handled nor dead letters.
func (c *checkDurable) waiting(h *history) (n int) {
	for key, b := range c.boxes {
		if _, dead := h.deaths[runOf(key[0])]; !dead {
			n += len(b.open)
		}
	}
	return n
}

func (c *checkDurable) settle(h *history) string {
	dead := 0
	for key, b := range c.boxes {
		sender, target := key[0], key[1]
		if _, died := h.deaths[runOf(sender)]; !died {
			for _, n := range slices.Sorted(maps.Keys(b.open)) {
				h.violation("lost from a durable mailbox: %d of %s to %s", n, sender, target)
			}
			if b.highest > b.tried {
				h.violation("mail that nobody has sent: %d of %s at %s", b.highest, sender, target)
			}
		}
		for n := range b.by {
			if b.refused.has(n) {
				h.violation("mail that was refused: %d of %s at %s", n, sender, target)
			}
		}
		clear(b.open)
		dead += b.dead
		b.dead = 0
	}
	h.counts.unmailed += dead
	if dead > 0 {
		return fmt.Sprintf("%d dead letters of durable mailboxes", dead)
	}
	return ""
}

// TestDurableChecker: it finds broken histories, and nothing in good ones.
func TestDurableChecker(t *testing.T) {
	const all = `
a.1 post a.1/out0 b/mail 1
b.1 mail b/mail a.1/out0 1
a.1 posted a.1/out0 b/mail 1
a.1 post a.1/out0 b/mail 2
a.1 posted a.1/out0 b/mail 2
a.1 post a.1/out0 b/mail 3
a.1 unposted a.1/out0 b/mail 3 unavailable
a.1 post a.1/out0 b/mail 4
a.1 posted a.1/out0 b/mail 4
a.1 unmailed a.1/out0 b/mail 4 unavailable
`
	const two = "b.1 mail b/mail a.1/out0 2\n"
	for _, test := range []struct{ name, story, want string }{
		{"good", all + two, ""},
		{"handled again after a kill", all + two + "kill b.1\nb.2 mail b/mail a.1/out0 1\nb.2 mail b/mail a.1/out0 2", ""},
		{"handled by the next run", all + "kill b.1\nb.2 mail b/mail a.1/out0 2", ""},
		{"its sender killed", all + "kill a.1", ""},
		{"lost", all, "lost from a durable mailbox: 2 of a.1/out0 to b/mail"},
		{"lost with its host", all + "kill b.1", "lost from a durable mailbox: 2"},
		{"twice", all + two + two, "handled twice: 2"},
		{"twice, another host was killed", all + two + "kill c.1\n" + two, "handled twice: 2"},
		{"twice by the run after a kill", all + two + "kill b.1\nb.2 mail b/mail a.1/out0 2\nb.2 mail b/mail a.1/out0 2", "handled twice: 2"},
		{"order", strings.Replace(all, "b.1 mail b/mail a.1/out0 1\n", "", 1) + two + "b.1 mail b/mail a.1/out0 1", "out of it: 1"},
		{"order of those that come again", all + two + "kill b.1\nb.2 mail b/mail a.1/out0 2\nb.2 mail b/mail a.1/out0 1", "again out of order: 1"},
		{"refused", all + two + "b.1 mail b/mail a.1/out0 3", "refused: 3"},
		{"never sent", all + two + "b.1 mail b/mail a.1/out0 5", "nobody has sent: 5"},
	} {
		h := tell(t, test.story, newCheckDurable())
		if test.want == "" && len(h.violations) > 0 || test.want != "" && (len(h.violations) != 1 || !strings.Contains(h.violations[0], test.want)) {
			t.Errorf("%s: found %q, want %q", test.name, h.violations, test.want)
		}
	}
}
