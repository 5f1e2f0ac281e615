package nats

import (
	"sync"
)

// flusher has something to send. The outbox calls flush once for each time that it was added.
type flusher interface {
	// flush sends all that waits, and returns the buffer for the next one.
	flush(buffer []byte) []byte
}

// outbox sends for routes and origins, on a goroutine of its own: sending to a server may
// block, and delivering never does.
type outbox struct {
	mu    sync.Mutex // guards the fields below
	some  sync.Cond  // signals that ready or closed has changed
	ready []flusher
	ended bool
	done  chan struct{} // closed when nothing more is sent
}

func (o *outbox) init() { o.some.L, o.done = &o.mu, make(chan struct{}) }

// add makes the outbox call f.flush soon.
func (o *outbox) add(f flusher) {
	o.mu.Lock()
	o.ready = append(o.ready, f)
	o.mu.Unlock()
	o.some.Signal()
}

// keptBuffer is the largest buffer that the outbox keeps.
const keptBuffer = 1 << 20

// run sends until end is called, and all that is ready then.
func (o *outbox) run() {
	defer close(o.done)
	var buffer []byte
	var spare []flusher
	for {
		o.mu.Lock()
		for len(o.ready) == 0 && !o.ended {
			o.some.Wait()
		}
		ready := o.ready
		o.ready = spare[:0]
		o.mu.Unlock()
		if len(ready) == 0 {
			return
		}
		for i, f := range ready {
			if buffer = f.flush(buffer); cap(buffer) > keptBuffer {
				buffer = nil
			}
			ready[i] = nil
		}
		spare = ready
	}
}

func (o *outbox) end() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.some.Signal()
}
