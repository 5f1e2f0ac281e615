package harness

import (
	"runtime"
	"time"
)

// Clock is the time of a generator's schedule.
type Clock interface {
	// Now is the time since a fixed moment. It never goes back.
	Now() time.Duration
	// Pause lets other goroutines run for a moment while the generator waits.
	Pause()
}

// Spinning is the machine's clock, with a wait that never sleeps: a timer wakes up
// later than most operations take. Each pause gives the processor to another
// goroutine that is ready. Otherwise the workers that a message wakes would wait for
// tens of microseconds, until another processor takes them over.
type Spinning struct{}

// epoch is the fixed moment.
var epoch = time.Now()

// Now implements [Clock].
func (Spinning) Now() time.Duration { return time.Since(epoch) }

// Pause implements [Clock].
func (Spinning) Pause() { runtime.Gosched() }
