package host

import "github.com/airhost/airhost/core"

const (
	// sparesPerWorker is how many messages a worker keeps for its next sends;
	// maxSpare is the largest buffer, in bytes, that it keeps with one.
	sparesPerWorker = 64
	maxSpare        = 4 << 10
)

// newMessage returns a message of c with a copy of payload. It takes one of the
// worker's spare messages; if c runs on another goroutine than a worker's, it takes one
// of core's sync.Pool.
func (c *component) newMessage(target core.ComponentID, payload []byte) *core.Message {
	w := c.sched.worker
	if w == nil || len(w.spares) == 0 {
		m := core.NewMessage(payload)
		m.Sender, m.Target = c.id, target
		return m
	}
	last := len(w.spares) - 1
	m := w.spares[last]
	w.spares = w.spares[:last]
	*m = core.Message{Sender: c.id, Target: target, Payload: append(m.Payload[:0], payload...)}
	return m
}

// release keeps m as a spare message of w, or gives it back to core's pool.
func (w *worker) release(m *core.Message) {
	if w == nil || len(w.spares) == sparesPerWorker || cap(m.Payload) > maxSpare {
		m.Release()
		return
	}
	w.spares = append(w.spares, m)
}
