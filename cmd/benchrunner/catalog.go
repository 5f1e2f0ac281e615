package main

import (
	"context"
	"log/slog"

	wazerolib "github.com/tetratelabs/wazero"
	"go.uber.org/fx"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure"
	"github.com/airhost/airhost/internal/bench/measure/extensions"
	"github.com/airhost/airhost/internal/bench/measure/floor"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/remote"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

// What there is to choose from, in the order in which it is listed.
var (
	engineNames  = []string{"wazero", "wazero-interpreter", "native", "wasmtime", "process"}
	brokerNames  = []string{"inproc", "channel", "nats", "plugin"}
	trackerNames = []string{"slab", "timermap", "plugin"}
)

// engines are those of this build. A new one is one entry here. Of wasmtime a
// build may have none: then [wasmtimeLeftOut] says why.
var engines = map[string]measure.Engine{
	"wazero":             wazeroEngine("wazero", false, wazerolib.NewRuntimeConfig()),
	"wazero-interpreter": wazeroEngine("wazero-interpreter", true, wazerolib.NewRuntimeConfigInterpreter()),
	"wasmtime":           wasmtimeEngine,
	"native": {
		Module: native.Module, Deploy: native.Name, Native: true,
		Guest: nativeGuest, Floor: nativeFloor,
	},
	"process": {
		Module: fx.Options(fx.Supply(process.Config{}), process.Module), Deploy: process.Name, OutOfProcess: true,
		Guest: processGuest,
	},
}

// catalog is what this build can measure. logger takes the log of the cells'
// hosts.
func catalog(logger *slog.Logger) measure.Catalog {
	c := measure.Catalog{
		Engines: engines,
		Brokers: map[string]measure.Part{
			"inproc": {Module: inproc.Module}, "channel": {Module: channel.Module},
			"plugin": {Module: extensions.Broker(logger), OutOfProcess: true},
		},
		Trackers: map[string]measure.Part{
			"slab": {Module: slab.Module}, "timermap": {Module: timermap.Module},
			"plugin": {Module: extensions.Tracker(logger), OutOfProcess: true},
		},
		Native: native.Module,
		LeftOut: map[string]string{
			"nats": "this build has no such broker",
		},
		Logger: logger,
	}
	if why := wasmtimeLeftOut; why != "" {
		c.LeftOut["wasmtime"] = why
	}
	return c
}

// wazeroEngine is wazero in one of its two ways, with the floor of the same way.
func wazeroEngine(name string, interpreter bool, floorConfig wazerolib.RuntimeConfig) measure.Engine {
	module := func(config wazero.Config) fx.Option { return fx.Options(fx.Supply(config), wazero.Module) }
	engine := measure.Engine{
		Module: module(wazero.Config{Interpreter: interpreter}),
		Deploy: wazero.Name,
		Guest:  wasmGuest,
		Floor: func(ctx context.Context, pattern cells.Pattern, payload int) (remote.Subject, error) {
			return floor.NewWazero(ctx, name, floorConfig, guests.Floor, pattern, payload)
		},
	}
	if !interpreter { // which compiles nothing that could be kept
		engine.Cached = func(dir string) fx.Option { return module(wazero.Config{CacheDir: dir}) }
	}
	return engine
}

func wasmGuest(pattern cells.Pattern) core.Source {
	if pattern == cells.RequestResponse {
		return core.Source{Code: guests.RoundTrip}
	}
	return core.Source{Code: guests.PingPong}
}

func nativeGuest(pattern cells.Pattern) core.Source {
	if pattern == cells.RequestResponse {
		return native.Source(guests.NewRoundTrip)
	}
	return native.Source(guests.NewPingPong)
}

// processGuest is this program, started once more: see [guests.ServeProcess].
func processGuest(pattern cells.Pattern) core.Source {
	name := guests.ProcessPingPong
	if pattern == cells.RequestResponse {
		name = guests.ProcessRoundTrip
	}
	source, err := guests.ProcessSource(name)
	if err != nil { // the engine says that there is nothing to start
		return core.Source{}
	}
	return source
}

func nativeFloor(_ context.Context, pattern cells.Pattern, payload int) (remote.Subject, error) {
	return floor.NewNative(pattern, payload), nil
}
