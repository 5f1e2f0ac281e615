package host

import (
	"fmt"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
)

// reference is a simple mailbox: it counts all its messages each time.
type reference struct {
	t       *testing.T
	limits  core.Limits
	entries []entry
}

// of returns how many messages of a sender wait, and their bytes. The zero sender
// means all senders.
func (r *reference) of(sender core.ComponentID) (messages int, bytes int64) {
	for _, e := range r.entries {
		if !e.outcome && (sender.IsZero() || sender == e.message.Sender) {
			messages++
			bytes += core.MessageOverhead + int64(cap(e.message.Payload))
		}
	}
	return messages, bytes
}

// takes reports whether the mailbox must take a message, by the rules.
func (r *reference) takes(m *core.Message) bool {
	most, mostBytes := r.limits.Mailbox, r.limits.MailboxBytes
	messages, bytes := r.of(core.ComponentID{})
	if messages >= most || bytes+core.MessageOverhead+int64(len(m.Payload)) > mostBytes {
		return false
	}
	if m.Sender.Namespace() == "airhost" {
		return true
	}
	held, heldBytes := r.of(m.Sender)
	few, large := 4*(most-messages) < most, 4*(mostBytes-bytes) < mostBytes
	return !(few && 2*held >= most) && !(large && 2*heldBytes >= mostBytes)
}

// check compares the sums that b keeps with those of the reference.
func (r *reference) check(b *mailbox) {
	r.t.Helper()
	messages, bytes := r.of(core.ComponentID{})
	var outcomes int
	var outcomeBytes int64
	for i, e := range r.entries {
		if b.at(i) != e {
			r.t.Fatalf("entry %d is another one", i)
		}
		if e.outcome {
			outcomes++
			outcomeBytes += outcomeCharge(e.message)
		}
	}
	if b.length != len(r.entries) || b.waiting() != int64(messages) || b.bytes() != bytes || b.outcomeBytes != outcomeBytes {
		r.t.Fatalf("got %d entries, %d messages of %d bytes, %d outcomes of %d bytes\nwant %d, %d, %d, %d, %d",
			b.length, b.waiting(), b.bytes(), b.length-int(b.waiting()), b.outcomeBytes, len(r.entries), messages, bytes, outcomes, outcomeBytes)
	}
	if bytes > r.limits.MailboxBytes {
		r.t.Fatalf("messages of %d bytes wait, where %d are allowed", bytes, r.limits.MailboxBytes)
	}
	small := int64(outcomes) * (core.MessageOverhead + int64(len(errNoPlace.Text)))
	if outcomeBytes > r.limits.MailboxBytes+small {
		r.t.Fatalf("%d outcomes of %d bytes wait, where %d and the small ones are allowed", outcomes, outcomeBytes, r.limits.MailboxBytes)
	}
	for sender, held := range b.shares.of {
		if n, size := r.of(sender); !b.shares.kept || held != (share{int64(n), size}) || n == 0 {
			r.t.Fatalf("%s holds %+v (kept: %t), want %d messages of %d bytes", sender, held, b.shares.kept, n, size)
		}
	}
}

func (r *reference) offer(b *mailbox, m *core.Message) {
	size := len(m.Payload)
	want := r.takes(m)
	if got := !b.crowded() || b.admits(m); got != want {
		r.t.Fatalf("a message of %s with %d bytes (buffer %d): taken %t, want %t; %+v", m.Sender, size, cap(m.Payload), got, want, b.limits)
	}
	if len(m.Payload) != size {
		r.t.Fatalf("a payload of %d bytes became one of %d", size, len(m.Payload))
	}
	if want {
		b.push(entry{message: m})
		r.entries = append(r.entries, entry{message: m})
	}
}

