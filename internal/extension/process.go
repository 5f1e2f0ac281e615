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

// LogOutput returns what writes each line of a process's output to log: of
// kind, such as "broker", and path.
func LogOutput(log *slog.Logger, kind, path string) func(stream string, line []byte) {
	log = log.With("from", kind, "path", path)
	return func(stream string, line []byte) {
		log.Info(strings.ToValidUTF8(string(line), "\uFFFD"), "stream", stream)
	}
}
