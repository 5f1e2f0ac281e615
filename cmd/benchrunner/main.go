// Benchrunner measures the cost of messages between components, for every choice of
// engine, broker and tracker, side by side in one run, and as a multiple of the
// engine's floor.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/airhost/airhost/internal/bench/data/cells"

	"github.com/airhost/airhost/internal/bench/measure/extensions"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // a measurement failed
	exitUsage  = 2
)

func main() {
	if guests.ServeProcess() || extensions.Serve() {
		return // this process served another benchrunner as a component, broker or tracker
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program, without the process around it. When ctx ends, run ends early
// and keeps its results so far.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	command := newCommand()
	command.SetArgs(args)
	command.SetOut(stdout)
	command.SetErr(stderr)
	ran, err := command.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(stderr, "benchrunner: %v\n", err)
	if failed := (*failure)(nil); errors.As(err, &failed) {
		return exitFailed
	}
	if !errors.Is(err, errUndecided) {
		fmt.Fprintf(stderr, "See '%s --help'.\n", ran.CommandPath())
	}
	return exitUsage
}

// failure is the error of a command that was used rightly. All other errors are wrong
// usage.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

// checkGiven refuses flags and arguments that are given and empty: they come from a
// variable that is not set.
func checkGiven(command *cobra.Command, args []string) error {
	if command.Name() == cobra.ShellCompRequestCmd || command.Name() == cobra.ShellCompNoDescRequestCmd {
		return nil // the word that is being completed may be empty
	}
	for i, arg := range args {
		if strings.TrimSpace(arg) == "" {
			return fmt.Errorf("argument %d is empty, want a file", i+1)
		}
	}
	var errs []error
	command.Flags().Visit(func(flag *pflag.Flag) {
		values := []string{flag.Value.String()}
		list, isList := flag.Value.(pflag.SliceValue)
		if isList {
			values = list.GetSlice()
		}
		if len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return strings.TrimSpace(v) == "" }) {
			want, usage := pflag.UnquoteUsage(flag)
			if isList {
				want = usage
			}
			errs = append(errs, fmt.Errorf("--%s is empty, want %s", flag.Name, want))
		}
	})
	return errors.Join(errs...)
}

func newCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "benchrunner",
		Short: "Measure what messages between components cost",
		Long: `Benchrunner measures what messages between components cost: real guests on a
real host, with capabilities, quotas, handler time limit and counters on.

A cell is one choice of engine, broker, tracker, pattern, payload and mode. All
cells of a run are measured in turns, round by round, together with their floor:
what the engine alone needs for the same crossings.`,
		Example:       "  benchrunner list\n  benchrunner run --quick\n  benchrunner run --engine wazero --pattern call --json results.json",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	command.PersistentPreRunE = checkGiven
	command.AddCommand(newRunCommand(), newCompareCommand(), newReportCommand(), newListCommand(), newServeCommand())
	for _, c := range command.Commands() {
		completeNames(c)
	}
	return command
}

// completeNames makes shells complete the names that a command's flags take.
func completeNames(command *cobra.Command) {
	for flag, names := range map[string][]string{
		"engine": engineNames, "broker": brokerNames, "tracker": trackerNames,
		"pattern": texts(cells.Patterns()), "mode": texts(cells.ModeNames()),
	} {
		if command.Flags().Lookup(flag) != nil {
			// The only error is a flag that does not exist.
			_ = command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}
