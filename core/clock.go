package core

import (
	"sync"
	"sync/atomic"
	"time"
)

// ClockResolution is how often a [Clock] ticks.
const ClockResolution = time.Millisecond

// clockRest is the number of idle ticks after which a clock stops ticking.
const clockRest = 1000

// Clock is a coarse monotonic clock. A read costs one load. At every tick the clock
// calls a function. The clock stops ticking when that function has been idle for a
// while, and starts again when it is read. So a caller that creates work for the
// function calls Now afterwards.
type Clock struct {
	start  time.Time
	onTick func(now time.Duration) (busy bool)

	_   [64]byte     // every core reads now: no other field shares its cache line
	now atomic.Int64 // ns since start; negative: at rest
	_   [64]byte

	ticking sync.Mutex // guards ticked; held during onTick, before mu
	ticked  time.Duration
	mu      sync.Mutex // guards closed, and the start of the ticking goroutine
	closed  bool
	stop    chan struct{}
	stopped sync.WaitGroup
}

// atRest marks a clock that does not tick.
const atRest = -1

// NewClock returns a clock that calls onTick with the time that it shows, every
// [ClockResolution], or later on a busy machine. It calls onTick on a goroutine of its
// own. onTick returns whether it has work for the next ticks. It must not call Close.
func NewClock(onTick func(now time.Duration) (busy bool)) *Clock {
	c := &Clock{start: time.Now(), onTick: onTick, stop: make(chan struct{})}
	c.now.Store(atRest)
	return c
}

// Now returns the time from NewClock to the last tick. It is at most one tick old if
// the machine can keep up, and never goes back. Now may be called from any goroutine.
func (c *Clock) Now() time.Duration {
	if now := c.now.Load(); now >= 0 {
		return time.Duration(now)
	}
	return c.wake()
}

// Exact returns the time since NewClock, from the system's monotonic clock.
func (c *Clock) Exact() time.Duration { return time.Since(c.start) }

func (c *Clock) wake() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		now := c.Exact()
		if c.rouseLocked(now) {
			c.stopped.Go(c.run)
			return now
		}
		if c.closed {
			return now
		}
		// Another reader has woken the clock, which shows an earlier time than now.
		if shown := c.now.Load(); shown >= 0 {
			return time.Duration(shown)
		}
	}
}

// rouseLocked makes a clock at rest show now. It reports whether the clock was at rest;
// then the caller, which holds mu, starts the ticking goroutine.
func (c *Clock) rouseLocked(now time.Duration) bool {
	return !c.closed && c.now.CompareAndSwap(atRest, int64(now))
}

func (c *Clock) run() {
	ticker := time.NewTicker(ClockResolution)
	defer ticker.Stop()
	for idle := 0; ; {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
		}
		now := c.Exact()
		c.now.Store(int64(now))
		if c.tick(now) {
			idle = 0
		} else if idle++; idle >= clockRest {
			// A caller that read the clock just before it showed rest relies on a
			// further tick.
			c.now.Store(atRest)
			if !c.tick(now) {
				return
			}
			c.mu.Lock()
			roused := c.rouseLocked(c.Exact())
			c.mu.Unlock()
			if !roused {
				return
			}
			idle = 0
		}
	}
}

func (c *Clock) tick(now time.Duration) bool {
	c.ticking.Lock()
	defer c.ticking.Unlock()
	c.ticked = max(c.ticked, now) // the last tick before a rest may come late
	return c.onTick(c.ticked)
}

// Close stops the clock and waits for the end of a tick in progress. Now keeps
// returning the system's time.
func (c *Clock) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.stop)
	}
	c.mu.Unlock()
	c.stopped.Wait()
	c.now.Store(atRest)
}
