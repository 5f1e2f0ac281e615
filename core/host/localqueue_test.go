package host

import (
	"context"
	"testing"
	"testing/synctest"
)

// fill puts n entries into w's queue. Their components are not queued, so that running
// such an entry does nothing.
func fill(w *worker, n int) {
	for range n {
		w.local.push(&runEntry{component: new(component)})
	}
}

// TestStealTakesHalf: a worker takes half of another one's queue, in order, but nothing of
// one that runs the same two components in turns.
func TestStealTakesHalf(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 2: 1, 3: 2, 8: 4, 200: batch} {
		for _, mixed := range []bool{false, true} {
			if !mixed {
				want = 0
			}
			s, w, other := new(workers), new(worker), new(worker)
			s.setAllLocked([]*worker{w, other})
			other.mixed.Store(mixed)
			fill(other, n)
			var first *runEntry
			if n > 0 {
				first = other.local.queue.peek()
			}
			stealable := s.stealable()
			e := s.steal(w)
			if (e != nil) != (want > 0) || e != nil && e != first || stealable != (want > 0) {
				t.Errorf("of %d entries: got %p, stealable %v, want the first, %p, of %d", n, e, stealable, first, want)
			}
			if got, left := w.local.queue.length, other.local.queue.length; got != max(0, want-1) || left != n-want {
				t.Errorf("of %d entries: the thief has %d more, and %d are left; want %d, %d", n, got, left, max(0, want-1), n-want)
			}
			want = map[int]int{1: 1, 2: 1, 3: 2, 8: 4, 200: batch}[n]
		}
	}
}

// TestMixedWorkers: a worker is mixed once it has run eight components in a row of which it
// had run none just before, and no more as soon as one comes back.
func TestMixedWorkers(t *testing.T) {
	var all [12]*component
	for i := range all {
		all[i] = new(component)
	}
	w := new(worker)
	run := func(want bool, order ...int) {
		t.Helper()
		for _, i := range order {
			w.note(all[i])
		}
		if got := w.mixed.Load(); got != want {
			t.Errorf("after %v: mixed %v, want %v", order, got, want)
		}
	}
	run(false, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1)
	run(false, 1, 1, 1, 1, 1, 1, 1, 1)
	run(false, 2, 3, 4, 5, 6, 7, 8)
	run(true, 9)
	run(true, 10, 11, 0)
	run(false, 11)
	run(false, 1, 2, 3, 4, 5, 6, 7)
	run(true, 8)
}

// startWorkers starts n workers that the test knows, and one that it does not start: its
// component runs long.
func startWorkers(s *workers, n int) (busy *worker) {
	h := new(Host)
	*s = workers{}
	s.start(h, n)
	busy = &worker{slot: h.watch.reserve()}
	s.mu.Lock()
	s.setAllLocked(append(s.workers(), busy))
	s.mu.Unlock()
	return busy
}

// TestQueueOfBusyWorkerIsShared: a parked worker takes half of the queue of a worker that
// runs many components at once. Of others it takes all when the busy worker has taken few
// for a tick.
func TestQueueOfBusyWorkerIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s workers
		busy := startWorkers(&s, 1)
		synctest.Wait() // the other one is parked
		left := func(want int) {
			t.Helper()
			synctest.Wait()
			if n := busy.local.length.Load(); n != int64(want) {
				t.Errorf("%d entries wait for a busy worker beside a parked one, want %d", n, want)
			}
		}
		push := func(n int) {
			for range n {
				s.pushLocal(&runEntry{component: new(component)}, busy)
			}
		}
		push(1 + fewTaken)
		left(1 + fewTaken) // they stay with the worker whose caches have their data
		for range fewTaken {
			busy.local.pop()
		}
		s.shareLeft() // the busy worker has taken some
		left(1)
		s.shareLeft()
		left(0)
		push(fewTaken)
		busy.local.seen = busy.local.taken
		for range fewTaken - 1 {
			busy.local.pop()
		}
		s.shareLeft()
		left(0)
		busy.mixed.Store(true)
		push(1)
		left(0)
		if err := s.stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestRetiredWorkersQueueIsShared: a worker that was replaced leaves its queue to others.
func TestRetiredWorkersQueueIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s workers
		busy := startWorkers(&s, 1)
		fill(busy, 1)
		c := new(component)
		c.sched.worker = busy
		s.replaceLocked(c)
		s.pushLocal(&runEntry{component: new(component)}, busy)
		synctest.Wait()
		if n, queued := busy.local.length.Load(), s.queued.Load(); n != 0 || queued != 0 {
			t.Errorf("%d entries wait in the queue of a retired worker, and %d in the shared one", n, queued)
		}
		if err := s.stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestWorkerRetiredWhileItLooksForWork: a worker that is retired between the push of an
// entry to its own queue and its look at the shared one leaves the entry to others.
func TestWorkerRetiredWhileItLooksForWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s workers
		late := startWorkers(&s, 1)
		synctest.Wait() // the other one is parked
		late.mixed.Store(true)
		fill(late, 2)
		late.retired.Store(true)
		if e := s.find(late); e != nil {
			t.Errorf("a retired worker goes on with %p", e)
		}
		synctest.Wait()
		if n, queued := late.local.length.Load(), s.queued.Load(); n != 0 || queued != 0 {
			t.Errorf("%d entries wait in the queue of a worker that has ended, and %d in the shared one", n, queued)
		}
		if err := s.stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
