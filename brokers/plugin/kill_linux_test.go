package plugin

import (
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension/extensiontest"
	"github.com/airhost/airhost/trackers/slab"
)

// TestKilledUnderLoad kills the process as often as AIRHOST_KILLS says.
func TestKilledUnderLoad(t *testing.T) {
	command := roles.Command(t, "exchange")
	command.Kind = kind
	extensiontest.KillUnderLoad(t, command, func(start extensiontest.Start) (core.Broker, core.Tracker, error) {
		tracker, err := slab.New(slab.Config{})
		check(t, err)
		b, err := newBroker(Config{Restart: extensiontest.Quickly, Logger: orDiscard(nil)}, start)
		return b, tracker, err
	})
}
