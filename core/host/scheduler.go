package host

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
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
	retired atomic.Bool // its place has been given to another
	counted bool        // in workers.heldUpNow; guarded by workers.mu
	slot    *watchSlot  // and the head of its queue, which anyone may take

	// What follows belongs to its goroutine.
	current *component
	turns   int // that it has run since it has been fair last
	spares  []*core.Message
	relay   relay

	_ [128]byte // keeps other workers out of its cache lines, and those beside
}

// workers is the scheduler: a place for each worker's next component, and one
// shared queue behind, from which whoever is free takes.
type workers struct {
	host *Host

	mu      sync.Mutex // guards what follows
	wakeup  sync.Cond
	queue   queue[*turn]
	waiting int // parked workers
	closed  bool

	heldUpNow, mostHeldUp int // retired workers whose calls go on, as the ceiling counts them

	queued atomic.Int64 // length of queue
	done   sync.WaitGroup
}

func (s *workers) start(h *Host, n int) {
	s.host = h
	s.wakeup.L = &s.mu
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.spawn()
	}
}

// spawn starts a worker, with s.mu held.
func (s *workers) spawn() {
	w := &worker{slot: s.host.watch.reserve()}
	w.relay.Settle = w.relay.settle
	s.done.Go(func() { s.work(w) })
}

// stop ends the workers once the queue is empty, and waits for them until ctx
// ends.
func (s *workers) stop(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.wakeup.Broadcast()
	s.mu.Unlock()
	if err := waitFor(ctx, &s.done); err != nil {
		return fmt.Errorf("workers are held up in calls that do not end: %w", err)
	}
	return nil
}

// waitFor waits for a group until ctx ends.
func waitFor(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// next puts t at the head of w's queue; it is called on w's goroutine. What was
// there goes to the shared queue.
func (s *workers) next(t *turn, w *worker) {
	if before := w.slot.turn.Swap(t); before.inHand {
		s.push(before)
	}
}

// push puts t at the end of the shared queue.
func (s *workers) push(t *turn) {
	s.mu.Lock()
	s.queue.push(t)
	s.queued.Store(int64(s.queue.length))
	if s.waiting > 0 {
		s.wakeup.Signal()
	}
	s.mu.Unlock()
}

func (s *workers) work(w *worker) {
	defer s.left(w)
	for {
		w.turns++
		fair := w.turns >= turns
		if fair {
			w.turns = 0
		}
		t := s.take(w, fair)
		if t == nil {
			return
		}
		w.current = t.component
		t.run(w)
	}
}

// take returns the turn to run next, or nil for the worker to end. It waits for
// one.
func (s *workers) take(w *worker, fair bool) *turn {
	t := w.slot.next()
	if t != nil && !w.slot.turn.CompareAndSwap(t, &t.component.running) {
		t = nil // others have it
	}
	if t != nil && !w.retired.Load() && (!fair || s.queued.Load() == 0) {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t != nil {
		s.queue.push(t)
		s.wakeup.Signal()
	}
	for s.queue.length == 0 && !s.closed && !w.retired.Load() {
		w.slot.rest()
		w.current = nil // it may be removed meanwhile
		s.waiting++
		s.wakeup.Wait()
		s.waiting--
	}
	retired := w.retired.Load() && !s.closed // else it may be the last, and what is left is its to run
	if retired && s.queue.length > 0 {
		s.wakeup.Signal() // it may have been woken for what others are to run
	}
	if retired || s.queue.length == 0 {
		s.queued.Store(int64(s.queue.length))
		return nil
	}
	t = s.queue.pop()
	s.queued.Store(int64(s.queue.length))
	w.slot.set(t.component)
	return t
}

// heldUp gives the place of a worker that a call of c holds up to a new one, and
// what it was about to run to the others. c.mu is held. At the ceiling the worker
// keeps its place, and the watchdog comes again; a call that its engine cannot
// interrupt is not bound by it: it may wait for what only another worker does.
func (s *workers) heldUp(c *component) {
	w := c.worker
	s.passOn(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	bounded := c.traits.Interruptible
	if s.closed || w.retired.Load() || bounded && s.heldUpNow >= s.mostHeldUp {
		return
	}
	if bounded {
		w.counted = true
		s.heldUpNow++
	}
	w.retired.Store(true)
	s.host.tally.heldUp.Add(1)
	s.spawn()
}

// left notes that w has ended.
func (s *workers) left(w *worker) {
	w.slot.release()
	if !w.retired.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.counted {
		s.heldUpNow--
	}
}

// passOn gives what c's worker was about to run next to the others.
func (s *workers) passOn(c *component) {
	slot := c.worker.slot
	if t := slot.next(); t != nil && slot.turn.CompareAndSwap(t, &c.running) {
		s.push(t)
	}
}
