//go:build cgo && (linux || darwin) && (amd64 || arm64)

package main

import (
	"context"

	"go.uber.org/fx"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure"
	"github.com/airhost/airhost/internal/bench/measure/floor"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

const wasmtimeLeftOut = ""

var wasmtimeEngine = measure.Engine{
	Module: wasmtimeModule(wasmtime.Config{}),
	Deploy: wasmtime.Name,
	Guest:  wasmGuest,
	Floor: func(_ context.Context, pattern cells.Pattern, payload int) (remote.Subject, error) {
		return floor.NewWasmtime(guests.Floor, pattern, payload)
	},
	Cached: func(dir string) fx.Option { return wasmtimeModule(wasmtime.Config{CacheDir: dir}) },
}

func wasmtimeModule(config wasmtime.Config) fx.Option {
	return fx.Options(fx.Supply(config), wasmtime.Module)
}
