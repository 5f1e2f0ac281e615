// Package sampling takes timing samples of several subjects side by side: in
// rounds, each of which takes one sample of every subject in a fresh random
// order, so that a machine that speeds up or slows down does so for all of them.
package sampling

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/airhost/airhost/internal/bench/stat"
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

// Options say how many samples are taken, and how large they are.
type Options struct {
	// Samples is how many are taken of each subject, and at least 1.
	Samples int
	// MaxSamples is how many may be taken to get to Interval.
	MaxSamples int
	// Interval is how wide the 95 % interval of each median may be, as a share
	// of it, for the run to end before MaxSamples; 0 ends it after Samples.
	Interval float64
	// SampleTime is how long a sample takes at least, as far as the warm-up can
	// tell.
	SampleTime time.Duration
	// SampleOps is how many operations a sample has at least.
	SampleOps int
	// TotalOps is how many operations all samples of a subject have at least.
	TotalOps int
	// Warmup is for how long each subject runs before its first sample.
	Warmup time.Duration
	// Seed fixes the order within rounds.
	Seed uint64
	// Waited, if not nil, returns for how long threads of this process have been
	// ready to run without a processor so far.
	Waited func() time.Duration
	// Progress, if not nil, is called before each sample.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Subject string
	// Round counts from 1; in the warm-up it is 0.
	Round, Rounds int
	// Left estimates the time to the end; 0 while there is nothing to tell it by.
	Left time.Duration
}

// Series is what was measured of one subject.
type Series struct {
	Samples []float64 // ns per operation, in the order taken
	Ops     int       // operations in each sample
	// AllocsPerOp and BytesPerOp come from one more sample, which is not timed.
	AllocsPerOp, BytesPerOp float64
	// WaitShare is for which part of the samples' time threads of this process
	// waited for a processor; 0 where that is not known. It can be above 1.
	WaitShare float64
}

type run struct {
	options Options
	random  *rand.Rand
	series  []Series
	waited  []time.Duration
	elapsed []time.Duration
	started time.Time
}

// Run takes samples of all subjects. Where ctx ends before the last sample, the
// series as far as they go are returned with the context's error; where a
// subject fails, they are returned with its error.
func Run(ctx context.Context, subjects []Subject, options Options) ([]Series, error) {
	r := &run{
		options: options,
		random:  rand.New(rand.NewPCG(options.Seed, 0)),
		series:  make([]Series, len(subjects)),
		waited:  make([]time.Duration, len(subjects)),
		elapsed: make([]time.Duration, len(subjects)),
	}
	err := r.all(ctx, subjects)
	for i := range r.series {
		if r.elapsed[i] > 0 {
			r.series[i].WaitShare = float64(r.waited[i]) / float64(r.elapsed[i])
		}
	}
	return r.series, err
}

func (r *run) all(ctx context.Context, subjects []Subject) error {
	for i, subject := range subjects {
		r.report(subject, 0)
		ops, err := r.warm(ctx, subject)
		if err != nil {
			return fmt.Errorf("warming up %s: %w", subject.Name(), err)
		}
		r.series[i].Ops = ops
	}
	// Before the rounds, so that a run that is cut short has it.
	for i, subject := range subjects {
		if err := r.allocations(ctx, subject, &r.series[i]); err != nil {
			return fmt.Errorf("counting allocations of %s: %w", subject.Name(), err)
		}
	}
	r.started = time.Now()
	for round := 1; r.wanted(round); round++ {
		if err := r.round(ctx, subjects, round); err != nil {
			return err
		}
	}
	return nil
}

// lookEvery is after how many more rounds the intervals are looked at again:
// they cost time, and looking less often makes stopping early by luck rarer.
const lookEvery = 10

// wanted reports whether the round with this number, from 1, is to be run.
func (r *run) wanted(round int) bool {
	if round <= r.options.Samples {
		return true
	}
	if r.options.Interval <= 0 || round > r.options.MaxSamples {
		return false
	}
	if (round-r.options.Samples-1)%lookEvery != 0 {
		return true
	}
	for _, series := range r.series {
		summary, err := stat.Summarize(series.Samples, r.options.Seed)
		if err == nil && summary.RelativeWidth() > r.options.Interval {
			return true
		}
	}
	return false
}

