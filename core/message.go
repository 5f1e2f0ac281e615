package core

import "sync"

// Message is a fire-and-forget message, a request, or the outcome of a request on its
// way back.
//
// A message has exactly one owner at a time. The owner may change and keep it, and
// must either hand it over to the next owner or Release it. After that it must not
// use the message or its payload again.
type Message struct {
	Sender ComponentID
	Target ComponentID

	// Correlation is 0 in a fire-and-forget message. In a request and in its outcome
	// it is the id that Origin has given the request.
	Correlation RequestID

	// Deadline is the time at which the sender of a request stops waiting, in
	// nanoseconds since the Unix epoch, or 0 if the message has no deadline. It is for
	// brokers that carry a request to another host; the request's own host uses its
	// tracker.
	Deadline int64

	// Origin takes the outcome of a request. A broker that carries the request to
	// another host replaces it there by an origin of its own. In a fire-and-forget
	// message it is nil, or a [Keeper] that is told how the message ends.
	Origin Origin

	// Mark is for the host that is Origin. It shows the host that a request is still
	// pending, in most cases without a look into the tracker. A broker keeps it with
	// the message. In a request that a broker makes it is 0; that of a fire-and-forget
	// message is its [Keeper]'s.
	Mark uint64

	// Payload is the message's body; in an outcome, the response.
	Payload []byte

	// Failure is the reason in an outcome without a response, and otherwise nil.
	Failure *RequestError

	_ [24]byte // fills two cache lines, so that messages of two cores share none
}

// maxPooledPayload is the size of the largest buffer that goes back into the pool.
const maxPooledPayload = 64 << 10

var messages = sync.Pool{New: func() any { return new(Message) }}

// NewMessage returns a message with a copy of payload. It comes from a pool; see
// [Message.Release].
func NewMessage(payload []byte) *Message {
	m := messages.Get().(*Message)
	m.Payload = append(m.Payload[:0], payload...)
	return m
}

// Release gives the message back to its pool. Its owner must not use it or its
// payload any more.
func (m *Message) Release() {
	payload := m.Payload[:0]
	if cap(payload) > maxPooledPayload {
		payload = nil
	}
	*m = Message{Payload: payload}
	messages.Put(m)
}

// IsRequest reports whether the message wants a response.
func (m *Message) IsRequest() bool { return m.Correlation != 0 }

// Fail turns a request into its outcome: there is no response, for this reason.
func (m *Message) Fail(reason *RequestError) {
	m.Payload = m.Payload[:0]
	m.Failure = reason
}

// Origin is the host that sent a request, as brokers and other hosts see it. Its
// methods never block and may be called from any goroutine.
type Origin interface {
	// Respond takes over a request that has become its outcome: Payload is the
	// response, or Failure is the reason why there is none. The host drops and counts
	// the outcome of a request that is no longer pending.
	Respond(m *Message)

	// Undelivered takes over a message that a broker had accepted and could not
	// deliver. A fire-and-forget message becomes a dead letter. A request ends with
	// the error of the function [Undelivered]; a reason that is no MessagingError
	// counts as unavailable.
	Undelivered(m *Message, reason error)
}
