// Package model compares trackers with a simple model, a map, over random sequences of
// calls and waits. The tests of the trackers use it together with core/trackertest,
// because random sequences include cases that a written suite leaves out.
package model

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"pgregory.net/rapid"
)

// late is the longest time from a request's timeout to its expiry.
const late = 2 * time.Millisecond

// Check searches for a sequence of calls after which a tracker of newTracker differs
// from the model, and reports the shortest sequence that it finds.
func Check(t *testing.T, newTracker func() (core.Tracker, error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubble{t}, func(t *rapid.T) { compare(t, newTracker) })
	})
}

// bubble hides the test's method Deadline, which must not be called in a bubble.
type bubble struct{ *testing.T }

// machine is a tracker and its model.
type machine struct {
	tracker  core.Tracker
	waiters  []core.Waiter
	pending  map[core.RequestID]request
	finished []core.RequestID

	mu      sync.Mutex // guards expired
	expired []expiry
}

type request struct {
	waiter  core.Waiter
	start   time.Time
	timeout time.Duration
}

type expiry struct {
	id     core.RequestID
	waiter core.Waiter
	at     time.Time
}

// waiter records its expiries in its machine.
type waiter struct {
	of *machine
	_  byte // so that two waiters have different addresses
}

// Expired implements [core.Waiter].
func (w *waiter) Expired(id core.RequestID, _ *core.RequestError) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	w.of.expired = append(w.of.expired, expiry{id, w, time.Now()})
}

func compare(t *rapid.T, newTracker func() (core.Tracker, error)) {
	tracker, err := newTracker()
	if err != nil {
		t.Fatal(err)
	}
	defer tracker.Close()
	m := &machine{tracker: tracker, pending: make(map[core.RequestID]request)}
	for range 3 {
		m.waiters = append(m.waiters, &waiter{of: m})
	}
	t.Repeat(map[string]func(*rapid.T){
		"register": m.register,
		"resolve":  m.resolve,
		"cancel":   m.cancel,
		"remove":   m.remove,
		"wait":     m.wait,
		"":         m.check,
	})
}

func (m *machine) anyWaiter(t *rapid.T) core.Waiter {
	return rapid.SampledFrom(m.waiters).Draw(t, "waiter")
}

// anyID returns the id of a pending or an ended request, or one that is made up.
func (m *machine) anyID(t *rapid.T) core.RequestID {
	var ids []core.RequestID
	switch rapid.SampledFrom([]string{"pending", "pending", "finished", "made up"}).Draw(t, "kind") {
	case "pending":
		for id := range m.pending {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, m.older)
	case "finished":
		ids = m.finished
	}
	if len(ids) == 0 {
		return core.RequestID(rapid.Uint64().Draw(t, "id"))
	}
	return ids[rapid.IntRange(0, len(ids)-1).Draw(t, "index")]
}

// older compares requests by their age, and not by their ids, which differ when rapid
// repeats a sequence.
func (m *machine) older(a, b core.RequestID) int {
	if c := m.pending[a].start.Compare(m.pending[b].start); c != 0 {
		return c
	}
	return int(m.pending[a].timeout - m.pending[b].timeout)
}

func (m *machine) register(t *rapid.T) {
	w := m.anyWaiter(t)
	timeout := time.Duration(rapid.OneOf(
		rapid.Int64Range(1, int64(5*time.Millisecond)),
		rapid.Int64Range(1, int64(3*time.Second)),
		rapid.Int64Range(1, int64(core.MaxTimeout)),
	).Draw(t, "timeout"))
	id, err := m.tracker.Register(w, timeout)
	if err != nil || id == 0 {
		t.Fatalf("Register returned %d, %v", id, err)
	}
	if _, ok := m.pending[id]; ok {
		t.Fatalf("id %d was given twice", id)
	}
	m.pending[id] = request{w, time.Now(), timeout}
}

func (m *machine) resolve(t *rapid.T) {
	id := m.anyID(t)
	want, pending := m.pending[id]
	got, ok := m.tracker.Resolve(id)
	if ok != pending || got != want.waiter {
		t.Fatalf("Resolve(%d) returned %p, %t, want %p, %t", id, got, ok, want.waiter, pending)
	}
	m.finish(id)
}

func (m *machine) cancel(t *rapid.T) {
	id, w := m.anyID(t), m.anyWaiter(t)
	r, pending := m.pending[id]
	want := pending && r.waiter == w
	if got := m.tracker.Cancel(id, w); got != want {
		t.Fatalf("Cancel(%d) returned %t, want %t", id, got, want)
	}
	if want {
		m.finish(id)
	}
}

func (m *machine) remove(t *rapid.T) {
	w := m.anyWaiter(t)
	for _, id := range m.tracker.Remove(w) {
		if r, ok := m.pending[id]; !ok || r.waiter != w {
			t.Fatalf("Remove returned %d, which is not pending or of another waiter", id)
		}
		m.finish(id)
	}
	for id, r := range m.pending {
		if r.waiter == w {
			t.Fatalf("Remove left out %d", id)
		}
	}
}

func (m *machine) finish(id core.RequestID) {
	if _, ok := m.pending[id]; ok {
		delete(m.pending, id)
		m.finished = append(m.finished, id)
	}
}

func (m *machine) wait(t *rapid.T) {
	d := rapid.OneOf(
		rapid.Int64Range(0, int64(5*time.Millisecond)),
		rapid.Int64Range(0, int64(3*time.Second)),
	).Draw(t, "duration")
	<-time.After(time.Duration(d))
}

// check compares tracker and model. It runs after every step.
func (m *machine) check(t *rapid.T) {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.expired {
		r, ok := m.pending[e.id]
		if !ok || r.waiter != e.waiter {
			t.Fatalf("Expired(%d), which is not pending or of another waiter", e.id)
		}
		if took := e.at.Sub(r.start); took < r.timeout || took > r.timeout+late {
			t.Fatalf("a request with a timeout of %v expired after %v", r.timeout, took)
		}
		m.finish(e.id)
	}
	m.expired = nil
	for id, r := range m.pending {
		if waited := time.Since(r.start); waited > r.timeout+late {
			t.Fatalf("request %d with a timeout of %v is pending after %v", id, r.timeout, waited)
		}
	}
	for id := range m.pending {
		if !m.tracker.IsPending(id) {
			t.Fatalf("request %d is not pending to its tracker", id)
		}
	}
	if got := m.tracker.Pending(); got != len(m.pending) {
		t.Fatalf("%d requests are pending, want %d", got, len(m.pending))
	}
}
