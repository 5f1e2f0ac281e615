package main

import (
	"context"

	wazerolib "github.com/tetratelabs/wazero"
	"go.uber.org/fx"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench"
	"github.com/airhost/airhost/internal/bench/floor"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/result"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

// What there is to choose from, in the order in which it is listed.
var (
	engineNames  = []string{"wazero", "wazero-interpreter", "native", "wasmtime", "process"}
	brokerNames  = []string{"inproc", "channel", "nats"}
	trackerNames = []string{"slab", "timermap"}
)

// catalog is what this build can measure.
func catalog() bench.Catalog {
	c := bench.Catalog{
		Engines: map[string]bench.Engine{
			"wazero":             wazeroEngine("wazero", wazero.Config{}, wazerolib.NewRuntimeConfig()),
			"wazero-interpreter": wazeroEngine("wazero-interpreter", wazero.Config{Interpreter: true}, wazerolib.NewRuntimeConfigInterpreter()),
			"native": {
				Module: native.Module, Deploy: native.Name, Native: true,
				Guest: nativeGuest, Floor: nativeFloor,
			},
		},
		Brokers:  map[string]fx.Option{"inproc": inproc.Module, "channel": channel.Module},
		Trackers: map[string]fx.Option{"slab": slab.Module, "timermap": timermap.Module},
		Native:   native.Module,
		LeftOut: map[string]string{
			"process": "this build has no such engine",
			"nats":    "this build has no such broker",
		},
	}
	addWasmtime(&c)
	return c
}

// wazeroEngine is wazero in one of its two ways, with the floor of the same way.
func wazeroEngine(name string, config wazero.Config, floorConfig wazerolib.RuntimeConfig) bench.Engine {
	return bench.Engine{
		Module: fx.Options(fx.Supply(config), wazero.Module),
		Deploy: wazero.Name,
		Guest:  wasmGuest,
		Floor: func(ctx context.Context, pattern result.Pattern, payload int) (bench.Floor, error) {
			return floor.NewWazero(ctx, name, floorConfig, guests.Floor, pattern, payload)
		},
	}
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

func nativeFloor(_ context.Context, pattern result.Pattern, payload int) (bench.Floor, error) {
	return floor.NewNative(pattern, payload), nil
}
