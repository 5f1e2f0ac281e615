package main

import (
	"context"
	"log/slog"

	wazerolib "github.com/tetratelabs/wazero"
	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench"
	"github.com/airhost/airhost/internal/bench/extensions"
	"github.com/airhost/airhost/internal/bench/floor"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/remote"
	"github.com/airhost/airhost/internal/bench/result"
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
var engines = map[string]bench.Engine{
	"wazero":             wazeroEngine("wazero", false, wazerolib.NewRuntimeConfig()),
	"wazero-interpreter": wazeroEngine("wazero-interpreter", true, wazerolib.NewRuntimeConfigInterpreter()),
	"wasmtime":           wasmtimeEngine,
	"native": {
		Module: airhostfx.Engine(native.New), Deploy: native.Name, Native: true,
		Guest: nativeGuest, Floor: nativeFloor,
	},
	"process": {
		Module: fx.Options(fx.Supply(process.Config{}), airhostfx.Engine(process.New)), Deploy: process.Name, Elsewhere: true,
		Guest: processGuest,
	},
}

// catalog is what this build can measure. logger takes the log of the cells'
// hosts.
func catalog(logger *slog.Logger) bench.Catalog {
	c := bench.Catalog{
		Engines: engines,
		Brokers: map[string]bench.Part{
			"inproc": {Module: airhostfx.Broker(inproc.New)}, "channel": {Module: airhostfx.Broker(channel.New)},
			"plugin": {Module: extensions.Broker(logger), Elsewhere: true},
		},
		Trackers: map[string]bench.Part{
			"slab": {Module: airhostfx.Tracker(slab.New)}, "timermap": {Module: airhostfx.Tracker(timermap.New)},
			"plugin": {Module: extensions.Tracker(logger), Elsewhere: true},
		},
		Native: airhostfx.Engine(native.New),
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
func wazeroEngine(name string, interpreter bool, floorConfig wazerolib.RuntimeConfig) bench.Engine {
	module := func(config wazero.Config) fx.Option { return fx.Options(fx.Supply(config), airhostfx.Engine(wazero.New)) }
	engine := bench.Engine{
		Module: module(wazero.Config{Interpreter: interpreter}),
		Deploy: wazero.Name,
		Guest:  wasmGuest,
		Floor: func(ctx context.Context, pattern result.Pattern, payload int) (remote.Subject, error) {
			return floor.NewWazero(ctx, name, floorConfig, guests.Floor, pattern, payload)
		},
	}
	if !interpreter { // which compiles nothing that could be kept
		engine.Cached = func(dir string) fx.Option { return module(wazero.Config{CacheDir: dir}) }
	}
	return engine
}

func wasmGuest(pattern result.Pattern) core.Source {
	if pattern == result.RequestResponse {
		return core.Source{Code: guests.RoundTrip}
	}
	return core.Source{Code: guests.PingPong}
}

func nativeGuest(pattern result.Pattern) core.Source {
	if pattern == result.RequestResponse {
		return native.Source(guests.NewRoundTrip)
	}
	return native.Source(guests.NewPingPong)
}

// processGuest is this program, started once more: see [guests.ServeProcess].
func processGuest(pattern result.Pattern) core.Source {
	name := guests.ProcessPingPong
	if pattern == result.RequestResponse {
		name = guests.ProcessRoundTrip
	}
	source, err := guests.ProcessSource(name)
	if err != nil { // the engine says that there is nothing to start
		return core.Source{}
	}
	return source
}

func nativeFloor(_ context.Context, pattern result.Pattern, payload int) (remote.Subject, error) {
	return floor.NewNative(pattern, payload), nil
}
