package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
	"github.com/airhost/airhost/internal/bench/show/output"
)

// compareFlags are the flags of `compare`.
type compareFlags struct {
	threshold      float64
	markdown, json string // files, "-" or ""
	session        sessionFlags
}

// errUndecided is the error of files whose differences need not be due to the builds.
var errUndecided = errors.New("separate runs on a busy machine cannot be told apart")

func newCompareCommand() *cobra.Command {
	f := &compareFlags{session: newSessionFlags()}
	command := &cobra.Command{
		Use:   "compare BASE.json HEAD.json | compare --against REVISION",
		Short: "Say what has become slower or faster",
		Long: `Compare compares the results of two runs, cell by cell, by their floor multiples.

With --against it builds another revision of airhost's source, which is looked for
in this folder and those above, and measures that and this program in turns, round
by round, each started 16 times; what has changed is measured once more, and counts
only if it has changed again. This is the comparison that can be relied on: separate
runs differ by what the machine does meanwhile, too.

A change is a difference above --threshold with p < 0.05, adjusted for the number
of cells. A change just as large as the threshold is found half of the time: to find
one of 5 % reliably, set half of it.

Separate runs of which one was on a busy machine do not decide whether the build is
the reason of a difference; nor is it, where both are of one build.

Exit code 0: nothing has become worse; 1: something has; 2: the two could not be
compared, or are undecided, or wrong usage.`,
		Example: `  benchrunner compare base.json head.json
  benchrunner compare --against main --markdown comment.md
  benchrunner compare --against HEAD~1 --engine wazero --pattern fire-and-forget --threshold 0.02`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(command *cobra.Command, paths []string) error { return f.run(command, paths) },
	}
	f.add(command.Flags())
	return command
}

func (f *compareFlags) add(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.Float64Var(&f.threshold, "threshold", compare.DefaultThreshold, "the smallest change that is called one, as a share of base")
	flags.StringVar(&f.markdown, "markdown", "", "write the comparison to `FILE`, as Markdown for a pull request; - is standard output")
	flags.StringVar(&f.json, "json", "", "write the comparison to `FILE`, as JSON; - is standard output")
	f.session.add(flags)
}

func (f *compareFlags) run(command *cobra.Command, paths []string) error {
	if err := checkRange("threshold", f.threshold, 0, 1); err != nil {
		return err
	}
	outputs := &outputs{stdout: command.OutOrStdout(), read: append(paths, f.session.program)}
	if err := errors.Join(outputs.add("markdown", f.markdown), outputs.add("json", f.json)); err != nil {
		return err
	}
	compared, err := f.compare(command, paths, outputs)
	if err != nil {
		return err
	}
	if err := f.write(outputs, compared); err != nil {
		return err
	}
	if compared.Regressed() {
		return &failure{errors.New(compared.Headline())}
	}
	if compared.Undecided() {
		return fmt.Errorf("%s: %w", compared.Headline(), errUndecided)
	}
	return nil
}

// compare returns the comparison to print.
func (f *compareFlags) compare(command *cobra.Command, paths []string, outputs *outputs) (*compare.Comparison, error) {
	measuring, err := f.session.given(command.Flags())
	switch {
	case err != nil:
		return nil, err
	case measuring && len(paths) > 0:
		return nil, errors.New("--against measures both sides itself: want no files with it")
	case measuring:
		return f.session.compare(command, outputs, f.threshold)
	case len(paths) != 2:
		return nil, errors.New("want two result files, or --against")
	}
	var files [2]*result.File
	for i, path := range paths {
		if files[i], err = result.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return compare.Files(files[0], files[1], f.threshold)
}

// write prints the table, unless something else goes to standard output, and
// writes the files that were asked for.
func (f *compareFlags) write(outputs *outputs, compared *compare.Comparison) error {
	var errs []error
	if !outputs.toStandardOutput() {
		errs = append(errs, output.Comparison(outputs.stdout, compared))
	}
	return errors.Join(append(errs,
		outputs.write("markdown", f.markdown, true, func(w io.Writer) error { return output.ComparisonMarkdown(w, compared) }),
		outputs.write("json", f.json, true, compared.JSON),
	)...)
}

// sessionFlags are the flags of a session: which builds it measures in turns, and
// how.
type sessionFlags struct {
	against, program string
	chosen           selectionFlags
	suite            string
	sampling         sampling.Options
	size             sampling.Size
	confirm          bool
	folder           string
}

func newSessionFlags() sessionFlags {
	return sessionFlags{
		chosen:   headline(),
		sampling: sampling.Options{Samples: 6 * compare.Starts, Warmup: 50 * time.Millisecond},
		size:     sampling.Size{Time: 5 * time.Millisecond, Ops: 1000},
	}
}

func (s *sessionFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&s.against, "against", "", "measure this program and, as base, a `REVISION` of its source, in turns")
	flags.StringVar(&s.program, "against-program", "", "as --against, with another build of benchrunner, the executable `FILE`, as base")
	flags.BoolVar(&s.confirm, "confirm", true, "measure what has changed once more, and call it a change only if it has changed again")
	flags.StringVarP(&s.folder, "output", "o", "", "write what was measured to base.json and head.json in `FOLDER`, and that of a second run to base-again.json and head-again.json")
	s.chosen.add(flags)
	flags.StringVar(&s.suite, "suite", "", "measure the cells of a suite, as `[FILE:]NAME`, instead of those that flags list; its settings are those of runs")
	flags.IntVar(&s.sampling.Samples, "samples", s.sampling.Samples, "samples of each cell, of either build")
	flags.DurationVar(&s.size.Time, "sample-time", s.size.Time, "how long a sample takes at least")
	flags.IntVar(&s.size.Ops, "sample-ops", s.size.Ops, "operations in a sample at least")
	flags.DurationVar(&s.sampling.Warmup, "warmup", s.sampling.Warmup, "for how long each cell runs after each start of a build")
	flags.Uint64Var(&s.sampling.Seed, "seed", 0, "fixes the order of cells and the bootstrap; 0: a random one")
}

// given reports whether builds are to be measured, and checks how.
func (s *sessionFlags) given(flags *pflag.FlagSet) (bool, error) {
	if s.against == "" && s.program == "" {
		var err error
		flags.Visit(func(flag *pflag.Flag) {
			if !slices.Contains([]string{"threshold", "markdown", "json"}, flag.Name) {
				err = fmt.Errorf("--%s says how to measure, and goes with --against", flag.Name)
			}
		})
		return false, err
	}
	switch {
	case s.against != "" && s.program != "":
		return false, errors.New("--against and --against-program: want one of them")
	case s.sampling.Samples < compare.Starts:
		return false, fmt.Errorf("--samples is %d, want at least %d, one for each start", s.sampling.Samples, compare.Starts)
	}
	return true, errors.Join(checkRange("samples", s.sampling.Samples, compare.Starts, maxSamples), checkSize(s.size, s.sampling.Warmup))
}
