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
	waiting []*core.Message
	queued  bool             // the outbox has the route
	frames  map[uint64]frame // without a receipt
	last    uint64           // the number of the last frame
	heard   time.Time        // when the last receipt came
	retired bool             // the broker has forgotten it
}

// frame is a frame of messages that the host which got it has not confirmed.
type frame struct {
	messages []*core.Message
	sent     time.Time
}

func (b *Broker) newRemote(target core.ComponentID, number uint64) *remote {
	return &remote{
		broker: b, target: target, number: number, subject: b.subjects.to(target),
		credit: receipt{window: firstWindow, bytes: firstBytes}, frames: make(map[uint64]frame),
	}
}

// Deliver implements [core.Receiver].
func (r *remote) Deliver(m *core.Message) error {
	b := r.broker
	if len(m.Payload) > b.maxPayload() {
		return &core.MessagingError{Case: core.CaseInvalidArgument, Text: fmt.Sprintf("message: the NATS server takes at most %d bytes (its max_payload, less a head)", b.maxPayload())}
	}
	r.mu.Lock()
	if refused := b.refusal.Load(); refused != nil { // under the lock: Close looks at all routes afterwards
		r.mu.Unlock()
		return refused
	}
	if r.retired {
		r.mu.Unlock()
		return b.newRoute(r.target).Deliver(m)
	}
	if r.pending >= r.credit.window || r.pending > 0 && r.bytes+len(m.Payload) > r.credit.bytes {
		r.mu.Unlock()
		return &core.MessagingError{Case: core.CaseQueueFull, Text: r.target.String()}
	}
	r.pending++
	r.bytes += len(m.Payload)
	r.waiting = append(r.waiting, m)
	queues := !r.queued
	r.queued = true
	r.mu.Unlock()
	if queues {
		b.outbox.add(r)
	}
	return nil
}

// retire makes the broker forget a route that has nothing to do.
func (r *remote) retire() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retired = r.pending == 0 && !r.queued
	return r.retired
}

// flush sends the messages that wait. The outbox calls it. buffer is memory for frames.
func (r *remote) flush(buffer []byte) []byte {
	for {
		r.mu.Lock()
		messages := r.nextLocked()
		if len(messages) == 0 {
			r.queued = false
			r.mu.Unlock()
			return buffer
		}
		r.last++
		number := r.last
		r.frames[number] = frame{messages, time.Now()}
		buffer = appendHead(buffer[:0], messagesFrame, r.broker.config.Host)
		now := time.Now().UnixNano()
		fenced := r.broker.fenced.Load()
		for _, m := range messages {
			begin := len(buffer)
			if buffer = appendMessage(buffer, m, now); fenced {
				buffer = r.broker.fences.add(buffer, begin, m.Sender)
			}
		}
		r.mu.Unlock()
		reply := r.broker.subjects.receipt(r.broker.config.Host, r.number, number)
		if err := r.broker.publish(r.subject, reply, buffer); err != nil {
			r.giveBack(number, &core.MessagingError{Case: core.CaseUnavailable, Text: "NATS: " + err.Error()})
		}
	}
}

// nextLocked takes the messages of the next frame from those that wait.
func (r *remote) nextLocked() []*core.Message {
	n, size := 0, 0
	most := min(frameBytes, r.broker.maxPayload())
	for n < len(r.waiting) && n < frameMessages {
		if size += len(r.waiting[n].Payload) + frameSlack/4; n > 0 && size > most {
			break
		}
		n++
	}
	messages := r.waiting[:n:n]
	if r.waiting = r.waiting[n:]; len(r.waiting) == 0 {
		r.waiting = nil
	}
	return messages
}

// take removes a frame.
func (r *remote) take(number uint64) []*core.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	messages := r.frames[number].messages
	delete(r.frames, number)
	r.endLocked(messages)
	return messages
}

func (r *remote) endLocked(messages []*core.Message) {
	r.pending -= len(messages)
	for _, m := range messages {
		r.bytes -= len(m.Payload)
	}
}

// confirm ends the messages of a frame for which a receipt has come.
func (r *remote) confirm(number uint64, data []byte, peers *peers) error {
	r.mu.Lock()
	messages := r.frames[number].messages
	r.mu.Unlock()
	got, err := readReceipt(data, len(messages))
	if err != nil {
		return err
	}
	if messages = r.take(number); len(messages) == 0 {
		return nil // its time was over
	}
	r.mu.Lock()
	r.credit, r.heard = got, time.Now()
	r.mu.Unlock()
	for i, m := range messages {
		if len(got.refusals) > 0 && got.refusals[0].index == i {
			r.broker.home.Undelivered(m, got.refusals[0].reason)
			got.refusals = got.refusals[1:]
			continue
		}
		if m.IsRequest() {
			peers.expect(got.host, m.Correlation, m.Deadline)
		}
		r.broker.counts.left.Add(1)
		m.Release()
	}
	return nil
}

// giveBack ends the messages of a frame that was not delivered, or may not have been.
func (r *remote) giveBack(number uint64, reason *core.MessagingError) {
	for _, m := range r.take(number) {
		r.broker.home.Undelivered(m, reason)
	}
}

// giveAllBack ends all messages that are taken and have no receipt. While there is a connection these
// are the messages of frames that were sent before some time, if no receipt has come since then:
// a host that is slow answers one frame after the other.
func (r *remote) giveAllBack(before time.Time, reason *core.MessagingError) {
	r.mu.Lock()
	var messages []*core.Message
	all, silent := r.broker.refusal.Load() != nil, r.heard.Before(before)
	for number, f := range r.frames {
		if all || f.sent.Before(before) && (silent || f.sent.Before(before.Add(-10*r.broker.config.Lease))) {
			messages = append(messages, f.messages...)
			delete(r.frames, number)
		}
	}
	if all {
		messages = append(messages, r.waiting...)
		r.waiting = nil
	}
	r.endLocked(messages)
	r.mu.Unlock()
	for _, m := range messages {
		r.broker.home.Undelivered(m, reason)
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
	b.mu.RLock()
	r := b.numbered[route]
	b.mu.RUnlock()
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
	if err := r.confirm(number, in.Data, &b.peers); err != nil {
		b.discard(in, err)
	}
}

// nobodyHas is the reason of messages whose target no host has attached.
func (b *Broker) nobodyHas(target core.ComponentID) *core.MessagingError {
	if b.fences.knows(target) {
		return &core.MessagingError{Case: core.CaseUnavailable, Text: "no host runs " + target.String() + " at the moment"}
	}
	return &core.MessagingError{Case: core.CaseTargetNotFound, Text: target.String()}
}
