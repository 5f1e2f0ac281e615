package nats

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// origin is the host that a request came from: its outcome goes there.
type origin struct {
	broker *Broker
	host   string

	mu      sync.Mutex // guards the fields below
	waiting []*core.Message
	bytes   int // of their payloads
	queued  bool
}

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
	if len(b.origins) >= maxOrigins {
		maps.DeleteFunc(b.origins, func(_ string, o *origin) bool { return o.isIdle() }) // requests in progress keep theirs
	}
	o = &origin{broker: b, host: host}
	b.origins[host] = o
	return o
}

// isIdle reports whether nothing waits for the host.
func (o *origin) isIdle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting) == 0 && !o.queued
}

// Respond implements [core.Origin].
func (o *origin) Respond(m *core.Message) {
	b := o.broker
	if most := b.maxPayload(); len(m.Payload) > most {
		m.Fail(tooLarge(len(m.Payload), most))
	}
	o.mu.Lock()
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

func tooLarge(size, most int) *core.RequestError {
	return &core.RequestError{Reason: core.ReasonUnavailable, Text: fmt.Sprintf("the response has %d bytes, and the NATS server takes at most %d (its max_payload, less a head)", size, most)}
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

// flush sends the outcomes that wait. Those that the server does not take, since the connection is
// lost, wait for the next one, and for the word of the other host, which may get its own later.
func (o *origin) flush(buffer []byte) []byte {
	b := o.broker
	for most := frameMessages; ; {
		n := 0
		if buffer, n = o.next(buffer, b.peers.isBack(o.host), most); n == 0 {
			return buffer
		}
		err := b.publish(b.subjects.outcomes(o.host), "", buffer)
		if errors.Is(err, natsgo.ErrMaxPayload) && (n > 1 || o.shrink()) { // another server than before takes less
			most = max(1, n/2)
			continue
		}
		if err != nil && !errors.Is(err, natsgo.ErrMaxPayload) && b.refusal.Load() != errClosed {
			o.mu.Lock()
			o.queued = false // until the next connection
			o.mu.Unlock()
			return buffer
		}
		o.forget(n)
		if err != nil {
			b.counts.lost.Add(uint64(n))
		}
	}
}

// next makes a frame of the outcomes that wait, and returns their number. Without any, or while the
// other host is not back, the outbox has nothing more of o.
func (o *origin) next(buffer []byte, back bool, messages int) (frame []byte, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	most := min(frameBytes, o.broker.maxPayload())
	buffer = appendHead(buffer[:0], outcomesFrame, o.broker.config.Host)
	for size := 0; back && n < len(o.waiting) && n < messages; n++ {
		if size += outcomeSize(o.waiting[n]); n > 0 && size > most {
			break
		}
		buffer = appendOutcome(buffer, o.waiting[n])
	}
	o.queued = n > 0
	return buffer, n
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
	m.Fail(tooLarge(len(m.Payload), o.broker.maxPayload()))
	o.bytes += outcomeSize(m)
	return true
}

// forget releases the first n outcomes, which have been sent.
func (o *origin) forget(n int) {
	o.mu.Lock()
	sent := o.waiting[:n:n]
	if o.waiting = o.waiting[n:]; len(o.waiting) == 0 {
		o.waiting = nil
	}
	for _, m := range sent {
		o.bytes -= outcomeSize(m)
	}
	o.mu.Unlock()
	for _, m := range sent {
		m.Release()
	}
}

// resume sends the outcomes that waited for a connection.
func (o *origin) resume() {
	o.mu.Lock()
	queues := len(o.waiting) > 0 && !o.queued
	o.queued = o.queued || queues
	o.mu.Unlock()
	if queues {
		o.broker.outbox.add(o)
	}
}

// resumeOutcomes sends the outcomes for hosts that have not said that they are back.
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
	host := r.open(outcomesFrame)
	for r.more() {
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
