package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

// serveName is the command by which this program measures cells for another
// process of it, or of another build. Other builds call it by this name.
const serveName = "serve"

func newServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:    serveName,
		Short:  "Measure cells for another benchrunner, on standard input and output",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			source := catalog(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
			open := func(ctx context.Context, key cells.Key, floor bool) (remote.Subject, error) {
				if reason := source.Reason(key); reason != "" {
					return nil, &cells.LeftOutError{Reason: reason}
				}
				return source.Open(ctx, key, floor)
			}
			if err := (remote.Server{Open: open}).Main(command.Context()); err != nil {
				return &failure{err}
			}
			return nil
		},
	}
}

// serveCommand returns a function that makes commands which serve this build's cells.
func serveCommand(stderr io.Writer) (func() *exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return func() *exec.Cmd {
		command := exec.Command(self, serveName)
		command.Stderr = stderr
		return command
	}, nil
}
