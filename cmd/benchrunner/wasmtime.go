//go:build cgo && (linux || darwin) && (amd64 || arm64)

package main

import (
	"context"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/internal/bench"
	"github.com/airhost/airhost/internal/bench/floor"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/remote"
	"github.com/airhost/airhost/internal/bench/result"
)

const wasmtimeLeftOut = ""

var wasmtimeEngine = bench.Engine{
	Module: wasmtimeModule(wasmtime.Config{}),
	Deploy: wasmtime.Name,
	Guest:  wasmGuest,
	Floor: func(_ context.Context, pattern result.Pattern, payload int) (remote.Subject, error) {
		return floor.NewWasmtime(guests.Floor, pattern, payload)
	},
	Cached: func(dir string) fx.Option { return wasmtimeModule(wasmtime.Config{CacheDir: dir}) },
}

func wasmtimeModule(config wasmtime.Config) fx.Option {
	return fx.Options(fx.Supply(config), airhostfx.Engine(wasmtime.New))
}
