package host

import (
	"iter"
	"slices"

	"github.com/airhost/airhost/core"
)

// entry is one message in a mailbox.
type entry struct {
	message *core.Message
	outcome bool // of a request that the mailbox's owner sent
	timer   bool // of a timer of the mailbox's owner
}

// mailbox is a component's queue. Its messages are bounded in number and in bytes.
// Outcomes do not count against these limits: their number is bounded by the
// quota of pending requests, and their bytes by as much again. Neither do the messages of
// timers, which have a limit of their own.
type mailbox struct {
	queue[entry]
	// How many messages, and bytes, may come until the mailbox is crowded; below 0
	// when it is.
	spare        int64
	spareBytes   int64
	shares       shares
	outcomeBytes int64
	timers       int // messages of timers that wait, and their bytes
	timerBytes   int64
	limits       mailboxLimits
	elsewhere    iter.Seq[*core.Message] // messages that count but are not in the queue, or nil
}

// mailboxLimits are how many messages, and how many bytes, come before a change.
type mailboxLimits struct {
	most, scarce, ease                int64 // all places, three quarters, and five eighths
	mostBytes, scarceBytes, easeBytes int64
	calmBytes                         int64 // up to which any message fits; may be below 0

	noPlace *core.RequestError // for outcomes that do not fit
}

func newMailbox(limits core.Limits) mailbox {
	most, mostBytes := int64(limits.Mailbox), limits.MailboxBytes
	m := mailboxLimits{
		most: most, scarce: eighths(most, 6), ease: eighths(most, 5),
		mostBytes: mostBytes, scarceBytes: eighths(mostBytes, 6), easeBytes: eighths(mostBytes, 5),
	}
	m.calmBytes = min(m.scarceBytes, m.mostBytes-core.MessageOverhead-largestBuffer(limits.MessageSize))
	m.noPlace = boundRequestError(errNoPlace, failureRoom(errNoPlace.Reason, limits.MessageSize))
	return mailbox{limits: m, spare: m.scarce, spareBytes: m.calmBytes}
}

// setLimits changes the limits. What waits stays, also if it is more than they allow.
func (b *mailbox) setLimits(limits core.Limits) {
	waiting, bytes, changed := b.waiting(), b.bytes(), newMailbox(limits)
	b.limits = changed.limits
	b.spare, b.spareBytes = changed.spare-waiting, changed.spareBytes-bytes
}

// largestBuffer is the largest buffer that a message of a size may come with: one
// that has been grown for it, or one of core's pool.
func largestBuffer(messageSize int) int64 { return max(2*int64(messageSize), 64<<10) }

// eighths returns n eighths of all, rounded down.
func eighths(all, n int64) int64 { return all/8*n + all%8*n/8 }

// waiting returns the number of messages, and bytes their bytes, outcomes and timers left
// out.
func (b *mailbox) waiting() int64 { return b.limits.scarce - b.spare }
func (b *mailbox) bytes() int64   { return b.limits.calmBytes - b.spareBytes }

// crowded reports whether a message may be pushed only if the mailbox admits it:
// less than a quarter is free, or the largest message might not fit.
func (b *mailbox) crowded() bool { return b.spare|b.spareBytes < 0 }

// charge is how many bytes a message counts for. It stays the same while the message
// waits.
func charge(m *core.Message) int64 { return core.MessageOverhead + int64(cap(m.Payload)) }

func outcomeCharge(m *core.Message) int64 {
	n := charge(m)
	if m.Failure != nil {
		n += int64(len(m.Failure.Text))
	}
	return n
}

func (b *mailbox) push(e entry) {
	if e.outcome {
		b.pushOutcome(e)
		return
	}
	b.queue.push(e)
	if e.timer {
		b.timers++
		b.timerBytes += charge(e.message)
		return
	}
	b.entered(e.message)
}

// pushFirst pushes a message before all other entries.
func (b *mailbox) pushFirst(m *core.Message) {
	b.queue.pushFirst(entry{message: m})
	b.entered(m)
}

// entered notes that a message has come into the mailbox.
func (b *mailbox) entered(m *core.Message) {
	n := charge(m)
	b.spare--
	b.spareBytes -= n
	if b.shares.kept {
		b.shares.add(m.Sender, 1, n)
	}
}

func (b *mailbox) pop() entry {
	e := b.queue.pop()
	if e.outcome {
		b.outcomeBytes -= outcomeCharge(e.message)
		return e
	}
	if e.timer {
		b.timers--
		b.timerBytes -= charge(e.message)
		return e
	}
	b.left(e.message)
	return e
}

// left notes that a message has left the mailbox.
func (b *mailbox) left(m *core.Message) {
	n := charge(m)
	b.spare++
	b.spareBytes += n
	if b.shares.kept {
		b.relax(m.Sender, n)
	}
}

