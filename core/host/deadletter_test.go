package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// letters are the numbers of the dead letters that a host keeps.
func letters(h *testHost) string {
	var numbers []uint64
	for _, l := range h.DeadLetters() {
		numbers = append(numbers, l.Number)
	}
	return fmt.Sprint(numbers)
}

// TestResend: a dead letter is sent again in the name of its sender, once, and is fire-and-forget
// also if it was a request. One that is refused is kept in its place.
func TestResend(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		var seen []string
		broken := true
		h.deploy("a/target", behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
			if broken {
				panic("on purpose")
			}
			seen = append(seen, sender+" "+string(message))
			return message, nil
		}})
		h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/target", message)
		}})
		check(t, h.Send(id("a/target"), []byte("one")))
		h.quiesce()
		_, err := h.request("a/target", "two")
		isError(t, "request that traps", err, core.ErrRequestTrapped)
		_, err = h.request("a/sender", "three")
		check(t, err)
		h.quiesce()
		equal(t, "letters", letters(h), "[1 2 3]")
		broken = false

		check(t, h.Undeploy(within(t), id("a/target")))
		err = h.Resend(2)
		isError(t, "resend to nobody", err, core.ErrTargetNotFound)
		contains(t, "resend to nobody", err.Error(), "dead letter 2 to a/target: target-not-found")
		equal(t, "letters after a refusal", letters(h), "[1 2 3]")
		h.deploy("a/target", behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
			seen = append(seen, sender+" "+string(message))
			return message, nil
		}})
		for _, number := range []uint64{2, 3, 1} {
			check(t, h.Resend(number))
			h.quiesce()
			isError(t, "second resend", h.Resend(number), host.ErrNoDeadLetter)
		}
		equal(t, "letters that are left", letters(h), "[]")
		equal(t, "handled", fmt.Sprint(seen), "[airhost/host two a/sender three airhost/host one]")
		s := h.balance()
		equal(t, "callbacks", s.Callbacks, 0)
	})
}

// TestDropDeadLetter: a dead letter is forgotten, and no other one.
func TestDropDeadLetter(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/target", responder(func([]byte) ([]byte, error) { panic("on purpose") }))
	for i := range 3 {
		check(t, h.Send(id("a/target"), fmt.Append(nil, i)))
		h.quiesce()
	}
	second, err := h.DeadLetter(2)
	check(t, err)
	equal(t, "payload of the second", string(second.Payload), "1")
	check(t, h.DropDeadLetter(2))
	isError(t, "a second time", h.DropDeadLetter(2), host.ErrNoDeadLetter)
	_, err = h.DeadLetter(2)
	isError(t, "one that was dropped", err, host.ErrNoDeadLetter)
	contains(t, "one that was dropped", err.Error(), "no such dead letter: 2")
	_, err = h.DeadLetter(4)
	isError(t, "one that never was", err, host.ErrNoDeadLetter)
	equal(t, "letters", letters(h), "[1 3]")
}

// TestBytesOfDeadLetters: the payloads that are kept have 16 MiB together; one that is too large
// for that is cut, and cannot be sent again.
func TestBytesOfDeadLetters(t *testing.T) {
	h := start(t, host.Config{})
	d := deployment("a/target", responder(func([]byte) ([]byte, error) { panic("on purpose") }))
	d.Limits.MessageSize, d.Limits.MailboxBytes = 8<<20, 64<<20
	d.Restart = host.Restart{Policy: host.RestartTemporary}
	check(t, h.Deploy(within(t), d))
	send := func(size int) {
		check(t, h.Send(d.ID, bytes.Repeat([]byte("x"), size)))
		h.quiesce()
		check(t, h.Restart(within(t), d.ID)) // without the pauses of a restart policy
	}
	send(4<<20 + 1)
	for range 6 {
		send(4 << 20)
	}
	equal(t, "letters kept of 4 MiB each", letters(h), "[4 5 6 7]")
	send(0)
	equal(t, "letters with an empty one", letters(h), "[4 5 6 7 8]")
	send(5 << 20)
	equal(t, "letters with a large one", letters(h), "[5 6 7 8 9]")
	last, err := h.DeadLetter(9)
	check(t, err)
	equal(t, "bytes kept of it", len(last.Payload), 256)
	isError(t, "resend of it", h.Resend(9), host.ErrCutDeadLetter)
	check(t, h.DropDeadLetter(5))
	check(t, h.DropDeadLetter(6))
	for range 2 {
		send(4 << 20)
	}
	equal(t, "letters in the place of those that were dropped", letters(h), "[7 8 9 10 11]")
}

// TestResendAtOnce: of several goroutines that send a dead letter again, one does; none is lost
// when it is refused, or when others come at the same time.
func TestResendAtOnce(t *testing.T) {
	h := start(t, host.Config{Workers: 2})
	var handled atomic.Int64
	fails := deployment("a/target", responder(func([]byte) ([]byte, error) { panic("on purpose") }))
	fails.Restart = host.Restart{Policy: host.RestartTemporary}
	check(t, h.Deploy(within(t), fails))
	check(t, h.Send(id("a/target"), []byte("payload")))
	h.quiesce()
	h.waitFor("the failure", func() bool { return h.component("a/target").State == "failed" }) // the message has ended before it
	var all sync.WaitGroup
	var sent atomic.Int64
	for range 8 {
		all.Go(func() {
			if err := h.Resend(1); err == nil {
				sent.Add(1)
			} else if !errors.Is(err, host.ErrNoDeadLetter) && !errors.Is(err, core.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	equal(t, "sent to a component that has failed", sent.Load(), 0)
	equal(t, "letters", letters(h), "[1]")
	works := deployment("a/target", responder(func([]byte) ([]byte, error) { handled.Add(1); return nil, nil }))
	check(t, h.Replace(context.Background(), works))
	for range 8 {
		all.Go(func() {
			if h.Resend(1) == nil {
				sent.Add(1)
			}
		})
	}
	all.Wait()
	h.balance()
	equal(t, "sent", sent.Load(), 1)
	equal(t, "handled", handled.Load(), 1)
}
