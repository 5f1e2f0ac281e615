package process

import (
	"log/slog"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/spawn"
)

// logOutput makes command log the process's output, at the rate that limits allow.
func logOutput(command *spawn.Command, log *slog.Logger, limits core.Limits) {
	command.Output = func(stream string, line []byte) {
		log.Info(strings.ToValidUTF8(string(line), "\uFFFD"), "from", stream)
	}
	command.Logs = spawn.Logs{Lines: limits.LogLines, Bytes: limits.LogBytes, Dropped: spawn.LogDropped(log)}
}
