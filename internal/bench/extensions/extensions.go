// Package extensions are a broker and a tracker that do nothing but what they
// must, as processes of their own: cells with them show what the way to a process
// and back costs.
package extensions

import (
	"fmt"
	"log/slog"
	"os"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	brokers "github.com/airhost/airhost/brokers/plugin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/plugin"
	trackers "github.com/airhost/airhost/trackers/plugin"
	"github.com/airhost/airhost/trackers/slab"
)

// variable names the extension that the executable is to be.
const variable = "AIRHOST_BENCH_EXTENSION"

const (
	broker  = "broker"
	tracker = "tracker"
)

// Broker is the module of a broker that is the running executable once more,
// which must call [Serve] first of all. logger takes what becomes of the process.
func Broker(logger *slog.Logger) fx.Option {
	path, err := os.Executable()
	if err != nil {
		return fx.Error(fmt.Errorf("broker as a process: %w", err))
	}
	return fx.Options(fx.Supply(brokers.Config{Path: path, Env: environment(broker), Restart: never, Logger: logger}), airhostfx.Broker(brokers.New))
}

// Tracker is to trackers what Broker is to brokers. The process has the timers of
// [slab].
func Tracker(logger *slog.Logger) fx.Option {
	path, err := os.Executable()
	if err != nil {
		return fx.Error(fmt.Errorf("tracker as a process: %w", err))
	}
	return fx.Options(fx.Supply(trackers.Config{Path: path, Env: environment(tracker), Restart: never, Logger: logger}), airhostfx.Tracker(trackers.New))
}

// never: what dies in a measurement has spoiled it.
var never = core.Restart{Policy: core.RestartTemporary}

func environment(extension string) []string { return []string{variable + "=" + extension} }

// Serve serves as the extension that the executable was started as. It reports
// false, and does nothing, in one that was not.
func Serve() bool {
	switch os.Getenv(variable) {
	case broker:
		plugin.ServeBroker(newLoop())
	case tracker:
		timers, err := slab.New(slab.Config{})
		if err != nil {
			panic(err)
		}
		plugin.ServeTracker(timers)
	default:
		return false
	}
	return true
}
