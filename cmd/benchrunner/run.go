package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure"
	"github.com/airhost/airhost/internal/bench/measure/machine"
	"github.com/airhost/airhost/internal/bench/show/output"
)

// runFlags are the flags of `run`.
type runFlags struct {
	chosen                                       selectionFlags
	effort                                       effortFlags
	suite                                        string
	isolate                                      bool
	peers                                        []string
	peerCommand                                  string
	json, benchmark, table, markdown, cpuprofile string // files, or ""
}

func newRunCommand() *cobra.Command {
	f := &runFlags{chosen: headline(), effort: newEffortFlags()}
	command := &cobra.Command{
		Use:   "run",
		Short: "Measure cells",
		Long: `Run measures all combinations of what the flags list, or a suite, in turns, and
prints a table. A sample counts only if the guests' own counters agree with it
exactly.

Cells with the broker nats need a server, whose address is in the variable
AIRHOST_BENCH_NATS. Their components are in one host, so that messages do not go there.

Files are written in one step, when the run is over. An interrupt (Ctrl-C) ends the
run, and keeps what was measured, with a warning: in the files, or, where they were
there before, in others beside them that end in .cut.

Exit code 0: measured; 1: a measurement failed or was cut short; 2: wrong usage.`,
		Example: `  benchrunner run --quick
  benchrunner run --engine wazero,native --pattern fire-and-forget --components 1,10,100,1000
  benchrunner run --mode stages --json results.json
  benchrunner run --mode load --load 50,90 --broker inproc,channel
  benchrunner run --suite reference --isolate -o results.json
  benchrunner run --benchfmt new.txt && benchstat old.txt new.txt`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return f.run(command) },
	}
	f.add(command.Flags())
	return command
}

func (f *runFlags) add(flags *pflag.FlagSet) {
	f.chosen.add(flags)
	flags.StringVar(&f.suite, "suite", "", "measure the cells of a suite, as `[FILE:]NAME`, instead of those that flags list; the file is "+defaultSuites+" unless named")
	f.effort.add(flags)
	flags.BoolVar(&f.isolate, "isolate", false, "measure each cell, and each floor, in a process of its own")
	flags.StringSliceVar(&f.peers, "peer", nil, "other projects to measure in the same rounds, in mode latency: names of "+peersFolder+", or all")
	flags.StringVar(&f.peerCommand, "peer-command", "", "the `PROGRAM` that measures peers; by default "+peersFolder+" is built, which is looked for in this folder and those above")
	flags.StringVarP(&f.json, "json", "o", "", "write the results to `FILE`, as JSON; for this and all other files - is standard output, which then has no table")
	flags.StringVar(&f.benchmark, "benchfmt", "", "write the samples to `FILE`, as Go benchmark text for benchstat")
	flags.StringVar(&f.table, "csv", "", "write the results to `FILE`, as CSV")
	flags.StringVar(&f.markdown, "markdown", "", "write the results to `FILE`, as Markdown for a pull request")
	flags.StringVar(&f.cpuprofile, "cpuprofile", "", "write a CPU profile of the run to `FILE`, which slows it down")
}

// suiteFlags are the flags that a suite's settings may set.
var suiteFlags = []string{
	"quick", "thorough", "samples", "max-samples", "interval", "sample-time", "sample-ops", "total-ops", "warmup",
	"isolate",
}

// cells returns the chosen cells, and the sets of them that name peers. It applies
// the settings of their suite. Peers that the flag names are measured beside all
// cells of a suite.
func (f *runFlags) cells(flags *pflag.FlagSet) (keys []cells.Key, sets []beside, err error) {
	if f.suite == "" {
		selection, err := f.chosen.selection()
		if err != nil {
			return nil, nil, err
		}
		keys = selection.Keys()
	} else if keys, sets, err = f.suiteCells(flags); err != nil {
		return nil, nil, err
	}
	if len(f.peers) > 0 {
		sets = []beside{{keys, f.peers}}
	}
	return keys, sets, nil
}

func (f *runFlags) suiteCells(flags *pflag.FlagSet) (keys []cells.Key, sets []beside, err error) {
	if err := noLists(flags); err != nil {
		return nil, nil, err
	}
	suite, file, err := findSuite(f.suite)
	if err != nil {
		return nil, nil, err
	}
	if err := suiteSettings(flags, suite, file, suiteFlags); err != nil {
		return nil, nil, err
	}
	return suiteKeys(suite, file)
}

