package nats

import (
	"errors"
	"maps"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// origin is the host that a request came from: its outcome goes there.
type origin struct {
	broker *Broker
	host   string

	mu       sync.Mutex // guards the fields below
	waiting  []*core.Message
	spare    []*core.Message // memory for waiting
	bytes    int             // of their payloads
	receipts []frameReceipt
	timer    *time.Timer // sends the receipts, if it is timed
	timed    bool
	queued   bool // the outbox has the origin
	retired  bool // the broker has forgotten it
}

// receiptDelay is how long a receipt waits for an outcome with which it goes.
const receiptDelay = time.Millisecond

// receiptSize is more than a receipt has in a frame.
const receiptSize = 64

const (
	// maxOrigins is the most origins that a broker keeps while they have nothing to send.
	maxOrigins = 4096
	// maxOutcomes and maxOutcomeBytes bound the outcomes that wait for one host, such as while the
	// connection is lost.
	maxOutcomes     = 2 * maxWindow
	maxOutcomeBytes = 4 * maxWindowBytes
)

func (b *Broker) origin(host string) *origin {
	b.mu.RLock()
	o := b.origins[host]
	b.mu.RUnlock()
	if o != nil {
		return o
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.origins[host]; o != nil {
		return o
	}
	if b.sweeps.origins.due(len(b.origins), maxOrigins) {
		maps.DeleteFunc(b.origins, func(_ string, o *origin) bool { return o.retire() })
		b.sweeps.origins.done(len(b.origins))
	}
	o = &origin{broker: b, host: host}
	b.origins[host] = o
	return o
}

// retire makes the broker forget an origin that has nothing to send. Requests in progress keep it.
func (o *origin) retire() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retired = len(o.waiting)+len(o.receipts) == 0 && !o.queued
	return o.retired
}

// confirm sends a receipt with the next outcome, or soon.
func (o *origin) confirm(r frameReceipt) {
	o.mu.Lock()
	if o.retired {
		o.mu.Unlock()
		o.broker.origin(o.host).confirm(r)
		return
	}
	defer o.mu.Unlock()
	o.receipts = append(o.receipts, r)
	switch {
	case o.timed || o.queued:
	case o.timer == nil:
		o.timer, o.timed = time.AfterFunc(receiptDelay, o.resume), true
	default:
		o.timer.Reset(receiptDelay)
		o.timed = true
	}
}

// Respond implements [core.Origin].
func (o *origin) Respond(m *core.Message) {
	b := o.broker
	if !b.fits(m) {
		b.failTooLarge(m)
	}
	o.mu.Lock()
	if o.retired {
		o.mu.Unlock()
		b.origin(o.host).Respond(m)
		return
	}
	if b.refusal.Load() == errClosed || len(o.waiting) >= maxOutcomes || o.bytes+outcomeSize(m) > maxOutcomeBytes {
		o.mu.Unlock()
		b.counts.lost.Add(1)
		m.Release()
		return
	}
	o.waiting = append(o.waiting, m)
	o.bytes += outcomeSize(m)
	queues := !o.queued
	o.queued = true
	o.mu.Unlock()
	if queues {
		b.outbox.add(o)
	}
}

// failTooLarge makes an outcome that the server does not take a failure.
func (b *Broker) failTooLarge(m *core.Message) {
	m.Fail(&core.RequestError{Reason: core.ReasonUnavailable, Text: tooLarge("the response", len(m.Payload), b.maxPayload())})
}

// outcomeSize is about how many bytes an outcome has in a frame.
func outcomeSize(m *core.Message) int {
	if m.Failure != nil {
		return len(m.Failure.Text) + frameSlack/4
	}
	return len(m.Payload) + frameSlack/4
}

// Undelivered implements [core.Origin].
func (o *origin) Undelivered(m *core.Message, reason error) {
	if !m.IsRequest() {
		m.Release() // no dead letter of the sending host, which has a receipt
		return
	}
	m.Fail(core.Undelivered(core.AsMessagingError(reason)))
	o.Respond(m)
}

// flush sends the outcomes and receipts that wait. Those that the server does not take, since the
// connection is lost, wait for the next one, and outcomes also for the word of the other host, which
// may get its own later.
func (o *origin) flush(buffer []byte) []byte {
	b := o.broker
	for most := frameMessages; ; {
		n, receipts := 0, 0
		if buffer, n, receipts = o.next(buffer, b.peers.isBack(o.host), most); n+receipts == 0 {
			return buffer
		}
		err := b.publish(b.subjects.outcomes(o.host), "", buffer)
		if errors.Is(err, natsgo.ErrMaxPayload) && (n > 1 || n == 1 && o.shrink()) { // another server than before takes less
			most = max(1, n/2)
			continue
		}
		if err != nil && !errors.Is(err, natsgo.ErrMaxPayload) && b.refusal.Load() != errClosed {
			o.mu.Lock()
			o.queued = false // until the next connection
			o.mu.Unlock()
			return buffer
		}
		o.forget(n, receipts)
		if err != nil {
			b.counts.lost.Add(uint64(n))
		}
	}
}

// next makes a frame of the receipts and outcomes that wait, and returns their numbers. Without any,
// or while the other host is not back, the outbox has nothing more of o.
func (o *origin) next(buffer []byte, back bool, messages int) (frame []byte, n, receipts int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	most := min(frameBytes, o.broker.maxPayload())
	buffer = appendHead(buffer[:0], outcomesFrame, o.broker.config.Host)
	size := 0
	for ; receipts < len(o.receipts) && (receipts == 0 || size < most/2); receipts++ {
		size += receiptSize
		buffer = appendFrameReceipt(buffer, o.receipts[receipts])
	}
	for ; back && n < len(o.waiting) && n < messages; n++ {
		if size += outcomeSize(o.waiting[n]); n > 0 && size > most {
			break
		}
		buffer = appendOutcome(buffer, o.waiting[n])
	}
	o.queued = n+receipts > 0
	return buffer, n, receipts
}

// shrink makes the first outcome, which no server takes, a failure. It reports whether it was none.
func (o *origin) shrink() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.waiting[0]
	if m.Failure != nil {
		return false
	}
	o.bytes -= outcomeSize(m)
	o.broker.failTooLarge(m)
	o.bytes += outcomeSize(m)
	return true
}

