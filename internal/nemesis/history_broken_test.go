package nemesis

import (
	"fmt"
	"strings"
	"testing"
)

// tell reads a history written by hand: each line begins with the run of the host that writes it, or
// is "kill RUN" or "settle". A line's place is its time.
func tell(t *testing.T, story string, more ...checker) *history {
	t.Helper()
	h := newHistory(more...)
	at := int64(0)
	for line := range strings.Lines(story) {
		words := strings.Fields(line)
		if at++; len(words) == 0 {
			continue
		}
		switch words[0] {
		case "kill":
			h.died(words[1], at)
		case "settle":
			h.settle()
		default:
			r, err := parseRecord(fmt.Sprint(at, " ", strings.Join(words[1:], " ")))
			if err != nil {
				t.Fatal(err)
			}
			h.note(words[0], r)
		}
	}
	h.settle()
	return h
}

// good is a history with all that may happen.
const good = `
a.1 send a.1/out0 b/sink 1
b.1 got b/sink a.1/out0 1
a.1 sent a.1/out0 b/sink 1
a.1 send a.1/out0 b/sink 2
a.1 sent a.1/out0 b/sink 2
a.1 dead a.1/out0 b/sink 2 unavailable
a.1 send a.1/out0 b/sink 3
a.1 refused a.1/out0 b/sink 3 queue-full
a.1 ask a.1/out0 b/echo 1
a.1 asked a.1/out0 b/echo 1 77
b.1 got b/echo a.1/out0 1
a.1 outcome a.1/out0 77 answered 1
a.1 ask a.1/out0 b/echo 2
a.1 asked a.1/out0 b/echo 2 78
a.1 outcome a.1/out0 78 timeout -1
a.1 ask a.1/out0 b/echo 3
a.1 unasked a.1/out0 b/echo 3 unavailable
a.1 send a.1/out0 b/sink 4
a.1 sent a.1/out0 b/sink 4
settle
`

// TestGoodHistories: nothing is found where nothing is wrong.
func TestGoodHistories(t *testing.T) {
	dead := "a.1 send a.1/out0 c/sink 1\na.1 sent a.1/out0 c/sink 1\n"
	for name, story := range map[string]string{
		"all that may happen":                 strings.Replace(good, "settle", "b.1 got b/sink a.1/out0 4", 1),
		"came late, after it came back":       strings.Replace(good, "settle", "a.1 dead a.1/out0 b/sink 4 unavailable\nsettle\nb.1 got b/sink a.1/out0 4", 1),
		"target killed later":                 strings.Replace(good, "settle", "kill b.1", 1),
		"sender killed":                       strings.Replace(good, "settle", "kill a.1", 1),
		"pending request of a sender killed":  "a.1 ask a.1/out0 b/echo 1\na.1 asked a.1/out0 b/echo 1 5\nkill a.1\nsettle\na.2 ask a.2/out0 b/echo 1\n",
		"handled, of a sender killed at once": "a.1 send a.1/out0 c/sink 1\nkill a.1\nc.1 got c/sink a.1/out0 1",
		"lost with the first of two kills":    dead + "kill c.1\nsettle\nkill c.2",
	} {
		if h := tell(t, story); len(h.violations) > 0 {
			t.Errorf("%s: found %q", name, h.violations)
		}
	}
}

// TestBrokenHistories: each checker finds a history that is broken.
func TestBrokenHistories(t *testing.T) {
	whole := strings.Replace(good, "settle", "b.1 got b/sink a.1/out0 4", 1)
	for _, test := range []struct{ name, story, want string }{
		{"lost", good, "lost: 4 of a.1/out0 to b/sink"},
		{"lost after its target was started again", strings.Replace(good, "a.1 send a.1/out0 b/sink 4", "kill b.1\na.1 send a.1/out0 b/sink 4", 1), "lost: 4"},
		{"lost though another host was killed", strings.Replace(good, "settle", "kill c.1", 1), "lost: 4"},
		{"handled twice", whole + "b.1 got b/sink a.1/out0 4", "handled twice: 4"},
		{"handled twice, by two runs", whole + "kill b.1\nb.2 got b/sink a.1/out0 4", "handled twice: 4"},
		{"a request handled twice", whole + "b.1 got b/echo a.1/out0 1", "handled twice: 1"},
		{"out of order", strings.Replace(good, "settle", "b.1 got b/sink a.1/out0 4\nb.1 got b/sink a.1/out0 2", 1), "out of order: 2 of a.1/out0 at b/sink comes after 4"},
		{"handled though refused", strings.Replace(good, "settle", "b.1 got b/sink a.1/out0 3\nb.1 got b/sink a.1/out0 4", 1), "handled though it was refused: 3"},
		{"a request handled though refused", whole + "b.1 got b/echo a.1/out0 3", "handled though it was refused: 3"},
		{"never sent", whole + "b.1 got b/sink a.1/out0 5", "handled and never sent: 5"},
		{"no outcome", strings.Replace(whole, "a.1 outcome a.1/out0 78 timeout -1", "", 1), "no outcome: request 78"},
		{"no outcome though its target was killed", strings.Replace(whole, "a.1 outcome a.1/out0 78 timeout -1", "kill b.1", 1), "no outcome: request 78"},
		{"two outcomes", whole + "a.1 outcome a.1/out0 78 timeout -1", "two outcomes: request 78"},
		{"two outcomes, the first a round ago", whole + "settle\na.1 outcome a.1/out0 77 unavailable -1", "two outcomes: request 77"},
		{"nobody asked", whole + "a.1 outcome a.1/out0 79 timeout -1", "an outcome nobody asked for: request 79"},
		{"an outcome for the run before", whole + "kill a.1\na.2 outcome a.1/out0 77 timeout -1", "an outcome at another host"},
		{"another response", strings.Replace(whole, "77 answered 1", "77 answered 2", 1), "another response: request 77"},
		{"no response at all", strings.Replace(whole, "77 answered 1", "77 answered -1", 1), "another response: request 77"},
		{"answered by nobody", strings.Replace(whole, "b.1 got b/echo a.1/out0 1", "", 1), "answered and not handled: request 77"},
		{"failed", strings.Replace(whole, "78 timeout", "78 trapped", 1), "a request ended with trapped"},
		{"a word that nobody knows", whole + "b.1 gut b/sink a.1/out0 5", "no checker knows"},
	} {
		h := tell(t, test.story)
		if len(h.violations) != 1 || !strings.Contains(h.violations[0], test.want) {
			t.Errorf("%s: found %q, want one with %q", test.name, h.violations, test.want)
		}
	}
}
