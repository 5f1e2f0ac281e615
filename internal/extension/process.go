package extension

import (
	"context"
	"log/slog"
	"strings"

	"github.com/airhost/airhost/internal/spawn"
)

// Spawn starts a process with command.
func Spawn(ctx context.Context, command spawn.Command) (Process, error) {
	p, err := spawn.Start(ctx, command)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// LogOutput makes command write each line of its output to log, at the rate that
// command.Logs allows, and report the number of dropped lines.
func LogOutput(command *spawn.Command, log *slog.Logger) {
	log = log.With("from", command.Kind, "path", command.Path)
	command.Output = func(stream string, line []byte) {
		log.Info(strings.ToValidUTF8(string(line), "\uFFFD"), "stream", stream)
	}
	command.Logs.Dropped = spawn.LogDropped(log)
}
