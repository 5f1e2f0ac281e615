// Package trackertest holds what every [core.Tracker] must do, as one suite. A
// tracker's own test calls it in a few lines:
//
//	func TestTracker(t *testing.T) {
//		trackertest.Run(t, func() (core.Tracker, error) { return mytracker.New(mytracker.Config{}) })
//	}
//
// Each case is named after a promise of [core.Tracker]; a case that fails says
// which promise was broken, what was seen and what was wanted. Most cases run in
// a [synctest] bubble, where the clock stands still until everything waits: so
// they are exact about time, and take none. The tracker must therefore measure
// time with package time, and not with a goroutine that never rests. A tracker
// whose timers are outside of the test's process is for [RunOutside].
package trackertest

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
)

// Run runs the suite with trackers that newTracker makes; the suite closes them.
// Of a tracker that is a [core.Reserver] it tries the promises of that, too.
// Cases run one after the other, because one of them counts goroutines.
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

// promisesOf returns what the trackers promise.
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

// RunOutside runs the part of the suite that needs no bubble: it leaves out how
// punctual expiry is, and waits a moment where a bubble would let much time pass.
func RunOutside(t *testing.T, newTracker func() (core.Tracker, error)) {
	t.Helper()
	for _, p := range promisesOf(t, newTracker) {
		if p.clock != fakeTime {
			t.Run(p.name, func(t *testing.T) { p.verify(t, newTracker, nil) })
		}
	}
}

const (
	// patience is how long the suite waits for what must happen.
	patience = 30 * time.Second
	// late is how much later than its timeout a request may expire.
	late = 2 * time.Millisecond
)

// reporter is what a case needs of a test, so that the suite's own tests can
// watch cases fail.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// promise is something that the contract promises, and how to find it broken.
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
	realTime              // for goroutines that truly meet
	anyTime               // in a bubble, where there is one
)

// verify runs the case; settle waits in a bubble until everything else does, and
// is nil outside of one.
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

// fixture is a tracker, and what a case works with.
type fixture struct {
	t       reporter
	promise promise
	again   func() (core.Tracker, error)
	tracker core.Tracker
	settle  func()
	gates   []chan struct{}
}

// cleanUp lets go of waiters that a case has left at their gate.
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
	case <-time.After(patience): // the case has failed for what holds it up
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

// moment is how long a case waits outside of a bubble.
const moment = 50 * time.Millisecond

// pass lets time pass in the bubble, and what it brings about happen. Outside of
// one, where much time would be real, it passes a moment at most.
func (f *fixture) pass(d time.Duration) {
	if f.settle == nil {
		<-time.After(min(d, moment))
		return
	}
	<-time.After(d)
	f.settle()
}
