package sampling

import (
	"context"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Subject has operations that can be timed. One goroutine at a time uses it.
type Subject interface {
	// Name is the subject's name in progress and errors.
	Name() string
	// Run does n operations, at least 1, and returns the time that they took. When ctx
	// ends it returns early with the context's error.
	Run(ctx context.Context, n int) (time.Duration, error)
	// Verify is called after each Run with its n. It returns an error unless the
	// subject has done exactly these operations since the last Verify.
	Verify(ctx context.Context, n int) error
}

// Valued is a subject whose samples are not times but other values, such as bytes of
// memory.
type Valued interface {
	Subject
	// Value is the sample of the last Run.
	Value() float64
}

// Paced is a subject that begins its operations at a fixed rate, whether or not those
// before have ended. Its sample is the 99.9th percentile of their times.
type Paced interface {
	Subject
	// Tails returns the times of the last Run's operations. The caller owns them.
	Tails() Tails
}

// Tails holds the times of the single operations of a Run.
type Tails struct {
	// Latency holds nanoseconds, each from the time at which the operation
	// should have begun.
	Latency *hdrhistogram.Histogram
	// PerSecond is the intended rate.
	PerSecond float64
	// Late is the number of operations that began more than a millisecond after their
	// time.
	Late int64
}

// Process is a process in which operations run.
type Process interface {
	// Collect collects the process's garbage.
	Collect(ctx context.Context) error
	// Allocated returns the number of objects, and of bytes, that the process has
	// allocated on its heap so far.
	Allocated(ctx context.Context) (objects, bytes uint64, err error)
	// Waited returns the time for which the process's threads have been ready to run
	// without a processor so far; 0 where the system does not tell.
	Waited(ctx context.Context) (time.Duration, error)
}

// OutOfProcess is a subject whose operations run in another process.
type OutOfProcess interface {
	Subject
	Process() Process
}

// Here is this process. Waiting, if not nil, returns the value of [Process.Waited].
type Here struct{ Waiting func() time.Duration }

var _ Process = (*Here)(nil)

// Collect implements [Process].
func (*Here) Collect(context.Context) error {
	runtime.GC()
	return nil
}

// Allocated implements [Process].
func (*Here) Allocated(context.Context) (objects, bytes uint64, err error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs, m.TotalAlloc, nil
}

// Waited implements [Process].
func (h *Here) Waited(context.Context) (time.Duration, error) {
	if h.Waiting == nil {
		return 0, nil
	}
	return h.Waiting(), nil
}
