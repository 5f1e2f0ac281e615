package plugin

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// Errors that are the same for all messages and requests.
var (
	errDown    = &core.MessagingError{Case: core.CaseUnavailable, Text: "the broker is down"}
	errClosed  = &core.MessagingError{Case: core.CaseUnavailable, Text: "the broker is closed"}
	errFull    = &core.MessagingError{Case: core.CaseQueueFull, Text: "the broker"}
	errTooLong = &core.MessagingError{Case: core.CaseInvalidArgument, Text: fmt.Sprintf("message: the broker takes at most %d bytes", maxPayload)}
	errDied    = &core.MessagingError{Case: core.CaseUnavailable, Text: "the broker died before it confirmed the message"}
	errCutOff  = &core.RequestError{Reason: core.ReasonUnavailable, Text: "the broker died"}
)

// session holds the orders for one run of the process, until the process has confirmed
// them.
type session struct {
	broker *Broker

	mu      sync.Mutex // guards the fields below
	some    sync.Cond  // signals orders, or that closing is set
	closing bool       // the session accepts no more messages
	orders  []order    // orders that send has not taken yet
	// open are the publications without a receipt, the oldest first. bytes is the size
	// of their payloads. The first sent of them have been sent to the process.
	open  []publication
	bytes int
	sent  int
	// requests are the requests that wait for their outcome, with their deadlines.
	// When there are sweepAt, those that timed out are removed.
	requests map[core.RequestID]int64
	sweepAt  int
}

// order is an order to the process: to subscribe or unsubscribe a topic, or otherwise
// to publish.
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

// minSweep is the least number of requests at which a session removes those that have
// timed out.
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
	s.addLocked(o)
}

// addLocked adds an order. The caller holds s.mu.
func (s *session) addLocked(o order) {
	s.orders = append(s.orders, o)
	s.some.Signal()
}

// deliver accepts a message of this host, or returns a refusal.
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
		s.expectLocked(m.Correlation, m.Deadline)
	}
	s.publishLocked(publication{message: m})
	return nil
}

// answer accepts the outcome of a request that came from another host. It returns false
// if the window is full or the session is closing.
func (s *session) answer(m *core.Message, host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(m.Payload) > maxPayload || len(s.open) >= 2*s.broker.window || s.bytes >= 2*windowBytes {
		return false
	}
	s.publishLocked(publication{m, host})
	return true
}

// publishLocked adds a publication. The caller holds s.mu.
func (s *session) publishLocked(p publication) {
	s.open = append(s.open, p)
	s.bytes += cap(p.message.Payload)
	s.addLocked(order{publish: p})
}

// expectLocked adds a request that waits for its outcome. The caller holds s.mu.
func (s *session) expectLocked(id core.RequestID, deadline int64) {
	if len(s.requests) >= s.sweepAt {
		s.sweepLocked(time.Now().UnixNano())
	}
	s.requests[id] = deadline
}

// sweepLocked removes requests that have timed out, which their tracker has ended. The
// caller holds s.mu.
func (s *session) sweepLocked(now int64) {
	for id, deadline := range s.requests {
		if deadline != 0 && deadline < now {
			delete(s.requests, id)
		}
	}
	s.sweepAt = max(minSweep, 2*len(s.requests))
}

// answered removes a request that has its outcome.
func (s *session) answered(id core.RequestID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
}

// take waits for orders and returns all of them. The result is empty when the session
// is closing. The next orders use the memory of spare.
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

// sending adds to the number of publications that have been sent to the process.
func (s *session) sending(publications int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += publications
}

// close makes the session refuse messages, and makes take return no more orders.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.some.Broadcast()
}

var errReceipts = errors.New("it gave a receipt for a message that it had not been sent")

// confirm ends the publications that a receipt of the process is for.
func (s *session) confirm(r *pluginv1.Receipt) error {
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

// giveBack ends a publication that was accepted and not published.
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

// end ends the session, after send and receive have returned. Messages without a
// receipt are undelivered, and requests without an outcome end with unavailable.
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

// refusal returns the error of a refusal. A reason that this version does not know
// becomes unavailable.
func refusal(r *pluginv1.Refusal) error {
	e := &core.MessagingError{Case: core.CaseUnavailable, Text: r.Text}
	if known, ok := refusalCases[r.Reason]; ok {
		e.Case = known
	}
	return e
}