// FuzzMailbox compares a mailbox with the reference, after each of the same steps.
func FuzzMailbox(f *testing.F) {
	f.Add(byte(8), byte(40), []byte(strings.Repeat("\x00\x10", 30)))
	f.Add(byte(1), byte(0), []byte("\x00\x00\x00\x00\x60\x00\x00"))
	f.Add(byte(5), byte(255), []byte(strings.Repeat("\x00\x08\x01\x08\xff\x00", 20)))
	f.Add(byte(33), byte(9), []byte(strings.Repeat("\x00\xff\x41\xf0\x61\x00\x02\x81", 30)))
	f.Fuzz(func(t *testing.T, places, size byte, steps []byte) {
		const messageSize = 1000
		limits := core.Limits{Mailbox: 1 + int(places), MailboxBytes: messageSize + core.MessageOverhead + 100*int64(size), MessageSize: messageSize}
		b := newMailbox(limits)
		r := &reference{t: t, limits: limits}
		senders := []core.ComponentID{core.MustComponentID("a/a"), core.MustComponentID("a/b"), core.MustComponentID("b/c"), core.HostID}
		for ; len(steps) >= 2; steps = steps[2:] {
			n := messageSize * int(steps[1]) / 255
			m := &core.Message{Sender: senders[steps[0]&3], Payload: make([]byte, n, min(2*messageSize, n+4*int(steps[0]>>2&7)))}
			switch steps[0] >> 5 {
			case 7, 6:
				if b.length > 0 {
					if e := b.pop(); e != r.entries[0] {
						t.Fatal("another one was popped")
					}
					r.entries = r.entries[1:]
				}
			case 5:
				r.outcome(&b, m, steps[1])
			case 4:
				if steps[1] == 0 {
					r.takeMessages(&b)
				}
			default:
				r.offer(&b, m)
			}
			r.check(&b)
		}
	})
}

func (r *reference) outcome(b *mailbox, m *core.Message, arg byte) {
	if arg&1 == 1 {
		m.Fail(&core.RequestError{Reason: core.ReasonTrapped, Text: strings.Repeat("x", 4*int(arg))})
	}
	failed, size := m.Failure, len(m.Payload)
	b.push(entry{message: m, outcome: true})
	r.entries = append(r.entries, entry{message: m, outcome: true})
	switch {
	case failed == nil && m.Failure == nil && len(m.Payload) == size:
	case failed == nil && m.Failure == b.limits.noPlace && len(m.Payload) == 0:
	case failed != nil && m.Failure != nil && m.Failure.Reason == failed.Reason && len(m.Payload) == 0:
	default:
		r.t.Fatalf("an outcome of %d bytes, failed for %v, became %v with %d bytes", size, failed, m.Failure, len(m.Payload))
	}
}

func (r *reference) takeMessages(b *mailbox) {
	var outcomes []entry
	for _, e := range r.entries {
		if e.outcome {
			outcomes = append(outcomes, e)
		}
	}
	if got := b.takeMessages(); len(got) != len(r.entries)-len(outcomes) {
		r.t.Fatalf("%d messages were taken, want %d", len(got), len(r.entries)-len(outcomes))
	}
	r.entries = outcomes
}

func fromSender(n int) *core.Message {
	return &core.Message{Sender: core.MustComponentID(fmt.Sprintf("s/%d", n))}
}

// TestSharesAreCountedSeldom: during a flood, the mailbox counts the messages of
// each sender only once, and allocates nothing for a refused message.
func TestSharesAreCountedSeldom(t *testing.T) {
	b := newMailbox(core.Limits{Mailbox: 1000}.WithDefaults())
	flood, other := fromSender(0), fromSender(1)
	for !b.crowded() {
		b.push(entry{message: flood})
	}
	if b.shares.kept {
		t.Fatal("shares are kept in a mailbox of which a quarter is free")
	}
	if b.admits(flood) || !b.admits(other) || !b.shares.kept {
		t.Fatalf("of a crowded mailbox: %+v", b.shares)
	}
	// If it counted again, that would undo this change.
	b.shares.add(other.Sender, 1000, 0)
	allocs := testing.AllocsPerRun(1000, func() {
		if b.admits(flood) || b.admits(other) {
			t.Error("it was counted again")
		}
		b.push(b.pop())
	})
	if allocs > 0 {
		t.Errorf("%v allocations for each refused message", allocs)
	}
	b.shares.add(other.Sender, -1000, 0)
	for b.waiting() > 625 {
		if !b.shares.kept {
			t.Fatalf("shares are not kept any more while %d wait", b.waiting())
		}
		b.pop()
	}
	if b.shares.kept || len(b.shares.of) > 0 {
		t.Errorf("shares are kept while three eighths are free: %+v", b.shares)
	}
}

// BenchmarkMailbox puts a message into a mailbox and takes one out. One mailbox is
// nearly empty, and the other nearly full.
func BenchmarkMailbox(b *testing.B) {
	for name, waiting := range map[string]int{"calm": 1, "crowded": 1000} {
		b.Run(name, func(b *testing.B) {
			box := newMailbox(core.Limits{}.WithDefaults())
			messages := [4]*core.Message{fromSender(0), fromSender(1), fromSender(2), fromSender(3)}
			for i := range waiting {
				box.push(entry{message: messages[i&3]})
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m := messages[i&3]
				if box.crowded() && !box.admits(m) {
					b.Fatal("refused")
				}
				box.push(entry{message: m})
				box.pop()
			}
		})
	}
}
