package nats_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/airhost/airhost/core"
)

// TestStoredMessagesMove: a component with a durable mailbox moves there and back while messages come,
// and once in vain. Each is handled once, and those of a sender in order.
func TestStoredMessagesMove(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a, b, c := join(t, s.ClientURL(), "a"), join(t, s.ClientURL(), "b"), join(t, s.ClientURL(), "c")
	w := sendersBook{new(book)}
	a.deployMail(t, "a/mail", w)
	c.knows(t, mailID)
	names := []string{"c/one", "c/two"}
	const n = 400
	for _, name := range names {
		c.deploy(t, name, relay("a/mail"), nil)
		for i := range n {
			check(t, c.Send(core.MustComponentID(name), fmt.Append(nil, i)))
		}
	}
	inVain := errors.New("in vain")
	err := a.MoveAway(within(t), mailID, func(context.Context, *core.Moving) error { return inVain })
	if !errors.Is(err, inVain) {
		t.Errorf("the move in vain: %v", err)
	}
	from, next := a, b
	for range 6 {
		check(t, from.MoveAway(within(t), mailID, func(ctx context.Context, m *core.Moving) error {
			d := deployment("a/mail", w, durable)
			d.Moving = m
			return next.Deploy(ctx, d)
		}))
		from, next = next, from
	}
	for _, name := range names {
		inOrder(t, w.has(t, name, n), n)
	}
	holds(t, js(t, s), 0)
	for _, m := range []*member{a, b, c} {
		m.settled(t)
		if letters := m.DeadLetters(); len(letters) > 0 {
			t.Errorf("dead letters: %v", letters)
		}
	}
}
