package host

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// heldUpAfter is after which time in one call a worker is replaced.
	heldUpAfter = 2 * time.Millisecond
	// turns is how many components a worker runs from its own place before it
	// looks at the shared queue.
	turns = 61
)

// worker runs components, one at a time, to completion: what a component
// messages while it runs comes next, on the same goroutine.
type worker struct {
	next    atomic.Pointer[component] // the head of its queue; anyone may take it
	retired atomic.Bool               // its place has been given to another
	slot    *watchSlot
}

// workers is the scheduler: a place for each worker's next component, and one
// shared queue behind, from which whoever is free takes.
type workers struct {
	host *Host

	mu      sync.Mutex // guards what follows
	wakeup  sync.Cond
	queue   queue[*component]
	waiting int // parked workers
	active  map[*worker]struct{}
	closed  bool

	queued atomic.Int64 // length of queue
	done   sync.WaitGroup
}

func (s *workers) start(h *Host, n int) {
	s.host = h
	s.wakeup.L = &s.mu
	s.active = make(map[*worker]struct{}, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.spawn()
	}
}

// spawn starts a worker, with s.mu held.
func (s *workers) spawn() {
	w := &worker{slot: s.host.watch.reserve()}
	s.active[w] = struct{}{}
	s.done.Go(func() { s.work(w) })
}

// stop ends the workers once the queue is empty, and waits for them until ctx
// ends.
func (s *workers) stop(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.wakeup.Broadcast()
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("workers are held up in calls that do not end: %w", ctx.Err())
	}
}

// ready queues c: at the head of w's queue if it is called on w's goroutine,
// else in the shared queue.
func (s *workers) ready(c *component, w *worker) {
	if w != nil {
		if c = w.next.Swap(c); c == nil {
			return
		}
	}
	s.push(c)
}

// push puts c at the end of the shared queue.
func (s *workers) push(c *component) {
	s.mu.Lock()
	s.queue.push(c)
	s.queued.Store(int64(s.queue.length))
	if s.waiting > 0 {
		s.wakeup.Signal()
	}
	s.mu.Unlock()
}

func (s *workers) work(w *worker) {
	defer w.slot.release()
	for turn := 1; ; turn++ {
		c := s.take(w, turn%turns == 0)
		if c == nil {
			return
		}
		w.slot.set(c)
		c.run(w)
	}
}

// take returns the component to run next, or nil for the worker to end. It
// waits for one.
func (s *workers) take(w *worker, fair bool) *component {
	c := w.next.Swap(nil)
	if c != nil && !w.retired.Load() && (!fair || s.queued.Load() == 0) {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c != nil {
		s.queue.push(c)
		s.wakeup.Signal()
	}
	for s.queue.length == 0 && !s.closed && !w.retired.Load() {
		w.slot.set(nil)
		s.waiting++
		s.wakeup.Wait()
		s.waiting--
	}
	if w.retired.Load() || s.queue.length == 0 {
		delete(s.active, w)
		s.queued.Store(int64(s.queue.length))
		return nil
	}
	c = s.queue.pop()
	s.queued.Store(int64(s.queue.length))
	return c
}

// heldUp gives the place of a worker that one call holds up to a new one, and
// what it was about to run to the others.
func (s *workers) heldUp(w *worker) {
	if c := w.next.Swap(nil); c != nil {
		s.push(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || w.retired.Swap(true) {
		return
	}
	delete(s.active, w)
	s.host.tally.heldUp.Add(1)
	s.spawn()
}
