package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/airhost/airhost/internal/bench"
	"github.com/airhost/airhost/internal/bench/machine"
	"github.com/airhost/airhost/internal/bench/output"
	"github.com/airhost/airhost/internal/bench/result"
	"github.com/airhost/airhost/internal/bench/sampling"
)

// runFlags are what `run` was told.
type runFlags struct {
	chosen                             selectionFlags
	sampling                           sampling.Options
	quick                              bool
	json, benchmark, table, cpuprofile string // files, or ""
}

func newRunCommand() *cobra.Command {
	f := &runFlags{
		chosen: selectionFlags{
			engines: []string{"wazero", "native"}, brokers: []string{"inproc"}, trackers: []string{"slab"},
			patterns: texts(result.Patterns()), modes: texts(result.Modes()),
			payloads: []string{"64"}, components: []int{2}, pairs: []int{1},
		},
		sampling: sampling.Options{
			Samples: 50, MaxSamples: 200, Interval: 0.03,
			SampleTime: 10 * time.Millisecond, SampleOps: 1000, TotalOps: 1_000_000, Warmup: time.Second,
		},
	}
	command := &cobra.Command{
		Use:   "run",
		Short: "Measure cells",
		Long: `Run measures all combinations of what the flags list, in turns, and prints a
table. A sample counts only if the guests' own counters agree with it exactly.

An interrupt (Ctrl-C) ends the run, and keeps what was measured, with a warning.
Exit code 0: measured; 1: a measurement failed or was cut short; 2: wrong usage.`,
		Example: `  benchrunner run --quick
  benchrunner run --engine wazero,native --pattern fire-and-forget --components 1,10,100,1000
  benchrunner run --broker inproc,channel --tracker slab,timermap --json results.json
  benchrunner run --benchfmt new.txt && benchstat old.txt new.txt`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return f.run(command) },
	}
	f.add(command.Flags())
	return command
}

func (f *runFlags) add(flags *pflag.FlagSet) {
	f.chosen.add(flags)
	s := &f.sampling
	flags.BoolVar(&f.quick, "quick", false, "few and short samples, unless other flags say how many and how long")
	flags.IntVar(&s.Samples, "samples", s.Samples, "samples of each cell at least")
	flags.IntVar(&s.MaxSamples, "max-samples", s.MaxSamples, "samples of each cell at most, to get to --interval")
	flags.Float64Var(&s.Interval, "interval", s.Interval, "how wide the 95 % interval of each median may be, as a share of it; 0: no matter")
	flags.DurationVar(&s.SampleTime, "sample-time", s.SampleTime, "how long a sample takes at least")
	flags.IntVar(&s.SampleOps, "sample-ops", s.SampleOps, "operations in a sample at least")
	flags.IntVar(&s.TotalOps, "total-ops", s.TotalOps, "operations in all samples of a cell at least")
	flags.DurationVar(&s.Warmup, "warmup", s.Warmup, "for how long each cell runs before its first sample")
	flags.Uint64Var(&s.Seed, "seed", 0, "fixes the order of cells and the bootstrap; 0: a random one")
	flags.StringVarP(&f.json, "json", "o", "", "write the results to `FILE`, as JSON")
	flags.StringVar(&f.benchmark, "benchfmt", "", "write the samples to `FILE`, as Go benchmark text for benchstat")
	flags.StringVar(&f.table, "csv", "", "write the results to `FILE`, as CSV")
	flags.StringVar(&f.cpuprofile, "cpuprofile", "", "write a CPU profile of the run to `FILE`, which slows it down")
}

// quick is what --quick sets where flags do not.
var quick = map[string]string{
	"samples": "30", "interval": "0", "sample-time": "5ms", "total-ops": "0", "warmup": "200ms",
}

