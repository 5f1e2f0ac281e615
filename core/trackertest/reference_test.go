package trackertest

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// fault names a way to break one promise.
type fault string

// reference is a small tracker with at most one fault. Its lock is a channel, because
// the clock of a bubble stands still while a goroutine waits for a [sync.Mutex].
type reference struct {
	fault fault

	lock     chan struct{}
	last     core.RequestID
	pending  map[core.RequestID]*entry
	reserved map[core.RequestID]core.Waiter
	closed   bool
	calls    sync.WaitGroup // of Expired
	born     time.Time
}

var _ core.Reserver = (*reference)(nil)

type entry struct {
	waiter core.Waiter
	timer  *time.Timer
}

func newReference(f fault) *reference {
	return &reference{
		fault: f, lock: make(chan struct{}, 1), born: time.Now(),
		pending: make(map[core.RequestID]*entry), reserved: make(map[core.RequestID]core.Waiter),
	}
}

func (r *reference) has(f fault) bool { return r.fault == f }

func (r *reference) locked() func() {
	select {
	case r.lock <- struct{}{}:
		return func() { <-r.lock }
	case <-time.After(2 * time.Hour): // a fault keeps the lock
		runtime.Goexit()
		return nil
	}
}

func (r *reference) Register(w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	switch {
	case timeout <= 0 && r.has("takes a timeout of 0"):
		timeout = 1
	case timeout > core.MaxTimeout && r.has("takes any timeout"):
	case timeout <= 0 || timeout > core.MaxTimeout:
		if r.has("keeps refused requests") {
			r.pending[1<<60] = &entry{w, time.NewTimer(time.Hour)}
		}
		return 0, core.ErrInvalidArgument
	}
	defer r.locked()()
	if r.closed && !r.has("registers after close") {
		return 0, core.ErrClosed
	}
	r.last++
	id := r.nextID()
	r.start(id, w, timeout)
	return id, nil
}

func (r *reference) start(id core.RequestID, w core.Waiter, timeout time.Duration) {
	r.pending[id] = &entry{w, time.AfterFunc(r.faulty(timeout), func() { r.expire(id) })}
}

func (r *reference) nextID() core.RequestID {
	switch {
	case r.has("begins with 0"):
		return r.last - 1
	case r.has("reuses ids") && r.last > 1000:
		return r.last - 1000
	}
	if r.has("reuses finished ids") {
		for id := core.RequestID(1); id < r.last; id++ {
			if r.pending[id] == nil {
				return id
			}
		}
	}
	return r.last
}

// faulty returns the timeout that a request really gets.
func (r *reference) faulty(timeout time.Duration) time.Duration {
	switch {
	case r.has("expires early") && timeout > 100*time.Microsecond:
		return timeout - 100*time.Microsecond
	case r.has("expires late"):
		return timeout + 3*time.Millisecond
	case r.has("oversleeps") && time.Since(r.born) > 30*time.Second:
		return timeout + time.Second
	case r.has("takes long for short") && timeout > time.Hour:
		return time.Second
	case r.has("forgets long timeouts") && timeout > time.Second:
		return time.Hour
	}
	return timeout
}

func (r *reference) expire(id core.RequestID) {
	unlock := r.locked()
	e, ok := r.pending[id]
	if !ok || r.closed && !r.has("expires after close") {
		unlock()
		return
	}
	if !r.has("expires before it removes") {
		delete(r.pending, id)
	}
	if r.has("does not wait for Expired") {
		unlock()
		e.waiter.Expired(id, core.ErrTimeout)
		return
	}
	r.calls.Add(1)
	defer r.calls.Done()
	if r.has("expires under its lock") {
		defer unlock()
	} else {
		unlock()
	}
	reason := core.ErrTimeout
	if r.has("expires for another reason") {
		reason = core.ErrRequestUnavailable
	}
	e.waiter.Expired(id, reason)
	if r.has("expires twice") {
		e.waiter.Expired(id, core.ErrTimeout)
	}
}

func (r *reference) end(id core.RequestID) {
	e := r.pending[id]
	delete(r.pending, id)
	e.timer.Stop()
	if r.has("lets timers run") {
		time.AfterFunc(time.Second, func() { e.waiter.Expired(id, core.ErrTimeout) })
	}
}

func (r *reference) Resolve(id core.RequestID) (core.Waiter, bool) {
	defer r.locked()()
	e, ok := r.pending[id]
	if !ok && r.has("resolves by the low bits") {
		id &= 1<<32 - 1
		e, ok = r.pending[id]
	}
	switch {
	case !ok:
		return nil, false
	case r.has("resolves twice"):
		return e.waiter, true
	case r.has("resolves another"):
		for other := range r.pending {
			if other != id {
				id, e = other, r.pending[other]
				break
			}
		}
	}
	r.end(id)
	return e.waiter, true
}

func (r *reference) Cancel(id core.RequestID, w core.Waiter) bool {
	defer r.locked()()
	e, ok := r.pending[id]
	if !ok {
		return r.has("cancels ended requests")
	}
	if e.waiter != w && !r.has("cancels for anyone") {
		if r.has("ends requests of others") {
			r.end(id)
		}
		return false
	}
	r.end(id)
	return true
}

func (r *reference) Remove(w core.Waiter) []core.RequestID {
	defer r.locked()()
	var ids []core.RequestID
	for id, e := range r.pending {
		if e.waiter != w && !r.has("removes all") || r.has("removes half") && id%3 == 0 {
			continue
		}
		if !r.has("removes nothing") {
			r.end(id)
		}
		ids = append(ids, id)
	}
	ids = append(ids, r.giveBackLocked(w)...)
	if r.has("keeps ids to itself") {
		return nil
	}
	return slices.Clip(ids)
}

func (r *reference) IsPending(id core.RequestID) bool {
	defer r.locked()()
	_, ok := r.pending[id]
	return ok && !r.has("has nothing pending") || r.has("has all pending")
}

func (r *reference) Pending() int {
	defer r.locked()()
	if r.has("counts all there were") {
		return int(r.last)
	}
	if r.has("counts reserved ids") {
		return len(r.pending) + len(r.reserved)
	}
	return len(r.pending)
}

func (r *reference) Close() error {
	unlock := r.locked()
	r.closed = true
	for id := range r.pending {
		if !r.has("expires after close") && !r.has("remembers after close") {
			r.end(id)
		}
	}
	unlock()
	if r.has("leaves goroutines") {
		for range 10 {
			go func() { <-time.After(time.Hour) }()
		}
	}
	r.calls.Wait()
	return nil
}
