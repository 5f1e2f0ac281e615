package brokertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

var (
	alice = core.MustComponentID("suite/alice")
	bob   = core.MustComponentID("suite/bob")
	carol = core.MustComponentID("suite/carol")
)

// queue keeps items until the case takes them.
type queue[T any] struct {
	mu    sync.Mutex // guards items
	items []T
	some  chan struct{} // has a token after a put
}

func newQueue[T any]() *queue[T] { return &queue[T]{some: make(chan struct{}, 1)} }

func (q *queue[T]) put(item T) {
	q.mu.Lock()
	q.items = append(q.items, item)
	q.mu.Unlock()
	select {
	case q.some <- struct{}{}:
	default:
	}
}

func (q *queue[T]) take() (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return item, false
	}
	item = q.items[0]
	q.items = q.items[1:]
	return item, true
}

func (q *queue[T]) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// wait returns the queue's next item, or false if none comes in time.
func (q *queue[T]) wait() (T, bool) {
	tooLong := time.After(patience)
	for {
		if item, ok := q.take(); ok {
			return item, true
		}
		select {
		case <-q.some:
		case <-tooLong:
			var none T
			return none, false
		}
	}
}

// await returns the queue's next item. It ends the case if none comes in time.
func await[T any](f *fixture, q *queue[T], want string, args ...any) T {
	f.t.Helper()
	item, ok := q.wait()
	f.require(ok, "nothing for "+patience.String(), want, args...)
	return item
}

// mailbox is a double of a component's mailbox.
type mailbox struct {
	id      core.ComponentID
	arrived *queue[*core.Message]
	gate    chan struct{}       // if not nil, Deliver waits until it is closed
	entered *queue[struct{}]    // has an item for each Deliver that has reached the gate
	taken   func(*core.Message) // if not nil, called with each message that Deliver accepts

	mu     sync.Mutex // guards the fields below
	refuse error
	opened bool
}

func newMailbox(id core.ComponentID) *mailbox {
	return &mailbox{id: id, arrived: newQueue[*core.Message](), entered: newQueue[struct{}]()}
}

// newHeldMailbox returns a mailbox that blocks in Deliver until open is called. A real
// receiver never blocks; this one makes the broker slower than its senders.
func newHeldMailbox(id core.ComponentID) *mailbox {
	box := newMailbox(id)
	box.gate = make(chan struct{})
	return box
}

func (b *mailbox) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gate != nil && !b.opened {
		close(b.gate)
		b.opened = true
	}
}

func (b *mailbox) close() {
	b.refuseWith(&core.MessagingError{Case: core.CaseTargetNotFound, Text: b.id.String()})
}

func (b *mailbox) refuseWith(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = err
}

// Deliver implements [core.Receiver].
func (b *mailbox) Deliver(m *core.Message) error {
	if b.gate != nil {
		b.entered.put(struct{}{})
		<-b.gate
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	if b.taken != nil {
		b.taken(m)
	}
	b.arrived.put(m)
	return nil
}

// next waits for the mailbox's next message.
func (f *fixture) next(box *mailbox) *core.Message {
	f.t.Helper()
	return await(f, box.arrived, "a message in %s", box.id)
}

// home is a double of the broker's host.
type home struct {
	outcomes    *queue[*core.Message]
	undelivered *queue[undelivered]
}

type undelivered struct {
	message *core.Message
	reason  error
}

func newHome() *home {
	return &home{outcomes: newQueue[*core.Message](), undelivered: newQueue[undelivered]()}
}

// Respond implements [core.Origin].
func (h *home) Respond(m *core.Message) { h.outcomes.put(m) }

// Undelivered implements [core.Origin].
func (h *home) Undelivered(m *core.Message, reason error) { h.undelivered.put(undelivered{m, reason}) }

// numbered returns a message with the payload n.
func numbered(sender, target core.ComponentID, n int) *core.Message {
	m := core.NewMessage(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	m.Sender, m.Target = sender, target
	return m
}

func numberOf(m *core.Message) int {
	if len(m.Payload) != 8 {
		return -1
	}
	return int(binary.LittleEndian.Uint64(m.Payload))
}

// copyOf returns a deep copy of m.
func copyOf(m *core.Message) core.Message {
	c := *m
	c.Payload = bytes.Clone(m.Payload)
	return c
}

// same reports whether two messages are equal except for their origins, which a
// broker may replace.
func same(a, b *core.Message) bool {
	return a.Sender == b.Sender && a.Target == b.Target && a.Correlation == b.Correlation &&
		a.Deadline == b.Deadline && a.Failure == b.Failure && bytes.Equal(a.Payload, b.Payload)
}

func show(m *core.Message) string {
	return fmt.Sprintf("%s→%s correlation %d deadline %d failure %v payload %d bytes %.16x",
		m.Sender, m.Target, m.Correlation, m.Deadline, m.Failure, len(m.Payload), m.Payload)
}

// send delivers m, and tries again while the route is full.
func send(r core.Receiver, m *core.Message) error {
	for {
		err := r.Deliver(m)
		if !errors.Is(err, core.ErrQueueFull) {
			return err
		}
		runtime.Gosched()
	}
}

// account records which numbered messages were accepted. The zero value is empty.
type account struct {
	mu       sync.Mutex // guards accepted
	accepted map[int]bool
}

func (l *account) note(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.accepted == nil {
		l.accepted = make(map[int]bool)
	}
	l.accepted[n] = err == nil
}

// balance checks, after Close, that each accepted message has left the broker once,
// and no other message has.
func (f *fixture) balance(l *account) {
	f.t.Helper()
	delivered, returned := make(map[int]int), make(map[int]int)
	for _, box := range f.boxes {
		for m, ok := box.arrived.take(); ok; m, ok = box.arrived.take() {
			delivered[numberOf(m)]++
		}
	}
	for u, ok := f.home.undelivered.take(); ok; u, ok = f.home.undelivered.take() {
		returned[numberOf(u.message)]++
	}
	for n, accepted := range l.accepted {
		want := 0
		if accepted {
			want = 1
		}
		f.require(delivered[n]+returned[n] == want,
			fmt.Sprintf("message %d (accepted: %t) delivered %d times and undelivered %d times", n, accepted, delivered[n], returned[n]),
			"each accepted message to be delivered or undelivered once, and no refused one")
	}
}
