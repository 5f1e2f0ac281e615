package plugin

import (
	"context"
	"log/slog"
	"testing"

	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension/extensiontest"
)

// TestKilledUnderLoad kills the process as often as AIRHOST_KILLS says.
func TestKilledUnderLoad(t *testing.T) {
	command := roles.Command(t, "slab")
	command.Kind = kind
	extensiontest.KillUnderLoad(t, command, func(start extensiontest.Start) (core.Broker, core.Tracker, error) {
		broker, err := inproc.New(inproc.Config{})
		check(t, err)
		tracker, err := newTracker(Config{Restart: extensiontest.Quickly, Logger: slog.New(slog.DiscardHandler)}, start)
		check(t, err)
		return broker, tracker, tracker.Start(context.Background())
	})
}
