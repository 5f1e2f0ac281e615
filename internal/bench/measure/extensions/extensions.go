// Package extensions has a broker and a tracker that are processes of their own and
// do no more than they must: cells with them show the cost of the way to a process
// and back.
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

// variable has the name of the extension that the executable serves as.
const variable = "AIRHOST_BENCH_EXTENSION"

const (
	broker  = "broker"
	tracker = "tracker"
)

// Broker is the module of a broker process: the running executable, started once
// more, which must call [Serve] first of all. logger gets the messages about the
// process.
func Broker(logger *slog.Logger) fx.Option {
	path, err := os.Executable()
	if err != nil {
		return fx.Error(fmt.Errorf("broker as a process: %w", err))
	}
	return fx.Options(fx.Supply(brokers.Config{Path: path, Env: environment(broker), Restart: never, Logger: logger}), airhostfx.Broker(brokers.New))
}

// Tracker is the module of a tracker process, like [Broker]. The process has the
// timers of [slab].
func Tracker(logger *slog.Logger) fx.Option {
	path, err := os.Executable()
	if err != nil {
		return fx.Error(fmt.Errorf("tracker as a process: %w", err))
	}
	return fx.Options(fx.Supply(trackers.Config{Path: path, Env: environment(tracker), Restart: never, Logger: logger}), airhostfx.Tracker(trackers.New))
}

// never restarts a process: its end has spoiled the measurement.
var never = core.Restart{Policy: core.RestartTemporary}

func environment(extension string) []string { return []string{variable + "=" + extension} }

// Serve serves as the extension that the environment names. It returns false, and
// does nothing, where the environment names none.
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
