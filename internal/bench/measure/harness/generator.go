package harness

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// LateAfter is the delay after the intended time from which on an operation counts as
// late.
const LateAfter = time.Millisecond

// GeneratorConfig says how a generator sends operations. All fields but Clock are
// required.
type GeneratorConfig struct {
	// Send begins the operation of this number. It need not wait for the operation's
	// end: [Generator.Complete] tells the generator of it. An error ends the window.
	Send func(sequence uint64) error
	// InFlight is the most operations that may be under way. At this number the
	// generator waits for one to end before it sends the next: late, which that one's
	// latency includes.
	InFlight int
	// Patience is the time for which an operation may hold up the generator before it
	// calls Stuck, which returns an error if the operation cannot end any more. That
	// error ends the window.
	Patience time.Duration
	Stuck    func(ctx context.Context) error
	// Clock is the time of the schedule; [Spinning] by default.
	Clock Clock
}

// Generator sends operations at a fixed rate, whether or not those before have ended,
// and counts the latency of each from the moment at which it should have been sent. A
// closed loop, which waits for one operation before it sends the next, sends nothing
// while a server stalls. It then has one slow operation, where in truth many had to
// wait ("coordinated omission"). Here they all count, as in wrk2.
//
// One goroutine at a time runs windows. One goroutine at a time calls Complete, and
// may be another than that; any may call Fail.
type Generator struct {
	config  GeneratorConfig
	pending []atomic.Uint64 // by sequence, the sequence + 1 while it is under way, or 0
	failure atomic.Pointer[error]
	sent    uint64

	// These are of the window under way. The fields that Complete reads are written
	// before an operation is marked as pending. Complete writes the histogram before it
	// unmarks one.
	taken    *hdrhistogram.Histogram
	first    uint64
	began    time.Duration
	interval float64 // ns
}

// NewGenerator returns a generator.
func NewGenerator(config GeneratorConfig) *Generator {
	if config.Clock == nil {
		config.Clock = Spinning{}
	}
	return &Generator{
		config: config, pending: make([]atomic.Uint64, config.InFlight),
		taken: hdrhistogram.New(1, int64(time.Hour), 3),
	}
}

// Window is the result of a number of operations that were sent at a rate.
type Window struct {
	// Latencies are in nanoseconds, from the time at which each operation should have
	// been sent to its end, to three significant digits. The histogram belongs to the
	// generator, and is valid until its next window.
	Latencies *hdrhistogram.Histogram
	// Late is the number of operations that were sent more than [LateAfter] after their
	// time.
	Late int64
	// Elapsed is the time from the first intended sending to the end of the last
	// operation.
	Elapsed time.Duration
}

// Run sends n operations, perSecond of them each second at equal distances, and waits
// for the end of the last. It takes as long as they need: a rate that cannot be kept
// makes the window longer, and its operations late. After a window that ended with an
// error the generator must not be used any more.
func (g *Generator) Run(ctx context.Context, n int, perSecond float64) (Window, error) {
	return g.run(ctx, n, float64(time.Second)/perSecond)
}

// Saturate sends n operations, with as many under way as InFlight allows, and returns
// the time that they took. n divided by it is the highest rate that the generator can
// reach. This is a closed loop: its latencies mean nothing.
func (g *Generator) Saturate(ctx context.Context, n int) (time.Duration, error) {
	w, err := g.run(ctx, n, 0)
	return w.Elapsed, err
}

func (g *Generator) run(ctx context.Context, n int, interval float64) (Window, error) {
	w := Window{Latencies: g.taken}
	g.taken.Reset()
	g.interval, g.first = interval, g.sent
	g.began = g.config.Clock.Now()
	for range n {
		if err := g.send(ctx, &w); err != nil {
			return w, err
		}
	}
	for i := range g.pending {
		if err := g.await(ctx, &g.pending[i]); err != nil {
			return w, err
		}
	}
	w.Elapsed = g.config.Clock.Now() - g.began
	return w, g.check(ctx)
}

// send sends the next operation when its time has come and its place is free.
func (g *Generator) send(ctx context.Context, w *Window) error {
	due, now := g.due(g.sent), g.config.Clock.Now()
	for now < due {
		if err := g.check(ctx); err != nil {
			return err
		}
		g.config.Clock.Pause()
		now = g.config.Clock.Now()
	}
	place := &g.pending[g.sent%uint64(len(g.pending))]
	if place.Load() != 0 {
		if err := g.await(ctx, place); err != nil {
			return err
		}
		now = g.config.Clock.Now()
	}
	if now-due > LateAfter {
		w.Late++
		if err := g.check(ctx); err != nil { // one that is always late never waits
			return err
		}
	}
	sequence := g.sent
	g.sent++
	place.Store(sequence + 1)
	if err := g.config.Send(sequence); err != nil {
		return fmt.Errorf("sending operation %d: %w", sequence, err)
	}
	return nil
}

// due is when an operation of the window under way should be sent.
func (g *Generator) due(sequence uint64) time.Duration {
	return g.began + time.Duration(float64(sequence-g.first)*g.interval)
}

// await waits until the operation in the place has ended.
func (g *Generator) await(ctx context.Context, place *atomic.Uint64) error {
	since := g.config.Clock.Now()
	for place.Load() != 0 {
		if err := g.check(ctx); err != nil {
			return err
		}
		g.config.Clock.Pause()
		if now := g.config.Clock.Now(); now-since > g.config.Patience {
			err := g.config.Stuck(ctx)
			if place.Load() == 0 {
				return nil // it has ended meanwhile
			}
			if err != nil {
				return err
			}
			since = now
		}
	}
	return nil
}

// check returns the reason why the window must end early, or nil.
func (g *Generator) check(ctx context.Context) error {
	if failure := g.failure.Load(); failure != nil {
		return *failure
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	default:
		return nil
	}
}

// ErrUnexpected is the failure of a generator that was told of the end of an
// operation that was not under way: the operation was sent twice, changed on its way,
// or made up.
var ErrUnexpected = errors.New("an operation has ended that was not under way")

// Complete tells the generator that an operation has ended now.
func (g *Generator) Complete(sequence uint64) {
	now := g.config.Clock.Now()
	place := &g.pending[sequence%uint64(len(g.pending))]
	if place.Load() != sequence+1 {
		g.Fail(fmt.Errorf("operation %d: %w", sequence, ErrUnexpected))
		return
	}
	latency := min(int64(now-g.due(sequence)), g.taken.HighestTrackableValue())
	if err := g.taken.RecordValue(latency); err != nil {
		g.Fail(fmt.Errorf("operation %d: %w", sequence, err))
		return
	}
	place.Store(0)
}

// Fail ends the window under way, and all after it, with err. The first failure
// counts.
func (g *Generator) Fail(err error) { g.failure.CompareAndSwap(nil, &err) }
