package sampling_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// subject claims a fixed time for each operation.
type subject struct {
	name  string
	perOp time.Duration
	log   *[]string // the subjects that were run, in order
	fail  func() error
	ops   []int
	done  int // operations that are not verified
}

func (s *subject) Name() string { return s.name }

func (s *subject) Run(_ context.Context, n int) (time.Duration, error) {
	s.ops = append(s.ops, n)
	s.done += n
	if s.log != nil {
		*s.log = append(*s.log, s.name)
	}
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return 0, err
		}
	}
	return time.Duration(n) * s.perOp, nil
}

func (s *subject) Verify(_ context.Context, n int) error {
	done := s.done
	s.done = 0
	if done != n {
		return errUnverified
	}
	return nil
}

var errUnverified = errors.New("operations were not verified, or not done")

func subjects(log *[]string, size sampling.Size, names ...string) []sampling.Sized {
	var list []sampling.Sized
	for _, name := range names {
		list = append(list, sampling.Sized{Subject: &subject{name: name, perOp: 100, log: log}, Size: size})
	}
	return list
}

// only is a list of one subject with samples of at least so many operations.
func only(subject sampling.Subject, ops int) []sampling.Sized {
	return []sampling.Sized{{Subject: subject, Size: sampling.Size{Ops: ops}}}
}

func TestRoundsAreInterleavedInFreshOrder(t *testing.T) {
	var log []string
	series, err := sampling.Run(t.Context(), subjects(&log, sampling.Size{Ops: 10}, "a", "b", "c", "d"), sampling.Options{Samples: 20})
	if err != nil {
		t.Fatal(err)
	}
	// Each sample is two runs: the first is not timed.
	rounds := slices.Collect(slices.Chunk(once(log[len(log)-160:]), 4))
	orders := make(map[[4]string]bool)
	for _, round := range rounds {
		orders[[4]string(round)] = true
		if sorted := slices.Sorted(slices.Values(round)); !slices.Equal(sorted, []string{"a", "b", "c", "d"}) {
			t.Errorf("a round ran %v, want each subject once", round)
		}
	}
	if len(orders) < 5 {
		t.Errorf("20 rounds had %d orders, want a fresh random one each", len(orders))
	}
	for _, s := range series {
		if len(s.Samples) != 20 || s.Samples[0] != 100 || s.Ops != 10 {
			t.Errorf("got %d samples of %d operations, first %v ns/op; want 20 of 10, 100 ns/op", len(s.Samples), s.Ops, s.Samples[0])
		}
	}
}

// once returns every other entry, which must be the same as the one before it.
func once(log []string) []string {
	var all []string
	for pair := range slices.Chunk(log, 2) {
		if pair[0] == pair[1] {
			all = append(all, pair[0])
		}
	}
	return all
}

func TestSeedFixesOrder(t *testing.T) {
	order := func(seed uint64) []string {
		var log []string
		if _, err := sampling.Run(t.Context(), subjects(&log, sampling.Size{}, "a", "b", "c"), sampling.Options{Samples: 10, Seed: seed}); err != nil {
			t.Fatal(err)
		}
		return log
	}
	if !slices.Equal(order(4), order(4)) {
		t.Error("the same seed gave two orders")
	}
	if slices.Equal(order(4), order(5)) {
		t.Error("two seeds gave the same order")
	}
}

func TestSampleSize(t *testing.T) {
	cases := []struct {
		name    string
		samples int
		size    sampling.Size
		want    int
	}{
		{"by operations", 10, sampling.Size{Ops: 1000}, 1000},
		{"by time", 10, sampling.Size{Ops: 1000, Time: time.Millisecond}, 10_001},
		{"by the total", 30, sampling.Size{Ops: 1000, TotalOps: 1_000_000}, 33_334},
	}
	for _, c := range cases {
		s := &subject{name: "s", perOp: 100}
		series, err := sampling.Run(t.Context(), []sampling.Sized{{Subject: s, Size: c.size}}, sampling.Options{Samples: c.samples})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.ops[len(s.ops)-1]; got != c.want || series[0].Ops != c.want {
			t.Errorf("%s: samples of %d operations, reported as %d; want %d", c.name, got, series[0].Ops, c.want)
		}
	}
}

