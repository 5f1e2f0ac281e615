//go:build cgo && (linux || darwin) && (amd64 || arm64)

package main

import (
	"context"

	"go.uber.org/fx"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/internal/bench"
	"github.com/airhost/airhost/internal/bench/floor"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/result"
)

func addWasmtime(c *bench.Catalog) {
	c.Engines[wasmtime.Name] = bench.Engine{
		Module: fx.Options(fx.Supply(wasmtime.Config{}), wasmtime.Module),
		Deploy: wasmtime.Name,
		Guest:  wasmGuest,
		Floor: func(_ context.Context, pattern result.Pattern, payload int) (bench.Floor, error) {
			return floor.NewWasmtime(guests.Floor, pattern, payload)
		},
	}
}
