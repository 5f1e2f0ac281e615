package nats

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core"
)

// mailRoute is the route to a component with a durable mailbox, on this host or another. It hands
// fire-and-forget messages to the stream, and requests to the component.
//
// A message is sent until JetStream has answered that it is stored. The stream knows it by its
// number, so that it is stored once. Of each sender one message is on its way at a time: should it
// be lost, none overtakes it.
type mailRoute struct {
	broker  *Broker
	target  core.ComponentID
	number  uint64
	subject string
	gone    atomic.Bool // the directory does not have the component any more

	mu      sync.Mutex // guards the fields below
	letters map[uint64]*letter
	lanes   map[core.ComponentID]*outLane
	ready   []*letter // to be sent
	queued  bool      // the outbox has the route
	last    uint64
	bytes   int
	waits   bool      // messages that went directly have not ended
	before  []*letter // of these, to be stored
	after   []*letter // taken meanwhile
	told    time.Time // when an error of JetStream was logged last
}

// letter is a message that is taken, and not stored as far as is known.
type letter struct {
	message *core.Message
	number  uint64
	lane    *outLane  // of its sender; nil if that stands for many
	sent    time.Time // zero while it waits to be sent
}

// outLane are the messages of one sender that wait for the one before them.
type outLane struct{ waiting []*letter }

var errNotStored = &core.MessagingError{Case: core.CaseUnavailable, Text: "JetStream has not confirmed that the message is stored, which it may be"}

// mailRouteTo returns the route to a durable mailbox.
func (b *Broker) mailRouteTo(target core.ComponentID) (*mailRoute, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &b.mail
	if r := m.routes[target]; r != nil {
		return r, nil
	}
	if m.answers == nil {
		s, err := b.server.Subscribe(b.subjects.stored(b.config.Host), func(in *natsgo.Msg) {
			if b.enter() {
				defer b.work.Done()
				b.storedCame(in)
			}
		})
		if err != nil {
			return nil, &core.MessagingError{Case: core.CaseUnavailable, Text: "NATS: " + err.Error()}
		}
		m.answers = s
	}
	m.last++
	r := &mailRoute{
		broker: b, target: target, number: m.last, subject: b.subjects.mail(target),
		letters: map[uint64]*letter{}, lanes: map[core.ComponentID]*outLane{},
	}
	m.routes[target], m.numbered[r.number] = r, r
	b.followLocked(r)
	return r, nil
}

func (b *Broker) allMailRoutes() (all []*mailRoute) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, r := range b.mail.routes {
		all = append(all, r)
	}
	return all
}

// Deliver implements [core.Receiver].
func (r *mailRoute) Deliver(m *core.Message) error {
	if m.IsRequest() || r.gone.Load() {
		way, err := r.broker.directRoute(r.target)
		if direct, is := way.(*remote); is && err == nil {
			return direct.deliverDirectly(m)
		}
		if err != nil {
			return err
		}
		return way.Deliver(m)
	}
	return r.post(m)
}

// deliverMail hands a message to the durable mailbox of its target.
func (b *Broker) deliverMail(m *core.Message) error {
	r, err := b.mailRouteTo(m.Target)
	if err != nil {
		return err
	}
	return r.Deliver(m)
}

// post takes a message for the stream.
func (r *mailRoute) post(m *core.Message) error {
	b, size := r.broker, len(m.Payload)
	if !b.fits(m) {
		return tooLargeToSend(size, b.maxPayload())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.closedLocked(); err != nil {
		return err
	}
	if len(r.letters) >= mailWindow || r.bytes > 0 && (r.bytes+size > mailBytes || b.mail.bytes.Load()+int64(size) > allMailBytes) {
		return &core.MessagingError{Case: core.CaseQueueFull, Text: r.target.String() + ": JetStream has not confirmed the messages before"}
	}
	if l := r.takeLocked(m); r.waits {
		r.after = append(r.after, l)
	} else {
		r.queueLocked(l)
	}
	return nil
}

// closedLocked returns the reason if the broker takes nothing more. Close looks at all routes afterwards.
func (r *mailRoute) closedLocked() error {
	if refused := r.broker.refusal.Load(); refused != nil && refused != errLost {
		return refused
	}
	return nil
}

// takeLocked takes a message.
func (r *mailRoute) takeLocked(m *core.Message) *letter {
	r.last++
	l := &letter{message: m, number: r.last}
	r.letters[l.number] = l
	r.bytes += len(m.Payload)
	r.broker.mail.bytes.Add(int64(len(m.Payload)))
	return l
}

// queueLocked sends a letter, if none of its sender is on its way.
func (r *mailRoute) queueLocked(l *letter) {
	if sender := l.message.Sender; sender.Namespace() != core.HostNamespace {
		if lane := r.lanes[sender]; lane != nil {
			l.lane = lane
			lane.waiting = append(lane.waiting, l)
			return
		}
		l.lane = new(outLane)
		r.lanes[sender] = l.lane
	}
	r.sendLocked(l)
}

// sendLocked makes the outbox send a letter.
func (r *mailRoute) sendLocked(l *letter) {
	r.ready = append(r.ready, l)
	if !r.queued {
		r.queued = true
		r.broker.outbox.add(r)
	}
}

// flush sends the letters that are ready. The outbox calls it.
func (r *mailRoute) flush(buffer []byte) []byte {
	b := r.broker
	for {
		r.mu.Lock()
		if len(r.ready) == 0 || b.refusal.Load() != nil { // the next connection sends all again
			r.queued = false
			r.mu.Unlock()
			return buffer
		}
		l := r.ready[0]
		r.ready = r.ready[1:]
		if r.letters[l.number] != l {
			r.mu.Unlock()
			continue
		}
		l.sent = time.Now()
		buffer = appendMessage(appendHead(buffer[:0], messagesFrame, b.config.Host), l.message, 0)
		r.mu.Unlock()
		err := b.server.PublishMsg(&natsgo.Msg{
			Subject: r.subject, Reply: b.subjects.storedReply(b.config.Host, r.number, l.number), Data: buffer,
			Header: natsgo.Header{natsgo.MsgIdHdr: {fmt.Sprintf("%s %s %x %x", b.config.Host, b.run, r.number, l.number)}},
		})
		if err == natsgo.ErrMaxPayload { // another server than before takes less
			r.refuseLarge(l.number)
		}
	}
}

// end removes a letter, and makes the next one of its sender follow. It returns the message, or nil if
// the letter has ended before.
func (r *mailRoute) end(number uint64) *core.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.letters[number]
	if l == nil {
		return nil
	}
	delete(r.letters, number)
	r.bytes -= len(l.message.Payload)
	r.broker.mail.bytes.Add(-int64(len(l.message.Payload)))
	if l.lane == nil {
		return l.message
	}
	if len(l.lane.waiting) == 0 {
		delete(r.lanes, l.message.Sender)
		return l.message
	}
	next := l.lane.waiting[0]
	l.lane.waiting = l.lane.waiting[1:]
	r.sendLocked(next)
	return l.message
}

