package harness

import (
	"runtime"
	"time"
)

// Clock is the time that a generator goes by.
type Clock interface {
	// Now is the time since a fixed moment. It never goes back.
	Now() time.Duration
	// Pause lets others run for a moment while the generator waits.
	Pause()
}

// Spinning is the machine's clock, and a wait that never sleeps: timers wake up
// later than most of what is measured takes. Each pause gives the processor to
// whoever is ready to run. Without that the workers that a message wakes would
// wait, tens of microseconds, until another processor takes them over.
type Spinning struct{}

// epoch is the fixed moment.
var epoch = time.Now()

// Now implements [Clock].
func (Spinning) Now() time.Duration { return time.Since(epoch) }

// Pause implements [Clock].
func (Spinning) Pause() { runtime.Gosched() }