// forget releases the first n outcomes, which have been sent, and the first receipts.
func (o *origin) forget(n, receipts int) {
	o.mu.Lock()
	o.receipts = append(o.receipts[:0], o.receipts[receipts:]...)
	sent, all := o.waiting[:n:n], n == len(o.waiting)
	if o.waiting = o.waiting[n:]; all {
		o.waiting, o.spare = o.spare, nil
	}
	for _, m := range sent {
		o.bytes -= outcomeSize(m)
	}
	o.mu.Unlock()
	for i, m := range sent {
		m.Release()
		sent[i] = nil
	}
	if all && n <= frameMessages {
		o.mu.Lock()
		o.spare = sent[:0]
		o.mu.Unlock()
	}
}

// resume sends the receipts that have waited, and the outcomes that waited for a connection.
func (o *origin) resume() {
	o.mu.Lock()
	o.timed = false
	queues := len(o.waiting)+len(o.receipts) > 0 && !o.queued
	o.queued = o.queued || queues
	o.mu.Unlock()
	if queues {
		o.broker.outbox.add(o)
	}
}

// resumeOutcomes sends all that waits for the other hosts, also for those that have not said that they
// are back.
func (b *Broker) resumeOutcomes() {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, o := range b.origins {
		o.resume()
	}
}

// outcomesCame handles a frame of outcomes of this host's requests.
func (b *Broker) outcomesCame(in *natsgo.Msg) {
	r := reader{rest: in.Data}
	if number, is := b.readEcho(in.Data); is {
		b.peers.echoed(number)
		return
	}
	host := r.open(outcomesFrame)
	for r.more() {
		if r.isReceipt() {
			if got := r.receipt(); r.err == nil {
				b.confirmed(host, got)
			}
			continue
		}
		correlation, failed, payload := r.outcome()
		if r.err != nil {
			break
		}
		b.peers.answered(host, correlation)
		m := core.NewMessage(nil)
		m.Correlation = correlation
		if failed {
			m.Failure = core.ParseRequestError(core.CutText(string(payload), core.MaxErrorText))
		} else {
			m.Payload = append(m.Payload, payload...)
		}
		b.home.Respond(m)
	}
	if r.err != nil {
		b.discard(in, r.err)
	}
}

// confirmed handles a receipt that came with outcomes.
func (b *Broker) confirmed(host string, got frameReceipt) {
	if r := b.remoteOf(got.route); r != nil {
		r.confirm(got.frame, receipt{host: host, window: got.window, bytes: got.bytes})
	}
}
