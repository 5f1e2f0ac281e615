package host_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// held is a host with a component, a/target, that waits in each call for release.
type held struct {
	*testHost
	entered, release chan struct{}
}

func newHeld(t *testing.T, limits core.Limits) *held {
	h := &held{start(t, host.Config{Workers: 2}), make(chan struct{}, 10_000), make(chan struct{})}
	d := deployment("a/target", responder(func([]byte) ([]byte, error) {
		h.entered <- struct{}{}
		<-h.release
		return nil, nil
	}))
	d.Limits = limits
	d.Limits.HandlerTime = time.Hour // longer than the test
	check(t, h.Deploy(within(t), d))
	check(t, h.Send(id("a/target"), nil))
	receive(t, "entering", h.entered)
	return h
}

// sender deploys a component that sends messages of size bytes. flood makes it send
// most messages, or fewer if one is refused, and returns how many were accepted.
func (h *held) sender(name, target string, size int) (flood func(most int) int) {
	var most, sent int
	h.deploy(name, behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
		if string(message) != "flood" {
			return nil, nil
		}
		for sent = 0; sent < most; sent++ {
			if err := g.Send(target, make([]byte, size)); err != nil {
				isError(h.t, "flood", err, guest.ErrQueueFull)
				return nil, nil
			}
		}
		return nil, nil
	}})
	return func(n int) int {
		most = n
		if _, err := h.request(name, "flood"); err != nil {
			h.t.Fatal(err)
		}
		return sent
	}
}

// step lets the target handle some messages.
func (h *held) step(messages int) {
	for range messages {
		h.release <- struct{}{}
		receive(h.t, "the next message", h.entered)
	}
}

// TestFloodLeavesPlaces: while less than a quarter of a mailbox is free, it refuses
// the messages of a sender that holds half of it. Other senders may use the last
// place.
func TestFloodLeavesPlaces(t *testing.T) {
	h := newHeld(t, core.Limits{Mailbox: 16})
	a, b, c := h.sender("s/a", "a/target", 0), h.sender("s/b", "a/target", 0), h.sender("s/c", "a/target", 0)
	equal(t, "taken of a flood", a(100), 13)
	equal(t, "taken of a flood that goes on", a(100), 0)
	equal(t, "taken of another one", b(1), 1)
	check(t, h.Send(id("a/target"), nil)) // from the host
	equal(t, "taken up to the last place", c(100), 1)
	equal(t, "taken of a full mailbox", b(100), 0)
	isError(t, "the host's message to a full mailbox", h.Send(id("a/target"), nil), core.ErrQueueFull)
	h.step(5)
	equal(t, "taken of the flood while it holds half", a(100), 2) // 5 places are free, and it may use them until fewer than 4 are
	equal(t, "taken of another one", b(2), 2)
	h.step(4)
	equal(t, "taken of two floods: the first", a(100), 2)
	equal(t, "taken of two floods: the second", b(100), 3)
	close(h.release)
	h.balance()
}

// TestHostHasNoShare: the messages of Go programs may fill a mailbox, since their
// senders are not known.
func TestHostHasNoShare(t *testing.T) {
	h := newHeld(t, core.Limits{Mailbox: 16})
	for range 16 {
		check(t, h.Send(id("a/target"), nil))
	}
	isError(t, "one more", h.Send(id("a/target"), nil), core.ErrQueueFull)
	close(h.release)
	h.balance()
}

// TestFloodOfItself: a component that sends to itself is a sender like any other.
func TestFloodOfItself(t *testing.T) {
	h := start(t, host.Config{})
	var sent atomic.Int32
	d := deployment("a/self", behaviour{message: func(g guest.Host, sender string, _ []byte) ([]byte, error) {
		for sender == core.HostID.String() && g.Send("a/self", nil) == nil {
			sent.Add(1)
		}
		return nil, nil
	}})
	d.Limits.Mailbox = 16
	check(t, h.Deploy(within(t), d))
	h.do("a/self")
	equal(t, "taken", sent.Load(), 13)
	h.balance()
}

