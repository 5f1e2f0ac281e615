package nats

import (
	"fmt"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

const (
	// A frame is sent when it has frameMessages messages or frameBytes bytes, or when no more wait.
	frameMessages = 1024
	frameBytes    = 128 << 10
	// frameSlack is more than all of a message that is not its payload.
	frameSlack = 1 << 10
	// firstWindow and firstBytes are the credit of a route before the first receipt.
	firstWindow = 256
	firstBytes  = 4 << 20
	// maxWindow and maxWindowBytes are the most that a receipt grants.
	maxWindow      = 8192
	maxWindowBytes = 16 << 20
)

// remote is the route to a component of another host.
type remote struct {
	broker  *Broker
	target  core.ComponentID
	number  uint64 // names the route in receipts
	subject string

	mu      sync.Mutex // guards the fields below; locked before all others of the package but Broker.mu
	credit  receipt    // the last one: its window holds
	pending int        // messages that are taken and have no receipt
	bytes   int        // of their payloads
	waiting []*frame
	queued  bool              // the outbox has the route
	frames  map[uint64]*frame // without a receipt
	ending  []*frame          // that have one or were given back, and whose messages have not all ended
	last    uint64            // the number of the last frame
	heard   time.Time         // when the last receipt came
	retired bool              // it takes nothing: the broker has forgotten it, or it is here
	here    bool              // the target has come to this host
	mail    bool              // the target has a durable mailbox: messages other than requests go there
	before  int               // frames that were taken before and have not ended
}

// frame is a frame of messages that the host which gets it has not confirmed.
type frame struct {
	messages []*core.Message
	bytes    int     // of their payloads
	data     *buffer // as they are sent; nil afterwards
	word     bool    // it is a word about a component that has left, without messages, number and receipt
	sent     time.Time
	before   bool // it was taken before the target was known to have a durable mailbox
}

// buffer is memory for a frame.
type buffer struct{ data []byte }

// frames and buffers are those that nobody uses.
var (
	frames  = sync.Pool{New: func() any { return new(frame) }}
	buffers = sync.Pool{New: func() any { return new(buffer) }}
)

// release gives a frame back that has no messages any more.
func (f *frame) release() {
	clear(f.messages)
	*f = frame{messages: f.messages[:0]}
	frames.Put(f)
}

// release gives a buffer back, unless it is very large.
func (b *buffer) release() {
	if cap(b.data) <= keptBuffer {
		buffers.Put(b)
	}
}

func (b *Broker) newRemote(target core.ComponentID, number uint64) *remote {
	return &remote{
		broker: b, target: target, number: number, subject: b.subjects.to(target),
		credit: receipt{window: firstWindow, bytes: firstBytes}, frames: make(map[uint64]*frame),
	}
}

// Deliver implements [core.Receiver].
func (r *remote) Deliver(m *core.Message) error {
	r.mu.Lock()
	if r.mail && !m.IsRequest() {
		r.mu.Unlock()
		return r.broker.deliverMail(m)
	}
	return r.deliverAndUnlock(m)
}

// deliverDirectly is Deliver without a look at durable mailboxes.
func (r *remote) deliverDirectly(m *core.Message) error {
	r.mu.Lock()
	return r.deliverAndUnlock(m)
}

func (r *remote) deliverAndUnlock(m *core.Message) error {
	b := r.broker
	if !b.fits(m) {
		r.mu.Unlock()
		return tooLargeToSend(len(m.Payload), b.maxPayload())
	}
	if refused := b.refusal.Load(); refused != nil { // under the lock: Close looks at all routes afterwards
		r.mu.Unlock()
		return refused
	}
	if r.retired {
		r.mu.Unlock()
		return r.elsewhere().Deliver(m)
	}
	if r.pending >= r.credit.window || r.pending > 0 && r.bytes+len(m.Payload) > r.credit.bytes {
		r.mu.Unlock()
		b.watched.full.Add(1)
		return &core.MessagingError{Case: core.CaseQueueFull, Text: r.target.String()}
	}
	r.pending++
	r.bytes += len(m.Payload)
	r.writeLocked(m)
	queues := !r.queued
	r.queued = true
	r.mu.Unlock()
	if queues {
		b.outbox.add(r)
	}
	return nil
}

// fits reports whether a message or an outcome fits into a frame that the server takes.
func (b *Broker) fits(m *core.Message) bool { return len(m.Payload) <= b.maxPayload() }

// tooLarge says that it does not fit.
func tooLarge(name string, size, most int) string {
	return fmt.Sprintf("%s has %d bytes, and the NATS server takes at most %d bytes (its max_payload, less a head)", name, size, most)
}

func tooLargeToSend(size, most int) *core.MessagingError {
	return &core.MessagingError{Case: core.CaseInvalidArgument, Text: tooLarge("the message", size, most)}
}

// writeLocked writes a message into the last frame that waits, or into a new one if that is full.
func (r *remote) writeLocked(m *core.Message) {
	size := frameSlack/4 + len(m.Payload)
	var f *frame
	if n := len(r.waiting); n > 0 {
		f = r.waiting[n-1]
	}
	if f == nil || f.word || len(f.messages) == frameMessages || len(f.data.data)+size > min(frameBytes, r.broker.maxPayload()+frameSlack) {
		f = frames.Get().(*frame)
		f.data = buffers.Get().(*buffer)
		f.data.data = appendHead(f.data.data[:0], messagesFrame, r.broker.config.Host)
		r.waiting = append(r.waiting, f)
	}
	sender, now := m.Sender.String(), int64(0)
	if n := len(f.messages); n > 0 && f.messages[n-1].Sender == m.Sender {
		sender = ""
	}
	if m.Deadline != 0 {
		now = time.Now().UnixNano()
	}
	begin := len(f.data.data)
	if f.data.data = appendMessageOf(f.data.data, m, sender, now); sender != "" && r.broker.fenced.Load() {
		f.data.data = r.broker.fences.add(f.data.data, begin, m.Sender)
	}
	f.messages = append(f.messages, m)
	f.bytes += len(m.Payload)
}

// isIdle reports whether all messages have their receipts.
func (r *remote) isIdle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending == 0
}

