package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/pflag"

	"github.com/airhost/airhost/internal/bench/sampling"
)

// effortFlags say how many samples are taken, and how large they are.
type effortFlags struct {
	quick, thorough bool
	sampling        sampling.Options
	size            sampling.Size
}

// newEffortFlags returns what holds where no flag says otherwise.
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

// quick and thorough are what the flags of these names set where others do not.
var (
	quick = map[string]string{
		"samples": "30", "interval": "0", "sample-time": "5ms", "total-ops": "0", "warmup": "200ms",
	}
	thorough = map[string]string{
		"samples": "100", "max-samples": "500", "interval": "0.01", "sample-time": "20ms", "total-ops": "5000000", "warmup": "3s",
	}
)

// settle fills in what flags leave open, and checks them.
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
	switch {
	case s.Samples < 1:
		return fmt.Errorf("--samples is %d, want at least 1", s.Samples)
	case s.Interval < 0:
		return fmt.Errorf("--interval is %v, want at least 0", s.Interval)
	case e.size.Time < 0 || s.Warmup < 0:
		return errors.New("--sample-time or --warmup is negative")
	case e.size.Ops < 1:
		return fmt.Errorf("--sample-ops is %d, want at least 1", e.size.Ops)
	}
	s.MaxSamples = max(s.MaxSamples, s.Samples)
	return nil
}
