package trackertest

import (
	"errors"
	"fmt"
	"runtime"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
)

func closedForgets(f *fixture) {
	w := new(requester)
	ids := []core.RequestID{f.register(w, time.Millisecond), f.register(w, time.Second)}
	f.pass(100 * time.Microsecond)
	f.close()
	f.quiet(time.Minute, w)
	f.pending(0)
	for _, id := range ids {
		f.unknown(id, w)
	}
	removed := f.tracker.Remove(w)
	f.require(len(removed) == 0, removed, "nothing left to remove")
}

func (f *fixture) close() {
	f.t.Helper()
	var err error
	f.within("Close", func() { err = f.tracker.Close() })
	f.require(err == nil, err, "Close to succeed")
}

func closedRefuses(f *fixture) {
	w := new(requester)
	f.close()
	id, err := f.tracker.Register(w, time.Second)
	f.require(errors.Is(err, core.ErrClosed), fmt.Sprintf("id %d, error %v", id, err), "ErrClosed")
	f.pending(0)
	f.within("a second Close", func() { err = f.tracker.Close() })
	f.require(err == nil || errors.Is(err, core.ErrClosed), err, "nil or ErrClosed from a second Close")
}

func closeWaits(f *fixture) {
	w, gate := f.gated()
	f.register(w, time.Millisecond)
	f.pass(time.Millisecond + late)
	f.require(len(w.expiries()) == 1, fmt.Sprint(len(w.expiries()), " calls of Expired"), "one in progress")
	closed := make(chan struct{})
	go func() {
		_ = f.tracker.Close()
		close(closed)
	}()
	synctest.Wait()
	select {
	case <-closed:
		f.require(false, "Close returned during Expired", "Close to wait for its end")
	default:
	}
	close(gate)
	f.within("Close", func() { <-closed })
}

func noGoroutineLeft(f *fixture) {
	f.close()
	before := goroutines()
	tracker, err := f.again()
	f.require(err == nil, err, "another tracker")
	f.tracker = tracker
	w := new(requester)
	for range 100 {
		f.register(w, time.Millisecond)
		f.register(w, time.Hour)
	}
	<-time.After(5 * time.Millisecond)
	f.close()
	start := time.Now()
	for runtime.NumGoroutine() > before {
		f.require(time.Since(start) < patience, fmt.Sprint(runtime.NumGoroutine(), " goroutines"), "%d, as before", before)
		<-time.After(time.Millisecond)
	}
}

// goroutines returns the number of goroutines, without those that are just ending.
func goroutines() int {
	least := runtime.NumGoroutine()
	for range 10 {
		<-time.After(time.Millisecond)
		least = min(least, runtime.NumGoroutine())
	}
	return least
}
