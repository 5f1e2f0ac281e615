package trackertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// rangeOfTimeouts: a refused request leaves nothing behind.
func rangeOfTimeouts(f *fixture) {
	w := new(requester)
	for _, timeout := range []time.Duration{0, -1, -time.Hour, core.MaxTimeout + 1, 1<<63 - 1, -1 << 63} {
		id, err := f.tracker.Register(w, timeout)
		f.require(errors.Is(err, core.ErrInvalidArgument) && id == 0, fmt.Sprintf("id %d, error %v", id, err), "invalid-argument for a timeout of %v", timeout)
	}
	f.pending(0)
	f.resolves(f.register(w, 1), w)
	f.resolves(f.register(w, core.MaxTimeout), w)
}

func resolveOnce(f *fixture) {
	alice, bob := new(requester), new(requester)
	a, b := f.register(alice, time.Second), f.register(bob, time.Second)
	f.resolves(b, bob)
	f.unknown(b, bob)
	f.resolves(a, alice)
	f.unknown(a, alice)
	f.quiet(3*time.Second, alice, bob)
}

func cancelOwn(f *fixture) {
	alice, bob := new(requester), new(requester)
	id := f.register(alice, time.Second)
	ok := f.tracker.Cancel(id, bob)
	f.require(!ok, "true", "Cancel by another waiter to return false")
	f.pending(1)
	ok = f.tracker.Cancel(id, alice)
	f.require(ok, "false", "Cancel by the waiter after another's to return true")
	f.unknown(id, alice)
	f.quiet(3*time.Second, alice, bob)
}

func tells(f *fixture) {
	w := new(requester)
	id, other := f.register(w, time.Hour), f.register(w, time.Hour)
	for _, pending := range []core.RequestID{id, other} {
		f.require(f.tracker.IsPending(pending), "false", "IsPending(%d) to return true", pending)
	}
	f.resolves(id, w)
	f.require(!f.tracker.IsPending(id), "true", "IsPending of a request that has ended to return false")
	f.require(f.tracker.IsPending(other), "false", "IsPending of another to return true")
}

// removeOwn: Remove also removes requests that are some ticks old.
func removeOwn(f *fixture) {
	alice, bob := new(requester), new(requester)
	var ofAlice, ofBob []core.RequestID
	for n := range 1000 {
		if n%100 == 0 {
			f.pass(time.Millisecond)
		}
		ofAlice = append(ofAlice, f.register(alice, 5*time.Second))
		ofBob = append(ofBob, f.register(bob, 5*time.Second))
	}
	got := f.tracker.Remove(alice)
	slices.Sort(got)
	slices.Sort(ofAlice)
	f.require(slices.Equal(got, ofAlice), fmt.Sprint(len(got), " ids"), "the %d ids that the waiter registered", len(ofAlice))
	f.pending(len(ofBob))
	for _, id := range ofAlice {
		f.unknown(id, alice)
	}
	for _, id := range ofBob {
		f.resolves(id, bob)
	}
	got = f.tracker.Remove(alice)
	f.require(len(got) == 0, got, "nothing left to remove")
	f.quiet(10*time.Second, alice, bob)
}

// madeUp: ids that a guest or another host could send.
func madeUp(f *fixture) {
	w := new(requester)
	var given []core.RequestID
	for range 300 {
		given = append(given, f.register(w, time.Hour))
	}
	finished := given[100:]
	for _, id := range finished {
		f.resolves(id, w)
	}
	for _, id := range append(finished, 0, 1<<64-1, 1<<63, 1<<32, given[0]-1, given[0]+1<<40) {
		if !slices.Contains(given[:100], id) {
			f.unknown(id, w)
		}
	}
	for _, id := range given[:100] {
		f.neighbours(id, given[:100], w)
		f.resolves(id, w)
	}
	f.pending(0)
}

// lateAnswers: the ids of requests that ended in different ways stay unknown while many
// other requests use the memory of those again.
func lateAnswers(f *fixture) {
	w := new(requester)
	var finished []core.RequestID
	for range 10 {
		expired, resolved, cancelled := f.register(w, 1), f.register(w, time.Hour), f.register(w, time.Hour)
		f.pass(late)
		f.resolves(resolved, w)
		f.tracker.Cancel(cancelled, w)
		removed := f.register(w, time.Hour)
		f.tracker.Remove(w)
		finished = append(finished, expired, resolved, cancelled, removed)
	}
	for range 50 {
		var others []core.RequestID
		for range 50 {
			others = append(others, f.register(w, time.Hour))
		}
		for _, id := range finished {
			f.unknown(id, w)
		}
		for _, id := range others {
			f.resolves(id, w)
		}
	}
}

// neighbours checks all ids that differ from id in one bit.
func (f *fixture) neighbours(id core.RequestID, pending []core.RequestID, w core.Waiter) {
	f.t.Helper()
	for bit := range 64 {
		if other := id ^ 1<<bit; !slices.Contains(pending, other) {
			f.unknown(other, w)
		}
	}
}

// neverReused: requests are registered and end at random.
func neverReused(f *fixture) {
	w := new(requester)
	live := make(map[core.RequestID]bool)
	var order []core.RequestID
	for range 20_000 {
		if len(order) > 0 && rand.IntN(5) < 2 {
			i := rand.IntN(len(order))
			id := order[i]
			order[i] = order[len(order)-1]
			order = order[:len(order)-1]
			delete(live, id)
			f.resolves(id, w)
			continue
		}
		id := f.register(w, time.Hour)
		f.require(!live[id], fmt.Sprint(id, " again"), "an id that is not that of a pending request")
		live[id] = true
		order = append(order, id)
	}
	f.pending(len(order))
}

func counts(f *fixture) {
	w := new(requester)
	f.pending(0)
	resolved, cancelled := f.register(w, time.Second), f.register(w, time.Second)
	f.register(w, time.Second)
	f.pending(3)
	f.resolves(resolved, w)
	f.pending(2)
	f.unknown(resolved, w)
	f.pending(2)
	f.tracker.Cancel(cancelled, w)
	f.pending(1)
	f.pass(time.Second + late)
	f.pending(0)
	f.register(w, time.Hour)
	f.tracker.Remove(w)
	f.pending(0)
}

// aHundredThousand: a hundred waiters have 100,000 requests pending at once.
func aHundredThousand(f *fixture) {
	const waiters, each, expiring = 100, 1000, 10_000
	var all []*requester
	seen := make(map[core.RequestID]*requester)
	for range waiters {
		w := new(requester)
		all = append(all, w)
		for range each {
			seen[f.register(w, 2*time.Second)] = w
		}
	}
	f.require(len(seen) == waiters*each, fmt.Sprint(len(seen), " different ids"), "%d", waiters*each)
	f.pending(waiters * each)
	for id, w := range seen {
		if len(seen) > expiring {
			f.resolves(id, w)
			delete(seen, id)
		}
	}
	f.pending(expiring)
	f.pass(2*time.Second + late)
	f.pending(0)
	for _, w := range all {
		for _, id := range ids(w.expiries()) {
			f.require(seen[id] == w, fmt.Sprint(id, " once more, or never registered"), "each request to expire once, at its waiter")
			delete(seen, id)
		}
	}
	f.require(len(seen) == 0, fmt.Sprint(len(seen), " without an expiry"), "all to expire")
}
