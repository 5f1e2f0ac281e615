package core_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
)

// resting is the time after which a clock without work rests.
const resting = 1000 * core.ClockResolution

// worker is the function of a clock, which has jobs to do in its ticks.
type worker struct {
	ticks atomic.Int64
	last  atomic.Int64
	jobs  atomic.Int64 // ticks in which it is still busy
}

func (w *worker) tick(now time.Duration) bool {
	w.ticks.Add(1)
	w.last.Store(int64(now))
	return w.jobs.Load() > 0 && w.jobs.Add(-1) >= 0
}

// after lets time pass until every goroutine waits.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestClockTicksWithTheTimeItShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w worker
		c := core.NewClock(w.tick)
		defer c.Close()
		after(time.Hour)
		if got := w.ticks.Load(); got != 0 {
			t.Fatalf("before it was read the clock ticked %d times, want 0", got)
		}
		if got := c.Now(); got != time.Hour {
			t.Errorf("first Now: got %v, want %v", got, time.Hour)
		}
		after(10*core.ClockResolution + core.ClockResolution/2)
		if got, want := c.Now(), time.Hour+10*core.ClockResolution; got != want || w.last.Load() != int64(want) {
			t.Errorf("10 and a half ticks later: Now %v, tick with %v, want %v", got, time.Duration(w.last.Load()), want)
		}
		if got, want := c.Exact(), time.Hour+10*core.ClockResolution+core.ClockResolution/2; got != want {
			t.Errorf("Exact: got %v, want %v", got, want)
		}
		if got := w.ticks.Load(); got != 10 {
			t.Errorf("got %d ticks, want 10", got)
		}
	})
}

func TestClockRestsWithoutWorkAndWakesWhenRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w worker
		c := core.NewClock(w.tick)
		defer c.Close()
		c.Now()
		after(resting + time.Millisecond/2)
		rested := w.ticks.Load()
		after(time.Hour)
		if got := w.ticks.Load(); got != rested {
			t.Errorf("at rest the clock ticked %d times", got-rested)
		}
		if got, want := c.Now(), c.Exact(); got != want {
			t.Errorf("Now after a rest: got %v, want %v", got, want)
		}
		after(10 * core.ClockResolution)
		if got := w.ticks.Load() - rested; got != 10 {
			t.Errorf("in 10 ticks' time after a rest the clock ticked %d times", got)
		}
	})
}

func TestClockDoesNotRestWithWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w worker
		c := core.NewClock(w.tick)
		defer c.Close()
		w.jobs.Store(5000)
		c.Now()
		after(5000*core.ClockResolution + time.Millisecond/2)
		if got := w.jobs.Load(); got != 0 {
			t.Errorf("%d jobs were left undone", got)
		}
	})
}

// TestClockLooksOnceMore gives a clock work while it goes to rest: after the tick that
// found none, from a goroutine that read the clock before that tick.
func TestClockLooksOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ticks, worked int
		c := core.NewClock(func(time.Duration) bool {
			ticks++
			if ticks > 1000 {
				worked++
			}
			return ticks > 1000 && ticks <= 1010
		})
		defer c.Close()
		c.Now()
		after(resting + 20*core.ClockResolution)
		if worked < 10 {
			t.Errorf("the clock rested with work to do: %d of 10 jobs done", worked)
		}
	})
}

// TestClockIsReadByItsFunction reads the clock during its last tick before the rest,
// which wakes it, while there is also work.
func TestClockIsReadByItsFunction(t *testing.T) {
	for _, busy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var c *core.Clock
			var ticks int
			var last time.Duration
			c = core.NewClock(func(now time.Duration) bool {
				if now < last {
					t.Errorf("a tick with %v came after one with %v", now, last)
				}
				last = now
				if ticks++; ticks == 1001 {
					c.Now()
					return busy
				}
				return false
			})
			defer c.Close()
			c.Now()
			after(resting + 10*core.ClockResolution + time.Millisecond/2)
			if ticks != 1011 {
				t.Errorf("got %d ticks, want 1000, the last one before the rest, and 10 from one goroutine", ticks)
			}
		})
	}
}

func TestClockCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, gate := make(chan struct{}), make(chan struct{})
		c := core.NewClock(func(time.Duration) bool {
			entered <- struct{}{}
			<-gate
			return true
		})
		c.Now()
		<-entered
		closed := make(chan struct{})
		go func() {
			c.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned during a tick")
		default:
		}
		close(gate)
		<-closed
		c.Close()
		after(time.Second)
		if got, want := c.Now(), c.Exact(); got != want {
			t.Errorf("Now after Close: got %v, want the system's %v", got, want)
		}
	})
}

// TestClockClosesAtRest closes clocks that do not tick: one that never did, and one in
// its last tick before the rest.
func TestClockClosesAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core.NewClock(func(time.Duration) bool { return false }).Close()

		ticks, entered, gate := 0, make(chan struct{}), make(chan struct{})
		c := core.NewClock(func(time.Duration) bool {
			if ticks++; ticks > 1000 {
				entered <- struct{}{}
				<-gate
			}
			return ticks > 1000
		})
		c.Now()
		<-entered
		go close(gate)
		c.Close()
		if ticks != 1001 {
			t.Errorf("got %d ticks, want none after Close", ticks)
		}
	})
}

// TestClockNeverGoesBack wakes clocks from several goroutines at once.
func TestClockNeverGoesBack(t *testing.T) {
	const clocks, readers = 2000, 4
	for range clocks {
		c := core.NewClock(func(time.Duration) bool { return false })
		start := make(chan struct{})
		var reading sync.WaitGroup
		for range readers {
			reading.Go(func() {
				<-start
				first := c.Now()
				if second := c.Now(); second < first {
					t.Errorf("after %v the clock showed %v", first, second)
				}
			})
		}
		close(start)
		reading.Wait()
		c.Close()
	}
}