// wobbling alternates between two speeds until it has settled.
type wobbling struct{ runs, settled int }

func (*wobbling) Name() string { return "wobbling" }

func (w *wobbling) Run(_ context.Context, n int) (time.Duration, error) {
	w.runs++
	if w.runs < w.settled && w.runs/2%2 == 0 {
		return 2 * time.Duration(n) * time.Microsecond, nil
	}
	return time.Duration(n) * time.Microsecond, nil
}

func (*wobbling) Verify(context.Context, int) error { return nil }

func TestGoesOnUntilIntervalIsNarrow(t *testing.T) {
	options := sampling.Options{Samples: 30, MaxSamples: 200, Interval: 0.02}
	series, err := sampling.Run(t.Context(), only(&wobbling{settled: 80}, 1), options)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(series[0].Samples); n <= 30 || n >= 200 {
		t.Errorf("took %d samples, want more than 30 and less than 200", n)
	}
	series, err = sampling.Run(t.Context(), only(&wobbling{settled: 1 << 30}, 1), options)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(series[0].Samples); n != 200 {
		t.Errorf("took %d samples of what never settles, want the most, 200", n)
	}
}

func TestFailureEndsRun(t *testing.T) {
	broken := errors.New("999 of 1000 hops")
	calls := 0
	s := &subject{name: "s", perOp: 1, fail: func() error {
		if calls++; calls > 20 {
			return broken
		}
		return nil
	}}
	series, err := sampling.Run(t.Context(), only(s, 0), sampling.Options{Samples: 100})
	if !errors.Is(err, broken) {
		t.Fatalf("got error %v, want the subject's", err)
	}
	if n := len(series[0].Samples); n == 0 || n > 9 {
		t.Errorf("got %d samples, want those before the failure", n)
	}
}

// idle claims time for operations that it does not do.
type idle struct{ subject }

func (i *idle) Run(context.Context, int) (time.Duration, error) { return time.Second, nil }

func TestDoingNothingIsAFailure(t *testing.T) {
	_, err := sampling.Run(t.Context(), only(&idle{}, 0), sampling.Options{Samples: 3})
	if !errors.Is(err, errUnverified) {
		t.Errorf("a subject that did nothing: got %v, want what Verify returned", err)
	}
}

func TestNoTimeIsAFailure(t *testing.T) {
	_, err := sampling.Run(t.Context(), only(&subject{name: "idle"}, 0), sampling.Options{Samples: 3})
	if !errors.Is(err, sampling.ErrNoTime) {
		t.Errorf("a subject that needs no time: got %v, want ErrNoTime", err)
	}
}

func TestInterruptKeepsSamples(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	options := sampling.Options{Samples: 100, Progress: func(p sampling.Progress) {
		if p.Round == 6 {
			cancel()
		}
	}}
	series, err := sampling.Run(ctx, subjects(nil, sampling.Size{}, "a", "b"), options)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want context.Canceled", err)
	}
	for i, s := range series {
		if len(s.Samples) != 5 {
			t.Errorf("subject %d: %d samples kept, want 5", i, len(s.Samples))
		}
	}
}

// keep makes allocations escape to the heap.
var keep []byte

type allocating struct{ subject }

func (a *allocating) Run(ctx context.Context, n int) (time.Duration, error) {
	for range n {
		keep = make([]byte, 64)
	}
	return a.subject.Run(ctx, n)
}

func TestAllocationsAreCounted(t *testing.T) {
	list := append(only(&allocating{subject{name: "allocating", perOp: 1}}, 10_000), only(&subject{name: "frugal", perOp: 1}, 10_000)...)
	series, err := sampling.Run(t.Context(), list, sampling.Options{Samples: 1})
	if err != nil {
		t.Fatal(err)
	}
	if a := series[0]; a.AllocsPerOp < 1 || a.AllocsPerOp > 1.1 || a.BytesPerOp < 64 || a.BytesPerOp > 80 {
		t.Errorf("got %v allocations of %v bytes an operation, want about 1 of 64", a.AllocsPerOp, a.BytesPerOp)
	}
	if b := series[1]; b.AllocsPerOp > 0.01 {
		t.Errorf("got %v allocations an operation, want none", b.AllocsPerOp)
	}
}

