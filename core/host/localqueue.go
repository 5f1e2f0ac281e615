package host

import "sync/atomic"

// fewTaken is how many entries a worker takes in a tick at least, if what it runs is so
// short that a move to another processor costs more than it brings.
const fewTaken = 4

// localQueue has the components that a worker runs after the one of its run-next slot.
type localQueue struct {
	mu     mutex[ofLeaf] // guards the following
	queue  queue[*runEntry]
	taken  uint64 // how many entries have been taken
	seen   uint64 // taken, when the watchdog looked last
	length atomic.Int64
}

// push adds an entry.
func (q *localQueue) push(e *runEntry) {
	q.mu.Lock()
	q.queue.push(e)
	q.length.Store(int64(q.queue.length))
	q.mu.Unlock()
}

// pop takes the oldest entry, or returns nil.
func (q *localQueue) pop() *runEntry {
	if q.length.Load() == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.queue.length == 0 {
		return nil
	}
	return q.popLocked()
}

func (q *localQueue) popLocked() *runEntry {
	q.taken++
	e := q.queue.pop()
	q.length.Store(int64(q.queue.length))
	return e
}

// stealable reports whether another worker may take entries of w's queue.
func (w *worker) stealable() bool { return w.mixed.Load() && w.local.length.Load() > 0 }

// steal takes half of the entries of another worker's queue for w, and returns the first
// of them; nil if there is no such worker.
func (s *workers) steal(w *worker) *runEntry {
	for _, other := range s.workers() {
		if other == w || !other.stealable() {
			continue
		}
		if e := w.local.takeHalf(&other.local); e != nil {
			return e
		}
	}
	return nil
}

// takeHalf moves half of the entries of another queue, or its only one, and returns the
// first of them.
func (q *localQueue) takeHalf(other *localQueue) (first *runEntry) {
	var moved [batch]*runEntry
	n := 0
	other.mu.Lock()
	for most := min((other.queue.length+1)/2, len(moved)); n < most; n++ {
		moved[n] = other.popLocked()
	}
	other.mu.Unlock()
	for _, e := range moved[min(n, 1):n] {
		q.push(e)
	}
	return moved[0]
}

// stealable reports whether a worker has entries that another one may take.
func (s *workers) stealable() bool {
	for _, w := range s.workers() {
		if w.stealable() {
			return true
		}
	}
	return false
}

// share moves the entries of w's queue to the shared queue.
func (s *workers) share(w *worker) {
	for e := w.local.pop(); e != nil; e = w.local.pop() {
		s.push(e)
	}
}

// shareLeft is called at each tick. While workers are parked, it shares the entries of
// workers that have taken few since the last tick, since their components run long.
func (s *workers) shareLeft() {
	for _, w := range s.workers() {
		if w.local.length.Load() == 0 || s.parked.Load() == 0 {
			continue
		}
		w.local.mu.Lock()
		few := w.local.taken-w.local.seen < fewTaken
		w.local.seen = w.local.taken
		w.local.mu.Unlock()
		if few {
			s.share(w)
		}
	}
}