func (f *runFlags) run(command *cobra.Command) error {
	keys, sets, err := f.cells(command.Flags())
	if err != nil {
		return err
	}
	if err := f.effort.settle(command.Flags()); err != nil {
		return err
	}
	if f.isolate && f.cpuprofile != "" {
		return errors.New("--isolate and --cpuprofile: the profile is of one process, want one of them at most")
	}
	outputs, err := f.checkOutputs(command.OutOrStdout())
	if err != nil {
		return err
	}
	stderr := command.ErrOrStderr()
	sides, end, err := f.sides(command.Context(), stderr, keys, sets)
	if err != nil {
		return err
	}
	live := output.NewLive(stderr, isTerminal(stderr))
	file := &result.File{Schema: result.Schema, Environment: f.environment(command.Flags())}
	all, profile, err := f.measure(command.Context(), measure.Spec{
		Sides: sides, Sampling: f.effort.sampling, Size: f.effort.size,
		Root: os.DirFS("/"), Progress: live.Show,
	})
	live.Clear()
	err = errors.Join(err, end())
	if all == nil {
		return &failure{err}
	}
	for _, cells := range all {
		file.Cells = append(file.Cells, cells...)
	}
	file.Cut = command.Context().Err() != nil && err != nil
	writing := outputs.write("cpuprofile", f.cpuprofile, err == nil, func(w io.Writer) error { _, err := profile.WriteTo(w); return err })
	if writing = errors.Join(writing, f.write(outputs, file, err == nil)); writing != nil {
		return &failure{errors.Join(outcome(file, err), writing)}
	}
	return outcome(file, err)
}

// checkOutputs checks that all files can be written.
func (f *runFlags) checkOutputs(stdout io.Writer) (*outputs, error) {
	outputs := &outputs{stdout: stdout, read: f.inputs()}
	for _, to := range f.outputs() {
		if err := outputs.add(to.flag, to.path); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

// fileOutput is an output of the run and the function that writes it.
type fileOutput struct {
	flag, path string
	write      func(io.Writer, *result.File) error
}

// outputs are the files of a run. The profile has no results in it.
func (f *runFlags) outputs() []fileOutput {
	return []fileOutput{
		{"json", f.json, func(w io.Writer, file *result.File) error { return file.Write(w) }},
		{"benchfmt", f.benchmark, output.BenchmarkText},
		{"csv", f.table, output.CSV},
		{"markdown", f.markdown, output.Markdown},
		{"cpuprofile", f.cpuprofile, nil},
	}
}

// inputs are the files that the run reads.
func (f *runFlags) inputs() []string {
	inputs := []string{f.peerCommand}
	if f.suite != "" {
		inputs = append(inputs, suitePath(f.suite))
	}
	return inputs
}

// sides returns the sources of the cells. The caller calls end after the run.
func (f *runFlags) sides(ctx context.Context, stderr io.Writer, keys []cells.Key, sets []beside) (sides []measure.Side, end func() error, err error) {
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	own := measure.Side{Source: catalog(logger), Keys: keys}
	if f.isolate {
		command, err := serveCommand(stderr)
		if err != nil {
			return nil, nil, &failure{err}
		}
		own.Source = measure.Isolated{Source: own.Source, Command: command}
	}
	if len(sets) == 0 {
		return []measure.Side{own}, func() error { return nil }, nil
	}
	others, end, err := f.openPeers(ctx, stderr, sets)
	return []measure.Side{own, others}, end, err
}

// outcome is nil for a run that reached its end and measured something.
func outcome(file *result.File, err error) error {
	switch {
	case file.Cut:
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

// environment describes this run. It leaves out flags that name files; of the
// profile, which slows the run down, it has the flag without the name.
func (f *runFlags) environment(flags *pflag.FlagSet) result.Environment {
	env := machine.Describe(os.DirFS("/"), time.Now())
	env.Seed = f.effort.sampling.Seed
	flags.Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "json", "benchfmt", "csv", "markdown", "seed", "peer-command":
		case "cpuprofile":
			env.Flags = append(env.Flags, "--cpuprofile")
		case "suite":
			env.Flags = append(env.Flags, "--suite="+suiteName(f.suite))
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

// measure measures, and returns the profile of the run if there is a flag for it.
func (f *runFlags) measure(ctx context.Context, spec measure.Spec) (all [][]result.Cell, profile *bytes.Buffer, err error) {
	profile = new(bytes.Buffer)
	if f.cpuprofile != "" {
		if err := pprof.StartCPUProfile(profile); err != nil {
			return nil, profile, fmt.Errorf("--cpuprofile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	all, err = measure.Run(ctx, spec)
	return all, profile, err
}

// write writes the output files, and then prints the table, unless an output goes to
// standard output. The table comes last: after an interrupt its reader may have
// ended, and printing then ends this process.
func (f *runFlags) write(outputs *outputs, file *result.File, complete bool) error {
	var errs []error
	for _, to := range f.outputs() {
		if to.write != nil {
			errs = append(errs, outputs.write(to.flag, to.path, complete, func(w io.Writer) error { return to.write(w, file) }))
		}
	}
	if !outputs.toStandardOutput() {
		errs = append(errs, output.Table(outputs.stdout, file))
	}
	return errors.Join(errs...)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && output.IsTerminal(file)
}