// retire makes the broker forget a route that has nothing to do.
func (r *remote) retire() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	idle := r.pending == 0 && len(r.ending) == 0 && !r.queued
	r.retired = idle || r.here
	return idle
}

// flush sends the messages that wait. The outbox calls it.
func (r *remote) flush(buffer []byte) []byte {
	for {
		r.mu.Lock()
		if len(r.waiting) == 0 {
			r.queued = false
			r.mu.Unlock()
			return buffer
		}
		f := r.waiting[0]
		n := copy(r.waiting, r.waiting[1:])
		r.waiting[n] = nil
		r.waiting = r.waiting[:n]
		if f.word {
			r.mu.Unlock()
			r.publishWord(f)
			continue
		}
		r.last++
		number := r.last
		r.frames[number] = f
		f.sent = time.Now()
		data := f.data
		f.data = nil // from now on the frame may end at any time
		r.mu.Unlock()
		reply := r.broker.subjects.receipt(r.broker.config.Host, r.number, number)
		err := r.broker.publish(r.subject, reply, data.data)
		data.release()
		if err != nil {
			r.giveBack(number, &core.MessagingError{Case: core.CaseUnavailable, Text: "NATS: " + err.Error()})
		}
	}
}

// takeLocked removes a frame; nil if its time was over.
func (r *remote) takeLocked(number uint64) *frame {
	f := r.frames[number]
	if f != nil {
		delete(r.frames, number)
		r.endLocked(f)
	}
	return f
}

// endLocked begins to end a frame; ended follows.
func (r *remote) endLocked(f *frame) {
	r.pending -= len(f.messages)
	r.bytes -= f.bytes
	r.ending = append(r.ending, f)
}

// length returns how many messages a frame has that has no receipt.
func (r *remote) length(number uint64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.frames[number]; f != nil {
		return len(f.messages)
	}
	return 0
}