// stored ends a letter that is in the stream.
func (r *mailRoute) stored(number uint64) {
	if m := r.end(number); m != nil {
		r.broker.counts.left.Add(1)
		m.Release()
	}
}

// refuse ends a letter that the stream does not take.
func (r *mailRoute) refuse(number uint64, reason *core.MessagingError) {
	if m := r.end(number); m != nil {
		r.broker.home.Undelivered(m, reason)
	}
}

// refuseLarge ends a letter that is too large for the server or the stream.
func (r *mailRoute) refuseLarge(number uint64) {
	if m := r.end(number); m != nil {
		r.broker.home.Undelivered(m, tooLargeToSend(len(m.Payload), r.broker.maxPayload()))
	}
}

// resend sends the letters again that were sent before some time, in order.
func (r *mailRoute) resend(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.letters {
		if !l.sent.IsZero() && l.sent.Before(before) {
			l.sent = time.Time{}
			r.ready = append(r.ready, l)
		}
	}
	slices.SortFunc(r.ready, byNumber)
	if len(r.ready) > 0 && !r.queued { // some may have waited for a connection
		r.queued = true
		r.broker.outbox.add(r)
	}
}

func byNumber(a, b *letter) int { return cmp.Compare(a.number, b.number) }

// giveBack ends all letters.
func (r *mailRoute) giveBack(reason *core.MessagingError) {
	r.mu.Lock()
	var all []*letter
	for _, l := range r.letters {
		all = append(all, l)
	}
	r.letters, r.lanes, r.ready, r.before, r.after = map[uint64]*letter{}, map[core.ComponentID]*outLane{}, nil, nil, nil
	r.broker.mail.bytes.Add(-int64(r.bytes))
	r.bytes = 0
	r.mu.Unlock()
	slices.SortFunc(all, byNumber)
	for _, l := range all {
		r.broker.home.Undelivered(l.message, reason)
	}
}

// isIdle reports whether all messages are stored.
func (r *mailRoute) isIdle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.letters) == 0
}

// streamAnswer is JetStream's, to a message for a stream.
type streamAnswer struct {
	Stream string              `json:"stream"`
	Error  *jetstream.APIError `json:"error"`
}

// storedCame handles the answer to a letter.
func (b *Broker) storedCame(in *natsgo.Msg) {
	route, number, ok := b.subjects.parseReceipt(in.Subject)
	b.mu.RLock()
	r := b.mail.numbered[route]
	b.mu.RUnlock()
	if !ok || r == nil {
		return
	}
	var got streamAnswer
	if len(in.Data) == 0 && in.Header.Get("Status") == "503" {
		r.later("no stream takes it: the server has no JetStream, or not yet")
		return
	}
	if err := json.Unmarshal(in.Data, &got); err != nil || got.Error == nil && got.Stream != b.subjects.stream() {
		b.discard(in, errFrame) // the letter is sent again
		return
	}
	switch {
	case got.Error == nil:
		r.stored(number)
	case strings.HasPrefix(got.Error.Description, "maximum "): // messages per subject, messages or bytes
		r.refuse(number, &core.MessagingError{Case: core.CaseQueueFull, Text: r.target.String() + ": " + core.CutText(got.Error.Description, core.MaxErrorText/2)})
	case got.Error.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum:
		r.refuseLarge(number)
	default:
		r.later(got.Error.Description)
	}
}

// later logs why the stream does not take a letter now: it is sent again.
func (r *mailRoute) later(why string) {
	r.mu.Lock()
	tell := time.Since(r.told) > 10*time.Second
	if tell {
		r.told = time.Now()
	}
	r.mu.Unlock()
	if tell {
		r.broker.log.Warn("a message for a durable mailbox is not stored yet, it is sent again", "target", r.target.String(), "reason", why)
	}
}
