package host

import "github.com/airhost/airhost/core"

const (
	// sparesPerWorker is how many messages a worker keeps for what it sends
	// next; maxSpare is the largest buffer, in bytes, that it keeps with one.
	sparesPerWorker = 64
	maxSpare        = 4 << 10
)

// newMessage returns a message with a copy of payload. A worker has spare ones
// at hand; who runs a component on another goroutine has no worker, and takes
// one from all processors' pool.
func (w *worker) newMessage(payload []byte) *core.Message {
	if w == nil || len(w.spares) == 0 {
		return core.NewMessage(payload)
	}
	last := len(w.spares) - 1
	m := w.spares[last]
	w.spares = w.spares[:last]
	m.Payload = append(m.Payload, payload...)
	return m
}

// release ends a message's life.
func (w *worker) release(m *core.Message) {
	if w == nil || len(w.spares) == sparesPerWorker || cap(m.Payload) > maxSpare {
		m.Release()
		return
	}
	*m = core.Message{Payload: m.Payload[:0]}
	w.spares = append(w.spares, m)
}
