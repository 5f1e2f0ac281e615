//go:build cgo && (linux || darwin) && (amd64 || arm64)

package main

import (
	"context"

	"github.com/airhost/airhost/internal/bench/floor"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/remote"
	"github.com/airhost/airhost/internal/bench/result"
)

func wasmtimeFloor(_ context.Context, pattern result.Pattern, payload int) (remote.Subject, error) {
	return floor.NewWasmtime(guests.Floor, pattern, payload)
}
