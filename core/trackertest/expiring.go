package trackertest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// timeouts are of all sizes, near to and far from the ticks of clocks and wheels.
var timeouts = []time.Duration{
	1, time.Microsecond, 999 * time.Microsecond, time.Millisecond, 1001 * time.Microsecond,
	1500 * time.Microsecond, 2 * time.Millisecond, 10 * time.Millisecond, 99_900 * time.Microsecond,
	255 * time.Millisecond, 256 * time.Millisecond, 257 * time.Millisecond,
	1023 * time.Millisecond, 1024 * time.Millisecond, 1025 * time.Millisecond, 1024_500 * time.Microsecond,
	4095 * time.Millisecond, 4096 * time.Millisecond, 5 * time.Second, 11 * time.Second,
}

// phases are times after a tick of a clock, in microseconds.
var phases = []time.Duration{0, 1, 333, 500, 999}

// expiresIn registers requests with all timeouts in all phases, and calls judge with
// the time that each took.
func (f *fixture) expiresIn(judge func(timeout, took time.Duration)) {
	f.t.Helper()
	type entry struct {
		timeout time.Duration
		start   time.Time
	}
	w := new(requester)
	entries := make(map[core.RequestID]entry)
	for _, phase := range phases {
		f.pass(phase * time.Microsecond)
		for _, timeout := range timeouts {
			start := time.Now()
			id := f.register(w, timeout)
			f.require(entries[id].timeout == 0, fmt.Sprint(id, " again"), "ids that are different")
			entries[id] = entry{timeout, start}
		}
	}
	f.pass(12 * time.Second)
	for _, e := range w.expiries() {
		judge(entries[e.id].timeout, e.at.Sub(entries[e.id].start))
		delete(entries, e.id)
	}
	f.require(len(entries) == 0, fmt.Sprintf("%d requests that did not expire: %v", len(entries), entries), "all to expire")
}

func neverEarly(f *fixture) {
	f.expiresIn(func(timeout, took time.Duration) {
		f.require(took >= timeout, took, "at least the timeout, %v", timeout)
	})
}

func soonAfter(f *fixture) {
	f.expiresIn(func(timeout, took time.Duration) {
		f.require(took <= timeout+late, took, "at most the timeout, %v, and %v", timeout, late)
	})
}

// afterRest: a tracker is punctual also after a long time without requests.
func afterRest(f *fixture) {
	for _, idle := range []time.Duration{time.Second, time.Minute, 1001 * time.Millisecond} {
		f.pass(idle)
		w := new(requester)
		start := time.Now()
		f.register(w, 10*time.Millisecond)
		f.pass(10*time.Millisecond + late)
		got := w.expiries()
		f.require(len(got) == 1, fmt.Sprint(len(got), " expiries"), "one, within %v of the timeout, after %v without requests", late, idle)
		took := got[0].at.Sub(start)
		f.require(took >= 10*time.Millisecond, took, "at least 10ms")
	}
}

// longTimeout: the longest timeout is not taken for a short one.
func longTimeout(f *fixture) {
	w := new(requester)
	id := f.register(w, core.MaxTimeout)
	f.quiet(20*time.Second, w)
	f.resolves(id, w)
}

// expiredHasLeft: Expired of the right waiter is called once, when the request is no
// longer pending.
func expiredHasLeft(f *fixture) {
	var stillThere atomic.Bool
	w, other := new(requester), new(requester)
	w.onExpired = func(id core.RequestID) {
		_, ok := f.tracker.Resolve(id)
		if ok || f.tracker.IsPending(id) || f.tracker.Cancel(id, w) || slices.Contains(f.tracker.Remove(w), id) {
			stillThere.Store(true)
		}
	}
	id := f.register(w, time.Millisecond)
	f.register(other, time.Hour)
	f.expired(w, 1)
	<-time.After(10 * time.Millisecond)
	f.require(!stillThere.Load(), "still pending in Expired", "a request that has left")
	f.unknown(id, w)
	f.pending(1)
	got := append(ids(w.expiries()), ids(other.expiries())...)
	f.require(slices.Equal(got, []core.RequestID{id}), got, "Expired(%d), once", id)
}

func expiredByTimeout(f *fixture) {
	w := new(requester)
	f.register(w, time.Millisecond)
	f.expired(w, 1)
	got := w.expiries()[0].reason
	f.require(got == core.ErrTimeout, got, "ErrTimeout as the reason")
}

// expired waits until w has had so many calls of Expired.
func (f *fixture) expired(w *requester, calls int) {
	f.t.Helper()
	for start := time.Now(); len(w.expiries()) < calls; <-time.After(time.Millisecond) {
		f.require(time.Since(start) < patience, fmt.Sprint(len(w.expiries()), " calls of Expired"), "%d", calls)
	}
}

// expiredCallsBack: Expired may call all methods but Close.
func expiredCallsBack(f *fixture) {
	done := make(chan struct{}, 1)
	w := new(requester)
	w.onExpired = func(core.RequestID) {
		if id, err := f.tracker.Register(w, time.Hour); err == nil {
			f.tracker.Resolve(id)
			f.tracker.Cancel(id, w)
		}
		f.tracker.Remove(w)
		f.tracker.Pending()
		done <- struct{}{}
	}
	f.register(w, time.Millisecond)
	f.within("the calls in Expired", func() {
		select {
		case <-done:
		case <-time.After(2 * patience):
		}
	})
}

// blockedByNobody: a call of Expired in progress blocks no method but Close.
func blockedByNobody(f *fixture) {
	w, _ := f.gated()
	other := new(requester)
	for range 200 {
		f.register(w, time.Millisecond)
	}
	kept := f.register(other, time.Hour)
	f.expired(w, 1)
	f.within("the methods, while Expired is in progress", func() {
		id, _ := f.tracker.Register(w, time.Hour)
		f.tracker.Resolve(id)
		f.tracker.Cancel(kept, other)
		f.tracker.Remove(w)
		f.tracker.Pending()
	})
}
