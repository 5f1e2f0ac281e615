package host

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// blockedAfter is how long one call may take before its worker is replaced.
	blockedAfter = 2 * time.Millisecond
	// sharedEvery is how many components a worker runs from its run-next slot before
	// it looks at the shared queue.
	sharedEvery = 61
	// mixedAfter is how many components a worker runs, none of which it has run just
	// before, until others may take the last entry of its queue.
	mixedAfter = 8
)

// worker runs components, one at a time, to completion: the component that a running
// one sends to runs next, on the same goroutine.
type worker struct {
	retired atomic.Bool // another worker has taken its place
	mixed   atomic.Bool // it runs more than two components that send to each other
	counted bool        // in workers.blockedNow; guarded by workers.mu
	slot    *watchSlot  // also its run-next slot, whose entry any worker may take
	local   localQueue

	// The worker's goroutine's.
	current     *component
	previous    *component // it ran before current
	others      int        // how many components in a row were neither current nor previous
	sinceShared int        // components run, and calls of exchanges, since it looked at the shared queue first
	spares      []*core.Message
	exchange    exchange
	chain       chain

	_ [128]byte // keeps other workers out of its cache lines, and those beside
}

// workers is the scheduler: a run-next slot and a local queue for each worker, and one
// shared queue, from which any free worker takes. A component that a run makes ready stays
// with the worker, since the data are in its processor's caches; a worker with nothing to
// do takes half of another one's queue. It leaves a worker alone that runs the same two
// components in turns: two that send to each other run faster on one processor than on two.
type workers struct {
	host *Host
	all  atomic.Pointer[[]*worker] // those that have not ended; written with mu held

	mu     mutex[ofWorkers] // guards the following
	wakeup sync.Cond
	queue  queue[*runEntry]
	closed bool

	blockedNow, mostBlocked int // retired workers with a call in progress, of those that are bounded

	queued atomic.Int64 // length of queue
	parked atomic.Int64 // workers that wait; written with mu held
	done   sync.WaitGroup
}

func (s *workers) start(h *Host, n int) {
	s.host = h
	s.wakeup.L = &s.mu
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.spawnLocked()
	}
}