// relax notes that a message of n bytes has left the mailbox.
func (b *mailbox) relax(sender core.ComponentID, n int64) {
	b.shares.add(sender, -1, -n)
	if b.waiting() <= b.limits.ease && b.bytes() <= b.limits.easeBytes {
		b.shares.drop()
	}
}

// admits reports whether m may be pushed into a mailbox that is crowded: there is a
// place, and m's sender has not more than its share. A message that is admitted fits.
func (b *mailbox) admits(m *core.Message) bool {
	size := core.MessageOverhead + int64(len(m.Payload))
	if b.waiting() >= b.limits.most || b.bytes()+size > b.limits.mostBytes {
		return false
	}
	if b.waiting() > b.limits.scarce || b.bytes() > b.limits.scarceBytes {
		if !b.withinShare(m.Sender) {
			return false
		}
	}
	if b.bytes()+charge(m) > b.limits.scarceBytes {
		m.Payload = tight(m.Payload)
	}
	return true
}

// withinShare reports whether a sender may take one more place of a mailbox of which
// less than a quarter is free: not if it holds half of it. Senders of the
// host's own namespace stand for many, and have no share.
func (b *mailbox) withinShare(sender core.ComponentID) bool {
	if !b.shares.kept {
		b.countShares()
	}
	held := b.shares.of[sender]
	tooMany := b.waiting() > b.limits.scarce && held.messages >= b.limits.most-b.limits.most/2
	tooLarge := b.bytes() > b.limits.scarceBytes && held.bytes >= b.limits.mostBytes-b.limits.mostBytes/2
	return !tooMany && !tooLarge || sender.Namespace() == core.HostNamespace
}

// countShares looks at all messages. It does so again only when an eighth of the
// mailbox has been filled since, so that it costs little for each message.
func (b *mailbox) countShares() {
	b.shares.keep()
	for i := range b.length {
		if e := b.at(i); !e.outcome && !e.timer {
			b.shares.add(e.message.Sender, 1, charge(e.message))
		}
	}
	if b.elsewhere == nil {
		return
	}
	for m := range b.elsewhere {
		b.shares.add(m.Sender, 1, charge(m))
	}
}

// tight returns payload without a buffer that is larger than it needs.
func tight(payload []byte) []byte {
	if cap(payload) == len(payload) {
		return payload
	}
	copied := slices.Clone(payload)
	return copied[:len(copied):len(copied)]
}

// pushOutcome pushes an outcome, which always has its place. Where outcomes take
// too many bytes it loses its response, or all but the reason of its failure.
func (b *mailbox) pushOutcome(e entry) {
	m := e.message
	if b.outcomeBytes+outcomeCharge(m) > b.limits.mostBytes {
		m.Payload = tight(m.Payload)
	}
	if b.outcomeBytes+outcomeCharge(m) > b.limits.mostBytes {
		m.Payload = nil
		switch {
		case m.Failure == nil:
			m.Failure = b.limits.noPlace
		case len(m.Failure.Text) > len(b.limits.noPlace.Text):
			m.Failure = &core.RequestError{Reason: m.Failure.Reason}
		}
	}
	b.queue.push(e)
	b.outcomeBytes += outcomeCharge(m)
}

// errNoPlace is the outcome of a request if there was no place for its response.
var errNoPlace = &core.RequestError{Reason: core.ReasonFailed, Text: "no place for the response: outcomes that wait take all of limits.mailbox_bytes"}

// takeMessages removes all entries but outcomes, which keep their order.
func (b *mailbox) takeMessages() []*core.Message {
	var taken []*core.Message
	for range b.length {
		if e := b.pop(); e.outcome {
			b.push(e)
		} else {
			taken = append(taken, e.message)
		}
	}
	return taken
}

// takeOutcomes removes all outcomes, and keeps the order of the other entries.
func (b *mailbox) takeOutcomes() (taken []entry) {
	for range b.length {
		if e := b.queue.pop(); !e.outcome {
			b.queue.push(e)
		} else {
			b.outcomeBytes -= outcomeCharge(e.message)
			taken = append(taken, e)
		}
	}
	return taken
}

// shares are the parts of a mailbox that each sender holds. They are kept only while
// the mailbox is nearly full.
type shares struct {
	kept bool
	of   map[core.ComponentID]share // of senders that hold something
}

type share struct {
	messages int64
	bytes    int64
}

func (s *shares) keep() {
	s.kept = true
	if s.of == nil {
		s.of = make(map[core.ComponentID]share)
	}
}

func (s *shares) drop() {
	s.kept = false
	clear(s.of)
}

func (s *shares) add(sender core.ComponentID, messages, bytes int64) {
	held := s.of[sender]
	held.messages += messages
	held.bytes += bytes
	if held.messages == 0 {
		delete(s.of, sender)
		return
	}
	s.of[sender] = held
}
