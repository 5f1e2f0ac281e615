// Package timermap is a tracker made the plain way, with a map and a timer of
// the Go runtime for each request. It is there to be compared with the default,
// trackers/slab, and to be chosen where timeouts must be met to the microsecond
// rather than to two milliseconds.
package timermap

import (
	"fmt"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// Config is what can be chosen about a tracker: nothing. The zero value is it.
type Config struct{}

// Tracker is a [core.Tracker]. A pending request takes about 200 bytes, which
// the garbage collector gets back when it has ended.
type Tracker struct {
	mu      sync.Mutex // guards all but timers
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

// expire is what a timer runs. Its request may just have ended otherwise.
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

// end removes a pending request. The caller holds the lock.
func (t *Tracker) end(id core.RequestID, r request) {
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
		t.end(id, r)
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
	t.end(id, r)
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
			t.end(id, r)
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

// Close implements [core.Tracker]. It must not be called by Waiter.Expired, for
// whose end it waits. A second Close returns nil.
func (t *Tracker) Close() error {
	t.mu.Lock()
	t.closed = true
	for id, r := range t.pending {
		t.end(id, r)
	}
	t.mu.Unlock()
	t.timers.Wait()
	return nil
}
