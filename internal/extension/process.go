package extension

import (
	"context"
	"log/slog"
	"strings"

	"github.com/airhost/airhost/internal/spawn"
)

// Spawn starts command.
func Spawn(ctx context.Context, command spawn.Command) (Process, error) {
	p, err := spawn.Start(ctx, command)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// LogOutput has each line of command's output written to log, as far as command.Logs
// allows, and what is dropped told.
func LogOutput(command *spawn.Command, log *slog.Logger) {
	log = log.With("from", command.Kind, "path", command.Path)
	command.Output = func(stream string, line []byte) {
		log.Info(strings.ToValidUTF8(string(line), "\uFFFD"), "stream", stream)
	}
	command.Logs.Dropped = spawn.LogDropped(log)
}
