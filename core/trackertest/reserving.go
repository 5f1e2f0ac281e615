package trackertest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// reserverPromises lists the promises that [core.Reserver] adds to [core.Tracker].
var reserverPromises = []promise{
	{"reserved-is-not-pending", "a reserved id is not pending: it does not count or expire, and cannot be resolved or canceled", fakeTime, reservedIsNotPending},
	{"register-reserved", "RegisterReserved makes a request pending under the reserved id, and reserves the next one", fakeTime, registersReserved},
	{"reserved-ids-differ", "a reserved id is no other request's, pending or reserved", fakeTime, reservedDiffer},
	{"reserved-removed", "Remove gives the reserved ids of its waiter back, and of no other", fakeTime, reservedRemoved},
	{"not-reserved", "an id that is not reserved for the waiter is an invalid argument", fakeTime, notReserved},
	{"reserved-timeout-range", "RegisterReserved takes the timeouts that Register takes, and leaves the id reserved if it refuses", fakeTime, reservedTimeouts},
	{"reserved-expires", "a request under a reserved id expires in its time, once", fakeTime, reservedExpires},
	{"reserve", "Reserve replaces ids of 0 and reserved ids by reserved ids that no request has had, and gives the old ones back", fakeTime, reserves},
	{"reserve-not-reserved", "Reserve stops at an id that is neither 0 nor reserved for the waiter: it is an invalid argument, and the rest stays", fakeTime, reservesOwn},
	{"reserved-closed", "after Close Reserve and RegisterReserved return ErrClosed", fakeTime, reservedClosed},
}

// reserver returns the tracker, which is a Reserver.
func (f *fixture) reserver() core.Reserver { return f.tracker.(core.Reserver) }

// reserve returns a newly reserved id.
func (f *fixture) reserve(w core.Waiter) core.RequestID {
	f.t.Helper()
	ids := []core.RequestID{0}
	f.replaces(w, ids, 1, nil)
	return ids[0]
}

// replaces checks the error of Reserve, and that Reserve replaces the first ids and
// no other.
func (f *fixture) replaces(w core.Waiter, ids []core.RequestID, replaced int, want error) {
	f.t.Helper()
	before := slices.Clone(ids)
	err := f.reserver().Reserve(w, ids)
	f.require(errors.Is(err, want), err, "the error %v", want)
	for i, id := range ids {
		f.require((id != before[i]) == (i < replaced) && (id != 0 || before[i] == 0), ids, "%d other ids instead of the first of %v", replaced, before)
	}
}

// registerReserved registers a request that must be accepted.
func (f *fixture) registerReserved(id core.RequestID, w core.Waiter, timeout time.Duration) (next core.RequestID) {
	f.t.Helper()
	next, err := f.reserver().RegisterReserved(id, w, timeout)
	f.require(err == nil && next != 0 && next != id, fmt.Sprintf("next id %d, error %v", next, err),
		"a request to be registered under the id %d, and another id to be reserved", id)
	return next
}

// refused checks that RegisterReserved returns an error and does nothing.
func (f *fixture) refused(id core.RequestID, w core.Waiter, timeout time.Duration, want error) {
	f.t.Helper()
	before := f.tracker.Pending()
	next, err := f.reserver().RegisterReserved(id, w, timeout)
	f.require(errors.Is(err, want) && next == 0, fmt.Sprintf("next id %d, error %v", next, err), "%v for id %d, and 0", want, id)
	f.pending(before)
}

func reservedIsNotPending(f *fixture) {
	w := new(requester)
	id := f.reserve(w)
	f.pending(0)
	f.unknown(id, w)
	f.quiet(time.Minute, w)
	next := f.registerReserved(id, w, time.Hour)
	f.pending(1)
	f.unknown(next, w)
	f.resolves(id, w)
	f.pending(0)
}

func registersReserved(f *fixture) {
	w := new(requester)
	id := f.reserve(w)
	var given []core.RequestID
	for range 1000 {
		given = append(given, id)
		id = f.registerReserved(id, w, time.Hour)
	}
	f.pending(len(given))
	for i, id := range given {
		if i%2 == 0 {
			f.resolves(id, w)
		} else {
			f.require(f.tracker.Cancel(id, w), "false", "Cancel(%d) to return true", id)
		}
		f.unknown(id, w)
	}
	f.pending(0)
	f.quiet(2*time.Hour, w)
}

// reservedDiffer: reserved and other ids of several waiters, while requests begin and
// end.
func reservedDiffer(f *fixture) {
	seen := make(map[core.RequestID]bool)
	fresh := func(id core.RequestID) {
		f.require(!seen[id], fmt.Sprint(id, " again"), "an id that nobody has")
		seen[id] = true
	}
	for range 50 {
		w := new(requester)
		reserved := f.reserve(w)
		fresh(reserved)
		for range 20 {
			gone := f.register(w, time.Hour)
			f.resolves(gone, w)
			f.require(!seen[gone], fmt.Sprint(gone, " again"), "an id that nobody has")
			fresh(f.register(w, time.Hour))
			reserved = f.registerReserved(reserved, w, time.Hour)
			fresh(reserved)
			fresh(f.reserve(w))
		}
	}
}

