// Package sampling takes timing samples of several subjects side by side, in rounds.
// Each round takes one sample of every subject in a fresh random order, so that a
// machine that speeds up or slows down does so for all of them.
package sampling

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/airhost/airhost/internal/bench/data/stat"
)

type run struct {
	options   Options
	subjects  []Sized
	processes []Process // of each subject
	random    *rand.Rand
	series    []Series
	waited    []time.Duration
	elapsed   []time.Duration
	started   time.Time
}

// Run takes samples of all subjects. Where ctx ends before the last sample, it
// returns the series so far with the context's error; where a subject fails, with the
// subject's error.
func Run(ctx context.Context, subjects []Sized, options Options) ([]Series, error) {
	r := &run{
		options:  options,
		subjects: subjects,
		random:   rand.New(rand.NewPCG(options.Seed, 0)),
		series:   make([]Series, len(subjects)),
		waited:   make([]time.Duration, len(subjects)),
		elapsed:  make([]time.Duration, len(subjects)),
	}
	here := &Here{options.Waited}
	for _, subject := range subjects {
		r.processes = append(r.processes, processOf(subject.Subject, here))
	}
	err := r.all(ctx)
	for i := range r.series {
		if r.elapsed[i] > 0 {
			r.series[i].WaitShare = float64(r.waited[i]) / float64(r.elapsed[i])
		}
	}
	return r.series, err
}

func processOf(subject Subject, here Process) Process {
	if outOfProcess, ok := subject.(OutOfProcess); ok {
		return outOfProcess.Process()
	}
	return here
}

func (r *run) all(ctx context.Context) error {
	for i, subject := range r.subjects {
		r.report(i, 0)
		ops, err := r.warm(ctx, subject)
		if err != nil {
			return fmt.Errorf("warming up %s: %w", subject.Name(), err)
		}
		r.series[i].Ops = ops
	}
	// Before the rounds, so that a run that is cut short has it.
	for i, subject := range r.subjects {
		if err := r.allocations(ctx, i); err != nil {
			return fmt.Errorf("counting allocations of %s: %w", subject.Name(), err)
		}
	}
	r.started = time.Now()
	for round := 1; r.wanted(round); round++ {
		if err := r.round(ctx, round); err != nil {
			return err
		}
	}
	return nil
}

// lookEvery is the number of rounds between two looks at the intervals: a look costs
// time, and with fewer looks a run stops early by luck less often.
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

func (r *run) round(ctx context.Context, round int) error {
	for _, i := range r.random.Perm(len(r.subjects)) {
		r.report(i, round)
		if err := r.sample(ctx, i); err != nil {
			return fmt.Errorf("measuring %s in round %d: %w", r.subjects[i].Name(), round, err)
		}
	}
	return r.collect(ctx)
}

// collect collects the garbage of each process, so that no round pays for the garbage
// of another.
func (r *run) collect(ctx context.Context) error {
	done := make(map[Process]bool)
	for _, process := range r.processes {
		if done[process] {
			continue
		}
		done[process] = true
		if err := process.Collect(ctx); err != nil {
			return fmt.Errorf("collecting garbage: %w", err)
		}
	}
	return nil
}

// sample takes one sample. Operations that are not timed come before it: they bring
// the subject's code and data back into the processor's caches.
func (r *run) sample(ctx context.Context, i int) error {
	series, subject := &r.series[i], r.subjects[i]
	if _, err := timed(ctx, subject, max(1, subject.Size.Ops)); err != nil {
		return err
	}
	before, err := r.processes[i].Waited(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	elapsed, err := subject.Run(ctx, series.Ops)
	took := time.Since(began)
	after, waitErr := r.processes[i].Waited(ctx)
	if err := check(ctx, subject, series.Ops, elapsed, err); err != nil {
		return err
	}
	if waitErr != nil {
		return waitErr
	}
	r.waited[i] += after - before
	r.elapsed[i] += max(elapsed, took) // a subject may time parts of its work only
	series.add(subject.Subject, elapsed)
	return nil
}

// shown is the percentile of a paced subject that is its sample.
const shown = 99.9

// add adds the sample of the subject's last Run.
func (s *Series) add(subject Subject, elapsed time.Duration) {
	sample := float64(elapsed) / float64(s.Ops)
	switch subject := subject.(type) {
	case Valued:
		sample = subject.Value()
	case Paced:
		tails := subject.Tails()
		s.Tails = append(s.Tails, tails)
		sample = float64(tails.Latency.ValueAtPercentile(shown))
	}
	s.Samples = append(s.Samples, sample)
}

// ErrNoTime is the error of a subject that claims to have needed no time.
var ErrNoTime = errors.New("it took no time at all")

// timed runs n operations and verifies them.
func timed(ctx context.Context, subject Subject, n int) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	elapsed, err := subject.Run(ctx, n)
	return elapsed, check(ctx, subject, n, elapsed, err)
}

// check returns the error of a Run that has returned elapsed and err, or nil.
func check(ctx context.Context, subject Subject, n int, elapsed time.Duration, err error) error {
	switch {
	case err != nil:
		return err
	case elapsed <= 0:
		return fmt.Errorf("%d operations: %w", n, ErrNoTime)
	}
	return subject.Verify(ctx, n)
}

// warm runs the subject until it is warm, and returns the number of operations that a
// sample of it needs.
func (r *run) warm(ctx context.Context, subject Sized) (int, error) {
	n := max(1, subject.Size.Ops)
	began := time.Now()
	for {
		elapsed, err := timed(ctx, subject, n)
		if err != nil {
			return 0, err
		}
		if time.Since(began) >= r.options.Warmup {
			return r.sampleOps(subject.Size, float64(elapsed)/float64(n)), nil
		}
		if elapsed < r.options.Warmup/4 {
			n *= 2
		}
	}
}

// sampleOps returns the number of operations in a sample, at perOp nanoseconds each.
func (r *run) sampleOps(size Size, perOp float64) int {
	fill := int(float64(size.Time)/perOp) + 1
	return max(1, size.Ops, fill, (size.TotalOps+r.options.Samples-1)/r.options.Samples)
}

func (r *run) allocations(ctx context.Context, i int) error {
	process, subject, series := r.processes[i], r.subjects[i], &r.series[i]
	if err := process.Collect(ctx); err != nil {
		return err
	}
	// The collection empties pools. No operation should pay for filling them again.
	if _, err := timed(ctx, subject, series.Ops); err != nil {
		return err
	}
	objects, bytes, err := process.Allocated(ctx)
	if err != nil {
		return err
	}
	elapsed, err := subject.Run(ctx, series.Ops)
	objectsAfter, bytesAfter, countErr := process.Allocated(ctx)
	if err := check(ctx, subject, series.Ops, elapsed, err); err != nil {
		return err
	}
	series.AllocsPerOp = float64(objectsAfter-objects) / float64(series.Ops)
	series.BytesPerOp = float64(bytesAfter-bytes) / float64(series.Ops)
	return countErr
}

func (r *run) report(subject, round int) {
	if r.options.Progress == nil {
		return
	}
	p := Progress{
		Subject: subject, Samples: r.series[subject].Samples,
		Round: round, Rounds: max(round, r.options.Samples),
	}
	if round > 1 {
		perRound := time.Since(r.started) / time.Duration(round-1)
		p.Left = perRound * time.Duration(p.Rounds-round+1)
	}
	r.options.Progress(p)
}
