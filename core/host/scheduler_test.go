package host

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestRetiredWorkersPassWakeUpsOn retires parked workers, as if their calls had
// ended in the moment in which they were replaced. Other workers run the next
// entries.
func TestRetiredWorkersPassWakeUpsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Host)
		s := &h.workers
		s.start(h, 0)
		var old []*worker
		for range 2 {
			w := &worker{slot: h.watch.reserve()}
			old = append(old, w)
			s.done.Go(func() { s.work(w) })
		}
		synctest.Wait()
		for _, w := range old {
			c := new(component)
			c.sched.worker = w
			s.replaceLocked(c)
		}
		synctest.Wait()
		for range 3 {
			s.push(&runEntry{component: new(component)}) // its component is not queued: the entry is stale
			synctest.Wait()
			s.mu.Lock()
			if s.queue.length != 0 {
				t.Errorf("%d entries wait beside %d parked workers", s.queue.length, s.parked.Load())
			}
			s.mu.Unlock()
		}
		if err := s.stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestHandOffOfAnEndedWorker: the watchdog may come for a component whose worker ends in this
// moment. It leaves the worker's slot alone, which is free, or another worker's by now.
func TestHandOffOfAnEndedWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s workers
		ended := startWorkers(&s, 1)
		ended.retired.Store(true)
		c := new(component)
		c.sched.worker = ended
		s.left(ended)
		s.replaceLocked(c)

		other := &worker{slot: s.host.watch.reserve()}
		if other.slot != ended.slot {
			t.Fatal("the slot is not used again")
		}
		next := &runEntry{component: new(component), next: true}
		other.slot.entry.Store(next)
		s.replaceLocked(c)
		if e := other.slot.entry.Load(); e != next {
			t.Errorf("another worker's slot has %p, want its next entry %p", e, next)
		}
		if err := s.stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
