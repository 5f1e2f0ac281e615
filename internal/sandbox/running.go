package sandbox

import (
	"fmt"
	"runtime"
	"time"

	"github.com/airhost/airhost/core"
)

// GoOn leaves the guest's code if it must not go on: the host has interrupted it,
// or its call has used up its time. The guest sees to that itself, since a watchdog
// may not get a processor for 10 or 20 ms where guests keep all of them busy. The
// watch starts when it is looked at first, which short calls never do.
func (s *State) GoOn() {
	if s.interrupted.Load() {
		panic(errInterrupted)
	}
	if now := time.Since(began); !s.watch.look(now) {
		s.lookClosely(now)
	}
	if s.watch.late() {
		panic(s.outOfTime())
	}
}

func (s *State) lookClosely(now time.Duration) {
	w := &s.watch
	if w.at == 0 {
		if !s.starting { // what starts has one time for all of its calls
			w.running, w.waiting = 0, 0
		}
		w.begin(now, s.timeLimits())
		return
	}
	w.lookClosely(now, readThread(), s.Alone)
	if now-w.turn > turnTime && !w.late() {
		if !s.Alone { // what is alone holds no processor of Go's
			runtime.Gosched()
		}
		s.resume()
	}
}

// resume has the watch go on after what was not the guest's own doing.
func (s *State) resume() { s.watch.goOn(time.Since(began), readThread()) }

// waits has the guest sleep for d, which counts as what it waits: not more,
// however late the system wakes it.
func (s *State) waits(d time.Duration) {
	time.Sleep(d)
	s.watch.wait(d, s.timeLimits())
	s.resume()
}

// timeLimits are those of the call in progress.
func (s *State) timeLimits() timeLimits {
	limits := &s.Env.Limits
	if s.starting {
		return timeLimits{limits.StartTime, limits.StartTime}
	}
	return timeLimits{limits.HandlerTime, limits.HandlerWallTime}
}

// outOfTime names the limit that the call in progress has reached.
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