// TestMailboxBytes: a mailbox limits its bytes as it limits its messages, and the
// bytes of each sender.
func TestMailboxBytes(t *testing.T) {
	const size = 256<<10 - core.MessageOverhead
	h := newHeld(t, core.Limits{MailboxBytes: 4 << 20, MessageSize: size})
	a, b := h.sender("s/a", "a/target", size), h.sender("s/b", "a/target", size)
	small := h.sender("s/small", "a/target", 0)
	if got := a(100); got < 12 || got > 13 { // buffers are rounded up
		t.Errorf("%d messages of 256 KiB were taken of a flood, want 13 for 3 MiB", got)
	}
	if got := b(100); got < 2 || got > 3 {
		t.Errorf("%d messages of 256 KiB were taken of another one, want 3 for 1 MiB", got)
	}
	if got := small(10); got < 1 {
		t.Error("no message without a payload was taken, want at least one")
	}
	equal(t, "taken of the flood", a(100), 0)
	close(h.release)
	h.balance()
	equal(t, "mailboxes of which nothing is left: dead letters", h.Snapshot().DeadLetters, 0)
}

// TestEmptyMessagesCount: messages without a payload count to the bytes of a mailbox
// too.
func TestEmptyMessagesCount(t *testing.T) {
	h := newHeld(t, core.Limits{Mailbox: 1e6, MailboxBytes: 1 << 20, MessageSize: 1024})
	sent := 0
	for h.Send(id("a/target"), nil) == nil {
		sent++
	}
	if most := 1 << 20 / core.MessageOverhead; sent > most || sent < most/2 {
		t.Errorf("%d were taken, want about %d", sent, most)
	}
	close(h.release)
	h.balance()
}

// TestOutcomeBytes: a response that does not fit into the mailbox becomes a failure
// that names the limit. Each request ends once.
func TestOutcomeBytes(t *testing.T) {
	const requests, size = 20, 512 << 10
	h := start(t, host.Config{Workers: 2})
	entered, release := make(chan struct{}), make(chan struct{})
	got := make(chan string, requests)
	d := deployment("a/asker", behaviour{
		message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			for range requests {
				if _, err := g.Request("a/large", nil, 0); err != nil {
					t.Error(err)
				}
			}
			close(entered)
			<-release
			return nil, nil
		},
		callback: func(_ guest.Host, _ guest.RequestID, response []byte, failure error) error {
			if failure != nil {
				got <- failure.Error()
			} else {
				got <- fmt.Sprint(len(response))
			}
			return nil
		},
	})
	d.Limits.MailboxBytes = 4 << 20
	check(t, h.Deploy(within(t), d))
	h.deploy("a/large", responder(func([]byte) ([]byte, error) { return make([]byte, size), nil }))
	check(t, h.Send(id("a/asker"), nil))
	receive(t, "entering", entered)
	h.waitFor("all responses", func() bool { return h.Snapshot().Handled == requests })
	close(release)
	whole, failed := 0, 0
	for range requests {
		switch text := receive(t, "a callback", got); {
		case text == fmt.Sprint(size):
			whole++
		case strings.HasPrefix(text, "failed: ") && strings.Contains(text, "limits.mailbox_bytes"):
			failed++
		default:
			t.Errorf("a request ended with %.80q", text)
		}
	}
	if whole > 4<<20/size || whole < 4 || whole+failed != requests {
		t.Errorf("%d responses and %d failures, want at most %d responses", whole, failed, 4<<20/size)
	}
	h.balance()
}

// TestNoRoomForTheLargest: Deploy refuses limits with which the largest message does
// not fit into the mailbox.
func TestNoRoomForTheLargest(t *testing.T) {
	h := start(t, host.Config{})
	d := deployment("a/b", echo)
	d.Limits = core.Limits{MailboxBytes: 4096, MessageSize: 4096 - core.MessageOverhead + 1}
	err := h.Deploy(within(t), d)
	if err == nil || !strings.Contains(err.Error(), "limits.mailbox_bytes") {
		t.Errorf("got %v, want an error that names limits.mailbox_bytes", err)
	}
	d.Limits.MessageSize--
	check(t, h.Deploy(within(t), d))
	for range 10 { // each fits
		check(t, h.Send(d.ID, make([]byte, d.Limits.MessageSize)))
		h.quiesce()
	}
	d.ID = id("airhost/gateway")
	isError(t, "deployment in the host's namespace", h.Deploy(within(t), d), core.ErrInvalidID)
}
