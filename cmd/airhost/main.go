// Command airhost runs components from a configuration file, sends them single
// messages, and checks configurations and WebAssembly modules before they run.
//
//	airhost run airhost.yaml
//	airhost call airhost.yaml shop/orders --data '{"id": 7}'
//
// Standard output carries results and nothing else; logs, the guests' too, go to
// standard error. The exit code is 0 when all was done, 1 when the work failed,
// and 2 for wrong usage or a wrong configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/service"
	"github.com/airhost/airhost/internal/spawn"
)

const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if os.Getpid() == 1 { // of a container: the system makes it the parent of all orphans
		spawn.ReapOrphans()
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program; it returns its exit code. The first interrupt asks
// for a graceful end, a second one ends the process by the system's default.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, restore := stopOnSignal()
	defer restore()
	defer keepGoing()()

	terminal := newScreen(stderr)
	if terminal != nil {
		stderr = terminal
	}
	log := newLogWriter(stderr)
	defer log.close()
	p := &program{stdin: stdin, stdout: stdout, stderr: log}
	if terminal != nil {
		p.live = &live{out: log}
	}
	root := p.root()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if !p.working {
		fmt.Fprintf(log, "airhost: %v\nRun '%s --help' for usage.\n", err, command.CommandPath())
		return exitUsage
	}
	p.report(err)
	return exitCode(err)
}

// wrongUse is an error in the user's command line or file. Its exit code is 2.
type wrongUse struct{ error }

func (w wrongUse) Unwrap() error { return w.error }

// errReported ends a command with exit code 1. The command's output has the reason.
var errReported = errors.New("reported")

func exitCode(err error) int {
	var use wrongUse
	var mistakes config.Mistakes
	if errors.As(err, &use) || errors.As(err, &mistakes) {
		return exitUsage
	}
	return exitFailed
}

// report writes the reason of a failed command to standard error.
func (p *program) report(err error) {
	for _, err := range service.Joined(err) {
		text := p.secrets.Text(err.Error())
		var mistakes config.Mistakes
		switch found := errors.As(err, &mistakes); {
		case errors.Is(err, errReported):
		case found && p.logFormat == formatJSON:
			p.logMistakes(slog.LevelError, mistakes)
		case found:
			fmt.Fprintln(p.stderr, mistakes)
		case p.logFormat == formatJSON && isStop(err):
			p.log.Warn(text)
		case p.logFormat == formatJSON:
			p.log.Error(text)
		default:
			fmt.Fprintln(p.stderr, "airhost:", printable(text))
		}
	}
}

func (p *program) logMistakes(level slog.Level, mistakes config.Mistakes) {
	for _, m := range mistakes {
		p.log.Log(context.Background(), level, m.Text, "file", m.File, "line", m.Line, "column", m.Column, "path", m.Path)
	}
}
