package trackertest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// requester is a waiter that records the calls of Expired.
type requester struct {
	onExpired func(core.RequestID) // if not nil, called by Expired

	mu      sync.Mutex // guards expired
	expired []expiry
}

type expiry struct {
	id     core.RequestID
	reason *core.RequestError
	at     time.Time
}

// Expired implements [core.Waiter].
func (r *requester) Expired(id core.RequestID, reason *core.RequestError) {
	r.mu.Lock()
	r.expired = append(r.expired, expiry{id, reason, time.Now()})
	r.mu.Unlock()
	if r.onExpired != nil {
		r.onExpired(id)
	}
}

func (r *requester) expiries() []expiry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.expired)
}

// gated returns a requester that waits in Expired until the gate is closed.
func (f *fixture) gated() (*requester, chan struct{}) {
	gate := make(chan struct{})
	f.gates = append(f.gates, gate)
	return &requester{onExpired: func(core.RequestID) { <-gate }}, gate
}

// resolves checks that Resolve ends the pending request id of w.
func (f *fixture) resolves(id core.RequestID, w core.Waiter) {
	f.t.Helper()
	got, ok := f.tracker.Resolve(id)
	f.require(ok && got == w, fmt.Sprintf("waiter %p, %t", got, ok), "waiter %p of Resolve(%d)", w, id)
}

// unknown checks that Resolve, Cancel and IsPending return false for id.
func (f *fixture) unknown(id core.RequestID, w core.Waiter) {
	f.t.Helper()
	_, ok := f.tracker.Resolve(id)
	f.require(!ok, "true", "Resolve(%d) to return false", id)
	ok = f.tracker.Cancel(id, w)
	f.require(!ok, "true", "Cancel(%d) to return false", id)
	f.require(!f.tracker.IsPending(id), "true", "IsPending(%d) to return false", id)
}

// pending checks the number of pending requests.
func (f *fixture) pending(want int) {
	f.t.Helper()
	got := f.tracker.Pending()
	f.require(got == want, fmt.Sprint(got, " pending"), "%d pending", want)
}

// quiet lets so much time pass that every request would have expired, and checks that
// none of the waiters' has.
func (f *fixture) quiet(after time.Duration, waiters ...*requester) {
	f.t.Helper()
	f.pass(after)
	for _, w := range waiters {
		got := w.expiries()
		f.require(len(got) == 0, fmt.Sprint(got), "no call of Expired")
	}
}

// ids returns the ids of expiries, sorted.
func ids(of []expiry) []core.RequestID {
	var all []core.RequestID
	for _, e := range of {
		all = append(all, e.id)
	}
	slices.Sort(all)
	return all
}
