// Package trackertest is a suite that tests a [core.Tracker] against its contract. A
// tracker's own test calls it in a few lines:
//
//	func TestTracker(t *testing.T) {
//		trackertest.Run(t, func() (core.Tracker, error) { return mytracker.New(mytracker.Config{}) })
//	}
//
// Each case is named after a promise of [core.Tracker]. A case that fails prints the
// broken promise, then got and want.
//
// Most cases run in a [synctest] bubble, where the clock stands still until every
// goroutine waits. So they are exact about time, and take almost none. The tracker
// must measure time with package time, and its goroutines must wait between two ticks.
// [RunOutside] is for a tracker with timers in another process.
package trackertest

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
)

// Run runs the suite with trackers that newTracker makes; the suite closes them. It
// also checks the promises of [core.Reserver] if the tracker is one. The cases do not
// run in parallel, because one of them counts goroutines.
func Run(t *testing.T, newTracker func() (core.Tracker, error)) {
	t.Helper()
	for _, p := range promisesOf(t, newTracker) {
		t.Run(p.name, func(t *testing.T) {
			if p.clock == realTime {
				p.verify(t, newTracker, nil)
				return
			}
			synctest.Test(t, func(t *testing.T) { p.verify(t, newTracker, synctest.Wait) })
		})
	}
}

// promisesOf returns the promises of the trackers that newTracker makes.
func promisesOf(t reporter, newTracker func() (core.Tracker, error)) []promise {
	t.Helper()
	tracker, err := newTracker()
	if err != nil {
		t.Fatalf("the function made no tracker: %v", err)
	}
	defer tracker.Close()
	if _, reserves := tracker.(core.Reserver); reserves {
		return slices.Concat(promises, reserverPromises)
	}
	return promises
}

// RunOutside runs the cases that need no bubble. It does not check how punctual expiry
// is, and waits a moment where a bubble would let more time pass.
func RunOutside(t *testing.T, newTracker func() (core.Tracker, error)) {
	t.Helper()
	for _, p := range promisesOf(t, newTracker) {
		if p.clock != fakeTime {
			t.Run(p.name, func(t *testing.T) { p.verify(t, newTracker, nil) })
		}
	}
}

const (
	// patience is the time after which a case stops waiting and fails.
	patience = 30 * time.Second
	// late is the longest time from a request's timeout to its expiry.
	late = 2 * time.Millisecond
)

// reporter is the part of [testing.T] that a case uses. The suite's own tests
// implement it to see cases fail.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// promise is a promise of the contract, with the case that checks it.
type promise struct {
	name  string
	text  string
	clock clock
	check func(*fixture)
}

// clock is the time in which a case runs.
type clock uint8

const (
	fakeTime clock = iota // in a bubble
	realTime              // outside a bubble, for goroutines that run in parallel
	anyTime               // in a bubble, except in RunOutside
)

// verify runs the case. In a bubble, settle returns when all other goroutines wait;
// outside it is nil.
func (p promise) verify(t reporter, newTracker func() (core.Tracker, error), settle func()) {
	t.Helper()
	tracker, err := newTracker()
	if err != nil {
		t.Fatalf("the function made no tracker: %v", err)
	}
	f := &fixture{t: t, promise: p, again: newTracker, tracker: tracker, settle: settle}
	defer f.cleanUp()
	p.check(f)
}

// fixture is the tracker of a case, with its doubles.
type fixture struct {
	t       reporter
	promise promise
	again   func() (core.Tracker, error)
	tracker core.Tracker
	settle  func()
	gates   []chan struct{}
}

// cleanUp opens the gates that a case has left closed, and closes the tracker.
func (f *fixture) cleanUp() {
	for _, gate := range f.gates {
		select {
		case <-gate:
		default:
			close(gate)
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- f.tracker.Close() }()
	select {
	case <-closed:
	case <-time.After(patience): // the case has failed for the same reason
	}
}

// require ends the case unless ok.
func (f *fixture) require(ok bool, got any, want string, args ...any) {
	f.t.Helper()
	if !ok {
		f.t.Fatalf("broken promise: %s\n got: %v\nwant: %s", f.promise.text, got, fmt.Sprintf(want, args...))
	}
}

// within ends the case unless done returns in time.
func (f *fixture) within(what string, done func()) {
	f.t.Helper()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		done()
	}()
	select {
	case <-returned:
	case <-time.After(patience):
		f.require(false, "still running after "+patience.String(), "%s to return", what)
	}
}

// register adds a request that must be accepted.
func (f *fixture) register(w core.Waiter, timeout time.Duration) core.RequestID {
	f.t.Helper()
	id, err := f.tracker.Register(w, timeout)
	f.require(err == nil && id != 0, fmt.Sprintf("id %d, error %v", id, err), "a request with a timeout of %v to be registered under an id that is not 0", timeout)
	return id
}

// moment is the longest wait of a case outside a bubble.
const moment = 50 * time.Millisecond

// pass lets time pass in the bubble, until all other goroutines wait again. Outside a
// bubble, where the time is real, it waits a moment at most.
func (f *fixture) pass(d time.Duration) {
	if f.settle == nil {
		<-time.After(min(d, moment))
		return
	}
	<-time.After(d)
	f.settle()
}
