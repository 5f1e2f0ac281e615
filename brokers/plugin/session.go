package plugin

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// The refusals that are the same for all.
var (
	errDown    = &core.MessagingError{Case: core.CaseUnavailable, Text: "the broker is down"}
	errClosed  = &core.MessagingError{Case: core.CaseUnavailable, Text: "the broker is closed"}
	errFull    = &core.MessagingError{Case: core.CaseQueueFull, Text: "the broker"}
	errTooLong = &core.MessagingError{Case: core.CaseInvalidArgument, Text: fmt.Sprintf("message: the broker takes at most %d bytes", maxPayload)}
	errDied    = &core.MessagingError{Case: core.CaseUnavailable, Text: "the broker died before it confirmed the message"}
	errCutOff  = &core.RequestError{Reason: core.ReasonUnavailable, Text: "the broker died"}
)

// session is what one life of the process is asked to do, and has confirmed.
type session struct {
	broker *Broker

	mu      sync.Mutex // guards what follows
	some    sync.Cond  // there are orders, or closing is set
	closing bool       // it takes no more
	orders  []order    // not taken by the sender
	// open are publications without a receipt, the oldest first; the process has
	// been sent the first of them.
	open  []publication
	bytes int // of their payloads
	sent  int
	// requests that wait for their outcome, with their deadlines. Those that
	// ended otherwise are swept out when there are twice as many.
	requests map[core.RequestID]int64
	sweepAt  int
}

// order is one thing that the process is to do; what is left empty is not meant.
type order struct {
	subscribe, unsubscribe string
	publish                publication
}

// publication is a message, or the outcome of a request that has come from host.
type publication struct {
	message *core.Message
	host    string
}

func (p publication) isOutcome() bool { return p.host != "" }

// minSweep is how many requests are kept before those are looked for that have
// ended.
const minSweep = 1024

func newSession(b *Broker) *session {
	s := &session{broker: b, requests: make(map[core.RequestID]int64), sweepAt: minSweep}
	s.some.L = &s.mu
	return s
}

func (s *session) subscribe(topic string)   { s.order(order{subscribe: topic}) }
func (s *session) unsubscribe(topic string) { s.order(order{unsubscribe: topic}) }

func (s *session) order(o order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(o)
}

// add adds an order, with s.mu held.
func (s *session) add(o order) {
	s.orders = append(s.orders, o)
	s.some.Signal()
}

// deliver takes a message of this host's, or says why not.
func (s *session) deliver(m *core.Message) error {
	if len(m.Payload) > maxPayload {
		return errTooLong
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return errClosed
	case len(s.open) >= s.broker.window || s.bytes >= windowBytes:
		return errFull
	}
	if m.IsRequest() {
		s.expect(m.Correlation, m.Deadline)
	}
	s.publish(publication{message: m})
	return nil
}

// answer takes the outcome of a request that has come from another host, and
// reports whether it did.
func (s *session) answer(m *core.Message, host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(m.Payload) > maxPayload || len(s.open) >= 2*s.broker.window || s.bytes >= 2*windowBytes {
		return false
	}
	s.publish(publication{m, host})
	return true
}

// publish is called with s.mu held.
func (s *session) publish(p publication) {
	s.open = append(s.open, p)
	s.bytes += cap(p.message.Payload)
	s.add(order{publish: p})
}

// expect notes a request that waits for its outcome, with s.mu held.
func (s *session) expect(id core.RequestID, deadline int64) {
	if len(s.requests) >= s.sweepAt {
		s.sweep(time.Now().UnixNano())
	}
	s.requests[id] = deadline
}

// sweep forgets requests whose time is over: their tracker has ended them.
func (s *session) sweep(now int64) {
	for id, deadline := range s.requests {
		if deadline != 0 && deadline < now {
			delete(s.requests, id)
		}
	}
	s.sweepAt = max(minSweep, 2*len(s.requests))
}

// answered notes that a request has its outcome.
func (s *session) answered(id core.RequestID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
}

// take waits for orders and returns all there are, or none when the session is
// closing.
func (s *session) take(spare []order) []order {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.orders) == 0 && !s.closing {
		s.some.Wait()
	}
	orders := s.orders
	s.orders = spare[:0]
	return orders
}

// sending notes that the process will have been sent so many more publications.
func (s *session) sending(publications int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += publications
}

// close takes nothing more.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.some.Broadcast()
}

var errReceipts = errors.New("it gave a receipt for what it had not been sent")

// settle does what a receipt says.
func (s *session) settle(r *pluginv1.Receipt) error {
	for range r.Taken {
		p, ok := s.oldest()
		if !ok {
			return errReceipts
		}
		if !p.isOutcome() {
			s.broker.counts.left.Add(1)
		}
		p.message.Release()
	}
	if r.Refused == nil {
		return nil
	}
	p, ok := s.oldest()
	if !ok {
		return errReceipts
	}
	s.giveBack(p, refusal(r.Refused))
	return nil
}

// oldest removes the oldest publication without a receipt.
func (s *session) oldest() (publication, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == 0 {
		return publication{}, false
	}
	s.sent--
	p := s.open[0]
	s.bytes -= cap(p.message.Payload)
	s.open[0] = publication{}
	s.open = s.open[1:]
	return p, true
}

// giveBack ends what was taken and not published.
func (s *session) giveBack(p publication, reason error) {
	if p.isOutcome() {
		s.broker.counts.lost.Add(1)
		p.message.Release()
		return
	}
	if p.message.IsRequest() {
		s.answered(p.message.Correlation)
	}
	s.broker.home.Undelivered(p.message, reason)
}

// end is the end of the session, when nobody sends or receives any more: what
// has no receipt is undelivered, and the requests that have no outcome end.
func (s *session) end() {
	s.close()
	reason := errDied
	if s.broker.isClosed() {
		reason = errClosed
	}
	for _, p := range s.open {
		s.giveBack(p, reason)
	}
	for id := range s.requests {
		m := core.NewMessage(nil)
		m.Correlation = id
		m.Fail(errCutOff)
		s.broker.home.Respond(m)
	}
}

var refusalCases = map[pluginv1.RefusalReason]core.MessagingErrorCase{
	pluginv1.RefusalReason_REFUSAL_REASON_TARGET_NOT_FOUND: core.CaseTargetNotFound,
	pluginv1.RefusalReason_REFUSAL_REASON_QUEUE_FULL:       core.CaseQueueFull,
	pluginv1.RefusalReason_REFUSAL_REASON_INVALID_ARGUMENT: core.CaseInvalidArgument,
}

// refusal is unavailable for reasons that a later version may have.
func refusal(r *pluginv1.Refusal) error {
	e := &core.MessagingError{Case: core.CaseUnavailable, Text: r.Text}
	if known, ok := refusalCases[r.Reason]; ok {
		e.Case = known
	}
	return e
}