func reservedRemoved(f *fixture) {
	alice, bob := new(requester), new(requester)
	var back []core.RequestID
	for range 10 {
		back = append(back, f.reserve(alice))
	}
	pending := f.register(alice, time.Second)
	kept := f.reserve(bob)
	removed := f.tracker.Remove(alice)
	f.require(slices.Equal(removed, []core.RequestID{pending}), removed, "the pending request alone, %d", pending)
	for _, id := range back {
		f.refused(id, alice, time.Second, core.ErrInvalidArgument)
	}
	f.registerReserved(kept, bob, time.Hour)
	f.resolves(kept, bob)
	f.quiet(time.Minute, alice)
	f.registerReserved(f.reserve(alice), alice, time.Hour) // alice can go on
}

func notReserved(f *fixture) {
	alice, bob := new(requester), new(requester)
	id := f.reserve(alice)
	f.refused(id, bob, time.Second, core.ErrInvalidArgument)
	f.refused(0, alice, time.Second, core.ErrInvalidArgument)
	f.refused(id+1<<40, alice, time.Second, core.ErrInvalidArgument)
	next := f.registerReserved(id, alice, time.Hour) // the refusals have changed nothing
	f.refused(id, alice, time.Second, core.ErrInvalidArgument)
	pending := f.register(alice, time.Hour)
	f.refused(pending, alice, time.Second, core.ErrInvalidArgument)
	f.resolves(id, alice)
	f.refused(id, alice, time.Second, core.ErrInvalidArgument)
	f.resolves(pending, alice)
	f.registerReserved(next, alice, time.Hour)
	f.resolves(next, alice)
}

func reservedTimeouts(f *fixture) {
	w := new(requester)
	id := f.reserve(w)
	for _, timeout := range []time.Duration{0, -1, core.MaxTimeout + 1, 1<<63 - 1, -1 << 63} {
		f.refused(id, w, timeout, core.ErrInvalidArgument)
	}
	id = f.registerReserved(id, w, core.MaxTimeout)
	f.registerReserved(id, w, 1)
	f.pending(2)
}

func reservedExpires(f *fixture) {
	w := new(requester)
	id := f.reserve(w)
	f.pass(time.Minute) // a reserved id has no age
	type entry struct {
		timeout time.Duration
		start   time.Time
	}
	entries := make(map[core.RequestID]entry)
	for _, timeout := range timeouts {
		entries[id] = entry{timeout, time.Now()}
		id = f.registerReserved(id, w, timeout)
		f.pass(333 * time.Microsecond)
	}
	f.pass(time.Minute)
	for _, e := range w.expiries() {
		of, ok := entries[e.id]
		f.require(ok, fmt.Sprint("Expired(", e.id, ")"), "no id but those registered, once each")
		took := e.at.Sub(of.start)
		f.require(took >= of.timeout && took <= of.timeout+late, took, "the timeout, %v, and at most %v more", of.timeout, late)
		delete(entries, e.id)
	}
	f.require(len(entries) == 0, fmt.Sprint(len(entries), " that did not expire"), "all to expire")
	f.pending(0)
}

// reserves: one call replaces reserved ids and ids of 0.
func reserves(f *fixture) {
	w, other := new(requester), new(requester)
	kept := f.reserve(other)
	seen := map[core.RequestID]bool{kept: true}
	f.replaces(w, nil, 0, nil)
	ids := make([]core.RequestID, 3)
	f.replaces(w, ids, len(ids), nil)
	for n := range 1000 {
		before := slices.Clone(ids)
		if n%2 == 0 {
			ids[1] = 0 // the waiter forgets its id
		}
		f.replaces(w, ids, len(ids), nil)
		for _, id := range before {
			f.require(!seen[id], fmt.Sprint(id, " again"), "an id that no request has had")
			seen[id] = true
			f.unknown(id, w)
		}
		f.refused(before[0], w, time.Hour, core.ErrInvalidArgument)
	}
	f.pending(0)
	for _, id := range ids {
		f.require(!seen[id], fmt.Sprint(id, " again"), "an id that no request has had")
		seen[id] = true
		f.unknown(id, w)
		f.registerReserved(id, w, time.Hour)
	}
	f.pending(len(ids))
	for _, id := range ids {
		f.resolves(id, w)
	}
	f.registerReserved(kept, other, time.Hour)
	f.resolves(kept, other)
	f.quiet(time.Minute, w)
}

func reservesOwn(f *fixture) {
	alice, bob := new(requester), new(requester)
	first, last, his := f.reserve(alice), f.reserve(alice), f.reserve(bob)
	pending := f.register(alice, time.Hour)
	for _, wrong := range []core.RequestID{his, pending, first + 1<<40} {
		ids := []core.RequestID{first, wrong, last}
		f.replaces(alice, ids, 1, core.ErrInvalidArgument)
		first = ids[0]
		f.replaces(alice, []core.RequestID{0, wrong, 0}, 1, core.ErrInvalidArgument)
		f.replaces(alice, []core.RequestID{wrong, last}, 0, core.ErrInvalidArgument)
	}
	f.registerReserved(last, alice, time.Hour)
	f.registerReserved(his, bob, time.Hour)
	f.resolves(pending, alice)
	f.tracker.Remove(alice)
	f.replaces(alice, []core.RequestID{first}, 0, core.ErrInvalidArgument)
}

func reservedClosed(f *fixture) {
	w := new(requester)
	id := f.reserve(w)
	f.close()
	f.refused(id, w, time.Second, core.ErrClosed)
	f.replaces(w, []core.RequestID{id}, 0, core.ErrClosed)
	f.replaces(w, []core.RequestID{0}, 0, core.ErrClosed)
	f.replaces(w, []core.RequestID{id, 0}, 0, core.ErrClosed)
	f.quiet(time.Minute, w)
}