func (r *run) round(ctx context.Context, subjects []Subject, round int) error {
	for _, i := range r.random.Perm(len(subjects)) {
		r.report(subjects[i], round)
		if err := r.sample(ctx, subjects[i], i); err != nil {
			return fmt.Errorf("measuring %s in round %d: %w", subjects[i].Name(), round, err)
		}
	}
	// Garbage of one round is not to be collected in another's time.
	runtime.GC()
	return nil
}

// sample takes one sample. Operations that are not timed come before it: what
// the other subjects have pushed out of the processor's caches is back then.
func (r *run) sample(ctx context.Context, subject Subject, i int) error {
	series := &r.series[i]
	if _, err := r.timed(ctx, subject, max(1, r.options.SampleOps)); err != nil {
		return err
	}
	before := r.processorWait()
	elapsed, err := subject.Run(ctx, series.Ops)
	waited := r.processorWait() - before
	if err := r.check(ctx, subject, series.Ops, elapsed, err); err != nil {
		return err
	}
	r.waited[i] += waited
	r.elapsed[i] += elapsed
	series.Samples = append(series.Samples, float64(elapsed)/float64(series.Ops))
	return nil
}

// ErrNoTime is the error of a subject that claims to have needed no time.
var ErrNoTime = errors.New("it took no time at all")

// timed runs n operations and verifies them.
func (r *run) timed(ctx context.Context, subject Subject, n int) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	elapsed, err := subject.Run(ctx, n)
	return elapsed, r.check(ctx, subject, n, elapsed, err)
}

// check returns what is wrong with a Run that has returned elapsed and err.
func (r *run) check(ctx context.Context, subject Subject, n int, elapsed time.Duration, err error) error {
	switch {
	case err != nil:
		return err
	case elapsed <= 0:
		return fmt.Errorf("%d operations: %w", n, ErrNoTime)
	}
	return subject.Verify(ctx, n)
}

func (r *run) processorWait() time.Duration {
	if r.options.Waited == nil {
		return 0
	}
	return r.options.Waited()
}

// warm runs the subject until it is warm, and returns how many operations a
// sample of it needs.
func (r *run) warm(ctx context.Context, subject Subject) (int, error) {
	n := max(1, r.options.SampleOps)
	began := time.Now()
	for {
		elapsed, err := r.timed(ctx, subject, n)
		if err != nil {
			return 0, err
		}
		if time.Since(began) >= r.options.Warmup {
			return r.sampleOps(float64(elapsed) / float64(n)), nil
		}
		if elapsed < r.options.Warmup/4 {
			n *= 2
		}
	}
}

// sampleOps returns how many operations of perOp nanoseconds make a sample.
func (r *run) sampleOps(perOp float64) int {
	o := r.options
	fill := int(float64(o.SampleTime)/perOp) + 1
	return max(1, o.SampleOps, fill, (o.TotalOps+o.Samples-1)/o.Samples)
}

func (r *run) allocations(ctx context.Context, subject Subject, series *Series) error {
	var before, after runtime.MemStats
	runtime.GC()
	// The collection empties pools; filling them again is no operation's cost.
	if _, err := r.timed(ctx, subject, series.Ops); err != nil {
		return err
	}
	runtime.ReadMemStats(&before)
	elapsed, err := subject.Run(ctx, series.Ops)
	runtime.ReadMemStats(&after)
	if err := r.check(ctx, subject, series.Ops, elapsed, err); err != nil {
		return err
	}
	series.AllocsPerOp = float64(after.Mallocs-before.Mallocs) / float64(series.Ops)
	series.BytesPerOp = float64(after.TotalAlloc-before.TotalAlloc) / float64(series.Ops)
	return nil
}

func (r *run) report(subject Subject, round int) {
	if r.options.Progress == nil {
		return
	}
	p := Progress{Subject: subject.Name(), Round: round, Rounds: max(round, r.options.Samples)}
	if round > 1 {
		perRound := time.Since(r.started) / time.Duration(round-1)
		p.Left = perRound * time.Duration(p.Rounds-round+1)
	}
	r.options.Progress(p)
}