func TestWaitShare(t *testing.T) {
	var waited time.Duration
	options := sampling.Options{Samples: 4, Waited: func() time.Duration {
		waited += 10 * time.Microsecond
		return waited
	}}
	series, err := sampling.Run(t.Context(), subjects(nil, sampling.Size{Ops: 1000}, "a"), options)
	if err != nil {
		t.Fatal(err)
	}
	if got := series[0].WaitShare; got != 0.1 {
		t.Errorf("got a wait share of %v, want 0.1: 10 µs in each sample of 100 µs", got)
	}
}

func TestProgress(t *testing.T) {
	var all []sampling.Progress
	options := sampling.Options{Samples: 2, Progress: func(p sampling.Progress) { all = append(all, p) }}
	if _, err := sampling.Run(t.Context(), subjects(nil, sampling.Size{}, "a", "b"), options); err != nil {
		t.Fatal(err)
	}
	// The warm-up of both, and two rounds of both.
	for i, p := range all {
		if p.Round != i/2 || p.Rounds != 2 || len(p.Samples) != max(0, p.Round-1) {
			t.Errorf("progress %d: got %+v, want round %d of 2 with a sample for each before", i, p, i/2)
		}
	}
	if len(all) != 6 || all[0].Subject+all[1].Subject != 1 || all[2].Subject+all[3].Subject != 1 {
		t.Errorf("got %+v, want 6 reports, each subject's turn in each round", all)
	}
}

// valued has values for samples.
type valued struct {
	subject
	value float64
}

func (g *valued) Value() float64 {
	g.value++
	return g.value
}

// paced has one slow operation in a hundred.
type paced struct{ subject }

func (*paced) Tails() sampling.Tails {
	latency := hdrhistogram.New(1, 1e9, 3)
	_ = latency.RecordValues(100, 990)
	_ = latency.RecordValues(5000, 10)
	return sampling.Tails{Latency: latency, PerSecond: 1e6, Late: 3}
}

func TestOtherSamplesThanTime(t *testing.T) {
	list := append(only(&valued{subject: subject{perOp: 1}}, 1), only(&paced{subject{perOp: 1}}, 1)...)
	series, err := sampling.Run(t.Context(), list, sampling.Options{Samples: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got := series[0].Samples; !slices.Equal(got, []float64{1, 2, 3}) {
		t.Errorf("a valued: got %v, want its values", got)
	}
	if got := series[1]; len(got.Tails) != 3 || got.Samples[0] < 4990 || got.Samples[0] > 5010 {
		t.Errorf("a paced subject: got %+v, want three tails, and 99.9th percentiles of 5000", got)
	}
}

// process counts its calls.
type process struct{ collected, allocated int }

func (p *process) Collect(context.Context) error { p.collected++; return nil }

func (p *process) Allocated(context.Context) (objects, bytes uint64, err error) {
	p.allocated++
	return uint64(p.allocated) * 1000, uint64(p.allocated) * 8000, nil
}

func (p *process) Waited(context.Context) (time.Duration, error) { return 0, nil }

type outOfProcess struct {
	subject
	process *process
}

func (e *outOfProcess) Process() sampling.Process { return e.process }

func TestOtherProcessIsAsked(t *testing.T) {
	p := new(process)
	list := append(only(&outOfProcess{subject{perOp: 1}, p}, 100), only(&outOfProcess{subject{perOp: 1}, p}, 100)...)
	series, err := sampling.Run(t.Context(), list, sampling.Options{Samples: 5})
	if err != nil {
		t.Fatal(err)
	}
	if got := series[0]; got.AllocsPerOp != 10 || got.BytesPerOp != 80 {
		t.Errorf("got %v allocations of %v bytes, want the process's 10 and 80 an operation", got.AllocsPerOp, got.BytesPerOp)
	}
	if p.collected != 2+5 {
		t.Errorf("its garbage was collected %d times, want before each count and once a round, 7", p.collected)
	}
}
