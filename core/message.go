package core

import "sync"

// Message is one fire-and-forget message, one request, or the outcome of a
// request on its way back.
//
// A message has exactly one owner at a time. Who takes a message over may change
// it, keep it, and must either hand it on or Release it; who has handed it on
// must not touch it again. The payload belongs to the message.
type Message struct {
	Sender ComponentID
	Target ComponentID

	// Correlation is 0 in a fire-and-forget message; in a request and in its
	// outcome it is the id under which Origin knows the request.
	Correlation RequestID

	// Deadline is when the sender gives up on a request, in nanoseconds since
	// the Unix epoch, or 0 where there is none. It is for brokers that carry a
	// request to another host; the request's own host uses its tracker.
	Deadline int64

	// Origin is where the outcome of a request goes. A broker that carries the
	// request elsewhere replaces it there by an origin of its own.
	Origin Origin

	// Mark is for the host that is Origin: with it the host knows at once, for most
	// requests, that they are pending still. A broker hands it on with the message,
	// or leaves 0 where it makes the message anew.
	Mark uint64

	// Payload is the message's body; in an outcome, the response.
	Payload []byte

	// Failure is, in an outcome, why there is no response; otherwise nil.
	Failure *RequestError

	_ [24]byte // fills two cache lines: what one core sends is not another's
}

// maxPooledPayload bounds what an idle pool keeps: larger buffers are left to
// the garbage collector.
const maxPooledPayload = 64 << 10

var messages = sync.Pool{New: func() any { return new(Message) }}

// NewMessage returns a message whose payload is a copy of payload. It comes from
// a pool; see [Message.Release].
func NewMessage(payload []byte) *Message {
	m := messages.Get().(*Message)
	m.Payload = append(m.Payload[:0], payload...)
	return m
}

// Release ends the message's life: its owner must not use it, nor its payload,
// any more.
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

// Fail turns a request into its outcome: no response, for this reason.
func (m *Message) Fail(reason *RequestError) {
	m.Payload = m.Payload[:0]
	m.Failure = reason
}

// Origin is the home of requests: the host that sent them, as brokers and other
// hosts see it. Its methods never block and may be called from any goroutine.
type Origin interface {
	// Respond takes over a request that has become its outcome: Payload is the
	// response, or Failure says why there is none. An outcome whose request is
	// no longer pending is dropped and counted.
	Respond(m *Message)

	// Undelivered takes over a message that a broker had taken and could not
	// deliver. A fire-and-forget message becomes a dead letter; a request ends
	// as [Undelivered] says, with unavailable where reason is no MessagingError.
	Undelivered(m *Message, reason error)
}