// confirm ends the messages of a frame for which a receipt has come.
func (r *remote) confirm(number uint64, got receipt) {
	r.mu.Lock()
	f := r.takeLocked(number)
	if f != nil {
		r.credit, r.heard = receipt{window: got.window, bytes: got.bytes}, time.Now()
	}
	r.mu.Unlock()
	if f == nil {
		return
	}
	left := uint64(0)
	for i, m := range f.messages {
		if len(got.refusals) > 0 && got.refusals[0].index <= i {
			if got.refusals[0].store && !m.IsRequest() {
				r.storeInstead(m)
			} else {
				r.broker.home.Undelivered(m, got.refusals[0].reason)
			}
			if !got.refusals[0].rest {
				got.refusals = got.refusals[1:]
			}
			continue
		}
		if m.IsRequest() {
			r.broker.peers.expect(got.host, m.Correlation, m.Deadline)
		}
		left++
		m.Release()
	}
	r.broker.counts.left.Add(left)
	r.ended(f)
}

// giveBack ends the messages of a frame that was not delivered, or may not have been.
func (r *remote) giveBack(number uint64, reason *core.MessagingError) {
	r.mu.Lock()
	f := r.takeLocked(number)
	r.mu.Unlock()
	if f != nil {
		r.undelivered(f, reason)
	}
}

// undelivered ends the messages of a frame.
func (r *remote) undelivered(f *frame, reason *core.MessagingError) {
	for _, m := range f.messages {
		r.broker.home.Undelivered(m, reason)
	}
	r.ended(f)
}

// giveAllBack ends all messages that are taken and have no receipt. While there is a connection these
// are the messages of frames that were sent before some time, if no receipt has come since then:
// a host that is slow answers one frame after the other.
func (r *remote) giveAllBack(before time.Time, reason *core.MessagingError) {
	r.mu.Lock()
	var over []*frame
	all, silent := r.broker.refusal.Load() != nil, r.heard.Before(before)
	for number, f := range r.frames {
		if all || f.sent.Before(before) && (silent || f.sent.Before(before.Add(-10*r.broker.config.Lease))) {
			over = append(over, f)
			delete(r.frames, number)
		}
	}
	if all {
		for _, f := range r.waiting {
			f.data.release()
			f.data = nil
		}
		over = append(over, r.waiting...)
		r.waiting = nil
	}
	for _, f := range over {
		r.endLocked(f)
	}
	r.mu.Unlock()
	for _, f := range over {
		r.undelivered(f, reason)
	}
}

// receiptCame handles a message on the subject of a receipt: the receipt, or the server's
// word that no host has the target.
func (b *Broker) receiptCame(in *natsgo.Msg) {
	route, number, ok := b.subjects.parseReceipt(in.Subject)
	if !ok {
		b.discard(in, errFrame)
		return
	}
	if number, is := b.readEcho(in.Data); is {
		b.echo(b.subjects.outcomes(b.config.Host), number)
		return
	}
	r := b.remoteOf(route)
	if r == nil {
		return
	}
	if len(in.Data) == 0 && in.Header.Get("Status") == "503" {
		r.giveBack(number, b.nobodyHas(r.target))
		return
	}
	if host, is := readVersion(in.Data); is {
		r.giveBack(number, &core.MessagingError{Case: core.CaseUnavailable, Text: "host " + host + " does not read this host's version of messages"})
		return
	}
	got, err := readReceipt(in.Data, r.length(number))
	if err != nil {
		b.discard(in, err)
		return
	}
	r.confirm(number, got)
}

// remoteOf returns the route of a number, or nil.
func (b *Broker) remoteOf(number uint64) *remote {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.numbered[number]
}

// nobodyHas is the reason of messages to a target that no host has attached.
func (b *Broker) nobodyHas(target core.ComponentID) *core.MessagingError {
	if b.fences.knows(target) {
		return &core.MessagingError{Case: core.CaseUnavailable, Text: "no host runs " + target.String() + " at the moment"}
	}
	return &core.MessagingError{Case: core.CaseTargetNotFound, Text: target.String()}
}
