package sampling

import (
	"context"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Subject is something whose operations can be timed. It is used by one
// goroutine at a time.
type Subject interface {
	// Name is what progress and errors call the subject.
	Name() string
	// Run does n operations, at least 1, and returns how long they took. When
	// ctx ends it returns early with the context's error.
	Run(ctx context.Context, n int) (time.Duration, error)
	// Verify is called after each Run with its n, and returns an error if the
	// subject has done anything but these operations since the Verify before.
	Verify(ctx context.Context, n int) error
}

// Gauge is a subject whose samples are something else than the time of one
// operation, such as the bytes that it takes up.
type Gauge interface {
	Subject
	// Value is the sample that the Run before came to.
	Value() float64
}

// Paced is a subject that begins its operations at a rate, whether or not those
// before have ended. A sample of it is its 99.9th percentile.
type Paced interface {
	Subject
	// Tails is what the operations of the Run before took. They are the
	// caller's.
	Tails() Tails
}

// Tails is what the operations of a Run took, each for itself.
type Tails struct {
	// Latency holds nanoseconds, each from the time at which the operation
	// should have begun.
	Latency *hdrhistogram.Histogram
	// PerSecond is the rate that was to be kept.
	PerSecond float64
	// Late is how many operations began more than a millisecond after they
	// should have.
	Late int64
}

// Process is the process that operations run in.
type Process interface {
	// Collect collects its garbage.
	Collect(ctx context.Context) error
	// Allocated returns how many objects, and how many bytes, it has allocated
	// on its heap so far.
	Allocated(ctx context.Context) (objects, bytes uint64, err error)
	// Waited returns for how long its threads have been ready to run without a
	// processor so far; 0 where that is not known.
	Waited(ctx context.Context) (time.Duration, error)
}

// OutOfProcess is a subject whose operations run in another process than this one.
type OutOfProcess interface {
	Subject
	Process() Process
}

// Here is this process. Waiting, if not nil, tells what [Process.Waited] returns.
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
