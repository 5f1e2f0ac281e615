// Package timermap is a simple tracker: a map, with a timer of the Go runtime for each
// request. The default tracker, trackers/slab, is measured against it. It is the better
// choice if timeouts must be exact to the microsecond and not to two milliseconds.
package timermap

import (
	"fmt"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// Config configures a tracker. It has no fields yet.
type Config struct{}

// Tracker is a [core.Tracker]. A pending request takes about 200 bytes, which the
// garbage collector frees after its end.
type Tracker struct {
	mu      sync.Mutex // guards the fields below but timers
	last    core.RequestID
	pending map[core.RequestID]request
	closed  bool

	timers sync.WaitGroup // one for each timer that has not been stopped or run
}

type request struct {
	waiter core.Waiter
	timer  *time.Timer
}

var _ core.Tracker = (*Tracker)(nil)

// New returns a tracker without requests. The error is always nil.
func New(Config) (*Tracker, error) {
	return &Tracker{pending: make(map[core.RequestID]request)}, nil
}

// Register implements [core.Tracker]. A timeout out of range, or no waiter, is
// invalid-argument.
func (t *Tracker) Register(w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	if timeout <= 0 || timeout > core.MaxTimeout {
		return 0, invalid("timeout %v: want above 0 and at most %v", timeout, core.MaxTimeout)
	}
	if w == nil {
		return 0, invalid("a request needs a waiter")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, core.ErrClosed
	}
	t.last++
	id := t.last
	t.timers.Add(1)
	t.pending[id] = request{w, time.AfterFunc(timeout, func() { t.expire(id) })}
	return id, nil
}

func invalid(format string, args ...any) error {
	return &core.MessagingError{Case: core.CaseInvalidArgument, Text: fmt.Sprintf(format, args...)}
}

// expire is called by the timer of a request, which may have ended just before.
func (t *Tracker) expire(id core.RequestID) {
	defer t.timers.Done()
	t.mu.Lock()
	r, ok := t.pending[id]
	delete(t.pending, id)
	t.mu.Unlock()
	if ok {
		r.waiter.Expired(id, core.ErrTimeout)
	}
}

// endLocked removes a pending request. The caller holds t.mu.
func (t *Tracker) endLocked(id core.RequestID, r request) {
	delete(t.pending, id)
	if r.timer.Stop() {
		t.timers.Done()
	}
}

// Resolve implements [core.Tracker].
func (t *Tracker) Resolve(id core.RequestID) (core.Waiter, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.pending[id]
	if ok {
		t.endLocked(id, r)
	}
	return r.waiter, ok
}

// Cancel implements [core.Tracker].
func (t *Tracker) Cancel(id core.RequestID, w core.Waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.pending[id]
	if !ok || r.waiter != w {
		return false
	}
	t.endLocked(id, r)
	return true
}

// Remove implements [core.Tracker].
func (t *Tracker) Remove(w core.Waiter) []core.RequestID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []core.RequestID
	for id, r := range t.pending {
		if r.waiter == w {
			ids = append(ids, id)
			t.endLocked(id, r)
		}
	}
	return ids
}

// IsPending implements [core.Tracker].
func (t *Tracker) IsPending(id core.RequestID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.pending[id]
	return ok
}

// Pending implements [core.Tracker].
func (t *Tracker) Pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pending)
}

// Close implements [core.Tracker]. It waits for the end of calls of Waiter.Expired,
// which therefore must not call it. A second Close returns nil.
func (t *Tracker) Close() error {
	t.mu.Lock()
	t.closed = true
	for id, r := range t.pending {
		t.endLocked(id, r)
	}
	t.mu.Unlock()
	t.timers.Wait()
	return nil
}