func (f *runFlags) run(command *cobra.Command) error {
	if err := f.settle(command.Flags()); err != nil {
		return err
	}
	selection, err := f.chosen.selection()
	if err != nil {
		return err
	}
	stderr := command.ErrOrStderr()
	live := output.NewLive(stderr, isTerminal(stderr))
	f.sampling.Progress = live.Show
	file := &result.File{Schema: result.Schema, Environment: f.environment(command.Flags())}
	file.Cells, err = f.measure(command.Context(), bench.Spec{
		Catalog: catalog(), Keys: selection.Keys(), Sampling: f.sampling, Root: os.DirFS("/"),
		Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	live.Clear()
	if file.Cells == nil {
		return &failure{err}
	}
	if writing := f.write(command.OutOrStdout(), file); writing != nil {
		return &failure{errors.Join(writing, err)}
	}
	return outcome(file, err)
}

// outcome is nil for a run that got to its end and measured something.
func outcome(file *result.File, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return &failure{fmt.Errorf("the run was cut short: %w", err)}
	case err != nil:
		return &failure{err}
	}
	for _, cell := range file.Cells {
		if cell.Status == result.Measured {
			return nil
		}
	}
	return &failure{errors.New("none of the cells can be measured")}
}

// settle fills in what flags leave open, and checks them.
func (f *runFlags) settle(flags *pflag.FlagSet) error {
	if f.quick {
		for name, value := range quick {
			if flags.Changed(name) {
				continue
			}
			if err := flags.Lookup(name).Value.Set(value); err != nil {
				return fmt.Errorf("--quick: %w", err)
			}
		}
	}
	s := &f.sampling
	if s.Seed == 0 {
		s.Seed = rand.Uint64()
	}
	switch {
	case s.Samples < 1:
		return fmt.Errorf("--samples is %d, want at least 1", s.Samples)
	case s.Interval < 0:
		return fmt.Errorf("--interval is %v, want at least 0", s.Interval)
	case s.SampleTime < 0 || s.Warmup < 0:
		return errors.New("--sample-time or --warmup is negative")
	case s.SampleOps < 1:
		return fmt.Errorf("--sample-ops is %d, want at least 1", s.SampleOps)
	}
	s.MaxSamples = max(s.MaxSamples, s.Samples)
	return nil
}

// environment describes this run. Of flags that name files only that one slows
// the run down is mentioned, without the name.
func (f *runFlags) environment(flags *pflag.FlagSet) result.Environment {
	env := machine.Describe(os.DirFS("/"), time.Now())
	env.Seed = f.sampling.Seed
	flags.Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "json", "benchfmt", "csv", "seed":
		case "cpuprofile":
			env.Flags = append(env.Flags, "--cpuprofile")
		default:
			env.Flags = append(env.Flags, "--"+flag.Name+"="+flagText(flag))
		}
	})
	return env
}

// flagText is the flag's value as it is given on a command line.
func flagText(flag *pflag.Flag) string {
	text := flag.Value.String()
	if _, list := flag.Value.(pflag.SliceValue); list {
		return text[1 : len(text)-1]
	}
	return text
}

func (f *runFlags) measure(ctx context.Context, spec bench.Spec) ([]result.Cell, error) {
	if f.cpuprofile == "" {
		return bench.Run(ctx, spec)
	}
	file, err := os.Create(f.cpuprofile)
	if err != nil {
		return nil, fmt.Errorf("--cpuprofile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("--cpuprofile: %w", err), file.Close())
	}
	cells, err := bench.Run(ctx, spec)
	pprof.StopCPUProfile()
	return cells, errors.Join(err, file.Close())
}

// write prints the table and writes the files that were asked for.
func (f *runFlags) write(stdout io.Writer, file *result.File) error {
	errs := []error{output.Table(stdout, file)}
	for _, to := range []struct {
		path  string
		write func(io.Writer, *result.File) error
	}{
		{f.json, func(w io.Writer, file *result.File) error { return file.Write(w) }},
		{f.benchmark, output.BenchmarkText},
		{f.table, output.CSV},
	} {
		if to.path != "" {
			errs = append(errs, writeFile(to.path, file, to.write))
		}
	}
	return errors.Join(errs...)
}

func writeFile(path string, file *result.File, write func(io.Writer, *result.File) error) error {
	w, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	return errors.Join(write(w, file), w.Close())
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && output.IsTerminal(file)
}