func (s *workers) spawnLocked() {
	w := &worker{slot: s.host.watch.reserve()}
	w.chain = chain{worker: w, host: s.host, broken: make(chan struct{}, 1)}
	w.slot.chain.Store(&w.chain)
	s.setAllLocked(append(slices.Clone(s.workers()), w))
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

func (s *workers) setAllLocked(all []*worker) { s.all.Store(&all) }

// workers returns the workers that have not ended. The slice does not change.
func (s *workers) workers() []*worker {
	if all := s.all.Load(); all != nil {
		return *all
	}
	return nil
}

// setNext puts e into w's run-next slot. It is called on w's goroutine. An entry that
// was there goes to w's queue.
func (s *workers) setNext(e *runEntry, w *worker) {
	if before := w.slot.entry.Swap(e); before.next {
		s.pushLocal(before, w)
	}
}

// push puts e at the end of the shared queue.
func (s *workers) push(e *runEntry) {
	s.mu.Lock()
	s.queue.push(e)
	s.queued.Store(int64(s.queue.length))
	if s.parked.Load() > 0 {
		s.wakeup.Signal()
	}
	s.mu.Unlock()
}

// pushLocal puts e at the end of w's queue. It is called on w's goroutine. If w runs more
// than two components, a parked worker takes half of its queue.
func (s *workers) pushLocal(e *runEntry, w *worker) {
	if w == nil || w.retired.Load() {
		s.push(e)
		return
	}
	w.local.push(e)
	if w.mixed.Load() && s.parked.Load() > 0 {
		s.mu.Lock()
		s.wakeup.Signal()
		s.mu.Unlock()
	}
}

func (s *workers) work(w *worker) {
	defer s.left(w)
	for {
		w.sinceShared++
		shared := w.sinceShared >= sharedEvery
		if shared {
			w.sinceShared = 0
		}
		e := s.take(w, shared)
		if e == nil {
			return
		}
		w.note(e.component)
		e.run(w)
	}
}

// note notes that w runs c next.
func (w *worker) note(c *component) {
	switch {
	case c == w.current || c == w.previous:
		if w.others >= mixedAfter {
			w.mixed.Store(false)
		}
		w.others = 0
	case w.others < mixedAfter:
		if w.others++; w.others == mixedAfter {
			w.mixed.Store(true)
		}
	}
	w.previous, w.current = w.current, c
}

// take returns the entry that w runs next, or nil for w to end. It waits for one. If
// shared is set, the shared queue comes first; otherwise the run-next slot, w's queue, the
// shared queue and other workers' queues, in this order.
func (s *workers) take(w *worker, shared bool) *runEntry {
	e := w.slot.next()
	if e != nil && !w.slot.entry.CompareAndSwap(e, &e.component.entries.running) {
		e = nil // another worker has it
	}
	shared = shared && s.queued.Load() > 0
	switch {
	case w.retired.Load():
		if e != nil {
			s.push(e)
		}
		e = nil
	case !shared && e != nil:
		return e
	case e != nil:
		s.pushLocal(e, w)
		e = nil
	case !shared:
		e = w.local.pop()
	}
	if e == nil {
		e = s.find(w)
	}
	if e != nil {
		w.slot.set(e.component)
	}
	return e
}

// find returns an entry of the shared queue or of another worker's queue, or nil for w to
// end. It waits for one.
func (s *workers) find(w *worker) *runEntry {
	for {
		if e, ended := s.takeShared(w, false); e != nil || ended {
			return e
		}
		if e := w.local.pop(); e != nil {
			return e
		}
		if e := s.steal(w); e != nil {
			return e
		}
		if e, ended := s.takeShared(w, true); e != nil || ended {
			return e
		}
	}
}

// takeShared returns an entry of the shared queue. If that is empty, and wait is set, it
// waits until something may have changed. ended says that w is to end.
func (s *workers) takeShared(w *worker, wait bool) (e *runEntry, ended bool) {
	if !wait && s.queued.Load() == 0 && !w.retired.Load() {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait && s.queue.length == 0 && !s.closed && !w.retired.Load() {
		s.parked.Add(1)
		if !s.stealable() { // a worker that pushes from now on sees that one is parked
			w.slot.rest()
			w.current = nil // it may be removed meanwhile
			s.wakeup.Wait()
		}
		s.parked.Add(-1)
	}
	if w.retired.Load() && !s.closed { // once closed it may be the last worker, and runs the rest
		s.leaveQueueLocked(w)
		return nil, true
	}
	if s.queue.length > 0 {
		e = s.queue.pop()
		s.queued.Store(int64(s.queue.length))
		return e, false
	}
	return nil, wait && s.closed
}

// leaveQueueLocked moves the entries of w, which ends, to the shared queue: it may have got
// some in the moment in which it was retired.
func (s *workers) leaveQueueLocked(w *worker) {
	for e := w.local.pop(); e != nil; e = w.local.pop() {
		s.queue.push(e)
	}
	s.queued.Store(int64(s.queue.length))
	if s.queue.length > 0 || s.stealable() {
		s.wakeup.Broadcast() // w may have been woken for an entry that another worker is to run
	}
}

// replaceLocked is called with c.mu held, for a call of c that takes long. Another
// worker takes the place of c's worker, and runs the entry of its run-next slot. At
// the ceiling the worker keeps its place, and the watchdog comes again. Calls that
// the engine cannot interrupt do not count, nor those that wait for an instance that
// provides a function: they may wait for something that only another worker does.
func (s *workers) replaceLocked(c *component) {
	w := c.sched.worker
	s.handOff(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	bounded := c.traits.Interruptible && !c.call.inLine
	if s.closed || w.retired.Load() || bounded && s.blockedNow >= s.mostBlocked {
		return
	}
	if bounded {
		w.counted = true
		s.blockedNow++
	}
	w.retired.Store(true)
	s.host.counts.heldUp.Add(1)
	s.spawnLocked()
}

// left notes that w has ended. Its slot may be another's from now on.
func (s *workers) left(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.slot.release()
	s.setAllLocked(slices.DeleteFunc(slices.Clone(s.workers()), func(other *worker) bool { return other == w }))
	if w.counted {
		s.blockedNow--
	}
}

// handOff moves the entries of c's worker, but for c's own, to the shared queue. The worker may
// have ended: then c waits for another one.
func (s *workers) handOff(c *component) {
	w := c.sched.worker
	s.mu.Lock()
	var e *runEntry
	if slices.Contains(s.workers(), w) { // and keeps its slot while s.mu is held
		e = w.slot.next()
	}
	if e != nil && !w.slot.entry.CompareAndSwap(e, &c.entries.running) {
		e = nil // another worker has it
	}
	s.mu.Unlock()
	if e != nil {
		s.push(e)
	}
	s.share(w)
}
