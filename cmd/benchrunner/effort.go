package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/pflag"

	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// effortFlags are the flags for the number and the size of samples.
type effortFlags struct {
	quick, thorough bool
	sampling        sampling.Options
	size            sampling.Size
}

// newEffortFlags returns the defaults.
func newEffortFlags() effortFlags {
	return effortFlags{
		sampling: sampling.Options{Samples: 50, MaxSamples: 200, Interval: 0.03, Warmup: time.Second},
		size:     sampling.Size{Time: 10 * time.Millisecond, Ops: 1000, TotalOps: 1_000_000},
	}
}

func (e *effortFlags) add(flags *pflag.FlagSet) {
	s := &e.sampling
	flags.BoolVar(&e.quick, "quick", false, "few and short samples, unless other flags say how many and how long")
	flags.BoolVar(&e.thorough, "thorough", false, "many and long samples, unless other flags say how many and how long")
	flags.IntVar(&s.Samples, "samples", s.Samples, "samples of each cell at least")
	flags.IntVar(&s.MaxSamples, "max-samples", s.MaxSamples, "samples of each cell at most, to get to --interval")
	flags.Float64Var(&s.Interval, "interval", s.Interval, "how wide the 95 % interval of each median may be, as a share of it; 0: no matter")
	flags.DurationVar(&e.size.Time, "sample-time", e.size.Time, "how long a sample takes at least")
	flags.IntVar(&e.size.Ops, "sample-ops", e.size.Ops, "operations in a sample at least")
	flags.IntVar(&e.size.TotalOps, "total-ops", e.size.TotalOps, "operations in all samples of a cell at least")
	flags.DurationVar(&s.Warmup, "warmup", s.Warmup, "for how long each cell runs before its first sample")
	flags.Uint64Var(&s.Seed, "seed", 0, "fixes the order of cells and the bootstrap; 0: a random one")
}

// quick and thorough are the values that the flags of these names give to other flags
// that are not set.
var (
	quick = map[string]string{
		"samples": "30", "interval": "0", "sample-time": "5ms", "total-ops": "0", "warmup": "200ms",
	}
	thorough = map[string]string{
		"samples": "100", "max-samples": "500", "interval": "0.01", "sample-time": "20ms", "total-ops": "5000000", "warmup": "3s",
	}
)

// settle sets the flags that were left open, and checks all.
func (e *effortFlags) settle(flags *pflag.FlagSet) error {
	var preset map[string]string
	switch {
	case e.quick && e.thorough:
		return errors.New("--quick and --thorough: want one of them at most")
	case e.quick:
		preset = quick
	case e.thorough:
		preset = thorough
	}
	for name, value := range preset {
		if flags.Changed(name) {
			continue
		}
		if err := flags.Lookup(name).Value.Set(value); err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
	}
	s := &e.sampling
	if s.Seed == 0 {
		s.Seed = rand.Uint64()
	}
	if flags.Changed("max-samples") && s.MaxSamples < s.Samples {
		return fmt.Errorf("--max-samples is %d, want at least --samples, %d", s.MaxSamples, s.Samples)
	}
	s.MaxSamples = max(s.MaxSamples, s.Samples)
	return errors.Join(
		checkRange("samples", s.Samples, 1, maxSamples),
		checkRange("max-samples", s.MaxSamples, 1, maxSamples),
		checkRange("interval", s.Interval, 0, 1),
		checkRange("total-ops", e.size.TotalOps, 0, maxOps),
		checkSize(e.size, s.Warmup),
	)
}

// Limits of the flags. More is a slip of a key.
const (
	maxSamples  = 10_000_000
	maxOps      = 1_000_000_000
	maxDuration = time.Hour
)

// checkSize checks the flags that runs and sessions share.
func checkSize(size sampling.Size, warmup time.Duration) error {
	return errors.Join(
		checkRange("sample-time", size.Time, 0, maxDuration),
		checkRange("sample-ops", size.Ops, 1, maxOps),
		checkRange("warmup", warmup, 0, maxDuration),
	)
}

// checkRange returns an error if a flag's value is not within its limits. NaN never
// is.
func checkRange[T int | float64 | time.Duration](flag string, value, least, most T) error {
	if value >= least && value <= most {
		return nil
	}
	return fmt.Errorf("--%s is %v, want %v to %v", flag, value, least, most)
}
