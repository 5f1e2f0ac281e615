package sandbox

import (
	"fmt"
	"reflect"
	"runtime"
	"time"

	"github.com/airhost/airhost/core"
)

// began is the origin of the stopwatch's times.
var began = time.Now()

// GoOn panics, and so ends the guest's call, if the host has interrupted the call or
// if the call has used up its time. The guest's own thread checks the time, since a
// watchdog may wait 10 or 20 ms for a processor while guests keep all of them busy.
// The stopwatch starts at the first check of a call; a short call ends before its
// first check.
func (s *State) GoOn() {
	if s.interrupted.Load() {
		panic(errInterrupted)
	}
	if now := time.Since(began); !s.watch.addShort(now) {
		s.measure(now)
	}
	if s.watch.late() {
		panic(s.outOfTime())
	}
}

func (s *State) measure(now time.Duration) {
	w := &s.watch
	if w.at == 0 {
		if !s.starting { // all calls of a start share one time limit
			w.running, w.waiting = 0, 0
		}
		w.begin(now, s.timeLimits())
		return
	}
	w.add(now, readThread(), s.Alone)
	if now-w.yielded > yieldAfter && !w.late() {
		if !s.Alone { // a guest that is alone holds none of the Go scheduler's processors
			runtime.Gosched()
		}
		s.resume()
	}
}

// resume restarts the stopwatch after time that does not count as the guest's.
func (s *State) resume() { s.watch.goOn(time.Since(began), readThread()) }

// waits puts the guest to sleep for d, or until one of ends is closed: then it returns true.
// It returns early if the host interrupts the guest or the guest's time is over. At most d counts as
// waiting time, even if the system wakes the thread later.
func (s *State) waits(d time.Duration, ends []<-chan struct{}) (ended bool) {
	woken := s.wake.Load()
	if woken == nil {
		woken = &wake{make(chan struct{}, 1)}
		s.wake.Store(woken)
	}
	if s.interrupted.Load() { // before the host knew how to wake the guest
		return false
	}
	limits := s.timeLimits()
	if left := limits.wall - s.watch.waiting - s.watch.running; d > left {
		d = left + 1 // then it is late
	}
	start := time.Now()
	ended = sleep(d, woken.up, ends)
	s.watch.wait(min(d, time.Since(start)), limits)
	s.resume()
	return ended
}

// wake wakes a guest that sleeps.
type wake struct{ up chan struct{} }

func (w *wake) interrupt() {
	select {
	case w.up <- struct{}{}:
	default: // it is awake already
	}
}

// sleep waits for d, for woken, or for one of ends, which it reports.
func sleep(d time.Duration, woken <-chan struct{}, ends []<-chan struct{}) (ended bool) {
	late := time.NewTimer(d)
	defer late.Stop()
	if len(ends) > 1 {
		return sleepForMany(late.C, woken, ends)
	}
	var end <-chan struct{}
	if len(ends) == 1 {
		end = ends[0]
	}
	select {
	case <-end:
		return true
	case <-woken:
	case <-late.C:
	}
	return false
}

func sleepForMany(late <-chan time.Time, woken <-chan struct{}, ends []<-chan struct{}) (ended bool) {
	cases := []reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(late)}, {Dir: reflect.SelectRecv, Chan: reflect.ValueOf(woken)},
	}
	for _, end := range ends {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(end)})
	}
	chosen, _, _ := reflect.Select(cases)
	return chosen > 1
}

// timeLimits returns the limits of the current call.
func (s *State) timeLimits() timeLimits {
	limits := &s.Env.Limits
	if s.starting {
		return timeLimits{limits.StartTime, limits.StartTime}
	}
	return timeLimits{limits.HandlerTime, limits.HandlerWallTime}
}

// outOfTime returns the error that names the limit which the current call has
// exceeded.
func (s *State) outOfTime() *core.TrapError {
	limits := &s.Env.Limits
	name, limit := "limits.handler_time", limits.HandlerTime
	switch {
	case s.starting:
		name, limit = "limits.start_time", limits.StartTime
	case s.watch.running <= limits.HandlerTime:
		name, limit = "limits.handler_wall_time", limits.HandlerWallTime
	}
	return &core.TrapError{Kind: core.TrapHandler, Text: fmt.Sprintf("not done within %s (%v)", name, limit)}
}
