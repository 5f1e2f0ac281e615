package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/nearest"
)

// program is one run of the command: its streams and global flags.
type program struct {
	stdin  io.Reader
	stdout io.Writer
	stderr *logWriter
	live   *live // on the terminal that stderr is; nil if it is none

	logFormat, logLevel string
	cache               string // where compiled code is kept
	cacheGiven          bool   // on the command line

	reloads chan struct{} // gets the SIGHUPs of run, of which two at once are one
	working bool          // flags and arguments were right
	log     *slog.Logger
	secrets core.Redactor // of the components that it runs
}

// cacheFlag adds --cache to a command that compiles modules.
func (p *program) cacheFlag(command *cobra.Command) {
	command.Flags().StringVar(&p.cache, "cache", "", `directory for compiled code (default: "airhost" in the user's cache directory; "" keeps none)`)
}

// cacheDir returns the directory for compiled code, "" for none. It belongs to the user
// alone: anyone who can write to it can run code in airhost.
func (p *program) cacheDir() string {
	if p.cacheGiven {
		return p.cache
	}
	base, err := os.UserCacheDir()
	if err != nil {
		p.log.Debug("compiled code is not kept", "reason", err.Error())
		return ""
	}
	return filepath.Join(base, "airhost")
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "airhost",
		Short: "Run plug-ins that talk to each other, isolated from each other",
		Long: `airhost runs components: WebAssembly modules that talk to each other by
messages and can do nothing else. A configuration file says which components
there are, what each may send, and what each may use up.`,
		Example: `  airhost check airhost.yaml
  airhost run airhost.yaml
  airhost call airhost.yaml shop/orders --data hello`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Version = version()
	root.SetVersionTemplate("{{.Version}}")
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(flagError)
	flags := root.PersistentFlags()
	flags.StringVar(&p.logFormat, "log-format", formatText, "how logs are written to standard error: text or json")
	flags.StringVar(&p.logLevel, "log-level", "info", "the least level that is logged: trace, debug, info, warn or error")
	complete(root, "log-format", formatText, formatJSON)
	complete(root, "log-level", levelNames...)
	root.AddCommand(p.runCommand(), p.callCommand(), p.sendCommand(), p.checkCommand(), p.compileCommand(),
		p.inspectCommand(), p.schemaCommand(), p.versionCommand(),
		p.psCommand(), p.topCommand(), p.applyCommand(), p.drainCommand(), p.restartCommand(), p.undeployCommand(), p.logLevelCommand(),
		p.eventsCommand(), p.logsCommand(), p.deadLettersCommand(), p.keyValueCommand(), p.natsCommand(), p.manCommand())
	return root
}

func complete(command *cobra.Command, flag string, values ...string) {
	// The only error is a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// work makes a command's body from f. Errors from before f is called are wrong
// usage.
func (p *program) work(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		log, err := newLog(p.stderr, p.logFormat, p.logLevel)
		if err != nil {
			return err
		}
		p.log = slog.New(p.secrets.Handler(log.Handler()))
		told, _ := newLog(p.stderr.to, p.logFormat, p.logLevel) // the call above has succeeded with the same values
		p.stderr.tell(told)
		p.working = true
		defer p.takeHangups()()
		if flag := command.Flags().Lookup("cache"); flag != nil {
			p.cacheGiven = flag.Changed
		}
		return f(command.Context(), args)
	}
}

// flagError adds the nearest flag to the error about an unknown flag.
func flagError(command *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var names []string
	command.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := nearest.Of(unknown.GetSpecifiedName(), names); near != "" {
		return fmt.Errorf("%w, did you mean --%s?", err, near)
	}
	return err
}

// arguments requires exactly the arguments that a command's use line names.
func arguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("missing %s", strings.Join(names[len(args):], " and "))
		case len(args) > len(names):
			return fmt.Errorf("unexpected argument %q, want only %s", args[len(names)], strings.Join(names, " and "))
		}
		return nil
	}
}

// noArguments is for commands that take none.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// completeFile completes the configuration file of a command that has no other argument.
func completeFile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}
