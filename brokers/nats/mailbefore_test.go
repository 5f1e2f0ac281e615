package nats_test

import (
	"fmt"
	"testing"

	"github.com/airhost/airhost/core"
)

// TestFirstMail: hosts that do not know yet that a component has a durable mailbox send to it directly.
// The messages are stored, none overtakes another, and each is handled once.
func TestFirstMail(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a, b, c := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b"), join(t, s.ClientURL(), "c")
	w := sendersBook{new(book)}
	names := []string{"b/one", "b/two", "c/one"}
	hosts := []*member{b, b, c}
	for i, name := range names {
		hosts[i].deploy(t, name, relay("a/mail"), nil)
	}
	const n = 400
	a.deployMail(t, "a/mail", w)
	for i := range n {
		for at, name := range names {
			check(t, hosts[at].Send(core.MustComponentID(name), fmt.Append(nil, i)))
		}
	}
	for i, name := range names {
		inOrder(t, w.has(t, name, n), n)
		hosts[i].knows(t, mailID)
	}
	holds(t, js(t, s), 0)
	for _, m := range []*member{a, b, c} {
		m.settled(t)
		if letters := m.DeadLetters(); len(letters) > 0 {
			t.Errorf("dead letters: %v", letters)
		}
	}
}
