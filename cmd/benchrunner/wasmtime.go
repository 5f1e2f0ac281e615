//go:build cgo && (linux || darwin) && (amd64 || arm64)

package main

import (
	"context"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/floor"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

func wasmtimeFloor(_ context.Context, pattern cells.Pattern, payload int) (remote.Subject, error) {
	return floor.NewWasmtime(guests.Floor, pattern, payload)
}
