package nemesis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// publications are a load of publications: news for a component of each host, and jobs for one of
// a queue group over all hosts. Both may be lost, such as with a connection; none comes twice.
var publications = load{
	components: map[string]func(*runningHost) guest.Component{
		"news": func(h *runningHost) guest.Component { return listener{h, "news"} },
		"jobs": func(h *runningHost) guest.Component { return listener{h, "jobs"} },
	},
	change: func(name string, d *host.Deployment) {
		d.Subscribe = []host.Subscription{{Topic: mustTopics(name + ".*")}}
		if name == "jobs" {
			d.Subscribe[0].Queue = "workers"
		}
	},
	send: func(s *sender, h guest.Host, tick int, calm bool) {
		for _, topic := range []string{"news", "jobs"} {
			number, payload := s.next(topic)
			s.host.journal.write("publish", s.self, topic, number)
			if err := h.Publish(fmt.Sprintf("%s.t%d", topic, s.index), payload); err != nil {
				s.host.journal.write("unpublished", s.self, topic, number, firstWord(err.Error()))
			}
		}
	},
}

func mustTopics(text string) core.TopicPattern {
	p, err := core.ParseTopicPattern(text)
	if err != nil {
		panic(err)
	}
	return p
}

// listener writes down the publications that it gets.
type listener struct {
	host *runningHost
	name string
}

// HandleMessage implements [guest.Component].
func (l listener) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	if from, number, ok := parsePayload(message); ok {
		l.host.journal.write("heard", l.host.settings.Name+"/"+l.name, from, number)
	}
	return nil, nil
}

// checkPublications is the checker: no publication comes twice to a component, or to a queue group;
// those of one publisher come in order; none comes that was not published, or was refused.
type checkPublications struct {
	published map[[2]string]*publisher // by sender and topic
	heard     map[[3]string]*hearing   // by sender, topic and target
}

type publisher struct {
	tried   int
	refused numbers
	first   int     // of those since settle
	worked  numbers // of jobs: by any host
}

type hearing struct {
	got  numbers
	last int
}

func newCheckPublications() *checkPublications {
	return &checkPublications{map[[2]string]*publisher{}, map[[3]string]*hearing{}}
}

func (c *checkPublications) of(sender, topic string) *publisher {
	key := [2]string{sender, topic}
	if c.published[key] == nil {
		c.published[key] = &publisher{first: 1}
	}
	return c.published[key]
}

func (c *checkPublications) note(h *history, run string, r record) bool {
	switch r.kind {
	case "publish":
		h.counts.published++
		c.of(r.word(0), r.word(1)).tried = r.number(2)
	case "unpublished":
		c.of(r.word(0), r.word(1)).refused.add(r.number(2))
	case "heard":
		h.counts.heard++
		c.hear(h, r.word(0), r.word(1), r.number(2))
	default:
		return false
	}
	return true
}

func (c *checkPublications) hear(h *history, target, sender string, n int) {
	_, topic, _ := strings.Cut(target, "/")
	key := [3]string{sender, topic, target}
	one, of := c.heard[key], c.of(sender, topic)
	if one == nil {
		one = &hearing{}
		c.heard[key] = one
	}
	switch {
	case one.got.has(n) || topic == "jobs" && of.worked.has(n):
		h.violation("published once and handled twice: %d of %s at %s", n, sender, target)
	case n < one.last:
		h.violation("a publication out of order: %d of %s at %s comes after %d", n, sender, target, one.last)
	}
	one.got.add(n)
	one.last = n
	of.worked.add(n)
}

// waiting is 0: nobody knows of a publication if it is under way.
func (c *checkPublications) waiting(*history) int { return 0 }

func (c *checkPublications) settle(h *history) (lost string) {
	missing := 0
	for key, of := range c.published {
		sender, topic := key[0], key[1]
		_, dead := h.deaths[runOf(sender)]
		for n := of.first; n <= of.tried; n++ {
			if of.refused.has(n) && of.worked.has(n) {
				h.violation("handled though it was not published: %d of %s on %s", n, sender, topic)
			}
			missing += c.missing(sender, topic, of, n)
		}
		for _, target := range hostNames {
			if one := c.heard[[3]string{sender, topic, target + "/" + topic}]; one != nil && one.last > of.tried && !dead {
				h.violation("heard and never published: %d of %s on %s", one.last, sender, topic)
			}
		}
		of.first = of.tried + 1
	}
	if missing > 0 {
		return fmt.Sprintf("%d publications did not arrive", missing)
	}
	return ""
}

// missing is how many components have not got a publication that should have.
func (c *checkPublications) missing(sender, topic string, of *publisher, n int) (missing int) {
	if topic == "jobs" {
		if !of.worked.has(n) {
			return 1
		}
		return 0
	}
	for _, target := range hostNames {
		if one := c.heard[[3]string{sender, topic, target + "/" + topic}]; one == nil || !one.got.has(n) {
			missing++
		}
	}
	return missing
}

// TestPublicationsChecker: it finds broken histories, and nothing in good ones. Losses are told.
func TestPublicationsChecker(t *testing.T) {
	const all = `
a.1 publish a.1/out0 news 1
a.1 publish a.1/out0 news 2
a.1 publish a.1/out0 jobs 1
a.1 unpublished a.1/out0 news 2 unavailable
a.1 heard a/news a.1/out0 1
b.1 heard b/news a.1/out0 1
c.1 heard c/news a.1/out0 1
b.1 heard b/jobs a.1/out0 1
`
	for _, test := range []struct{ name, story, want string }{
		{"good", all, ""},
		{"lost with a host", "kill c.1\n" + strings.Replace(all, "c.1 heard c/news a.1/out0 1", "", 1), ""},
		{"twice", all + "b.1 heard b/news a.1/out0 1", "handled twice: 1 of a.1/out0 at b/news"},
		{"twice, by two runs, a round later", all + "settle\nkill b.1\nb.2 heard b/news a.1/out0 1", "handled twice: 1 of a.1/out0 at b/news"},
		{"a job twice", all + "a.1 heard a/jobs a.1/out0 1", "handled twice: 1 of a.1/out0 at a/jobs"},
		{"order", all + "a.1 publish a.1/out0 news 3\na.1 publish a.1/out0 news 4\nb.1 heard b/news a.1/out0 4\nb.1 heard b/news a.1/out0 3", "out of order: 3 of a.1/out0 at b/news"},
		{"refused", all + "b.1 heard b/news a.1/out0 2", "handled though it was not published: 2"},
		{"never", all + "b.1 heard b/news a.1/out0 3", "heard and never published: 3"},
	} {
		h := tell(t, test.story, newCheckPublications())
		if test.want == "" && len(h.violations) > 0 || test.want != "" && (len(h.violations) != 1 || !strings.Contains(h.violations[0], test.want)) {
			t.Errorf("%s: found %q, want %q", test.name, h.violations, test.want)
		}
	}
	c := newCheckPublications()
	h := newHistory(c)
	c.of("a.1/out0", "jobs").tried = 2
	c.hear(h, "a/jobs", "a.1/out0", 1)
	if lost := c.settle(h); lost != "1 publications did not arrive" {
		t.Errorf("got %q", lost)
	}
	if lost := c.settle(h); lost != "" {
		t.Errorf("told again: %q", lost)
	}
}
