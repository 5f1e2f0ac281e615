//go:build !(cgo && (linux || darwin) && (amd64 || arm64))

package main

import (
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/internal/bench/measure"
)

var wasmtimeLeftOut = wasmtime.ErrLeftOut.Error()

// wasmtimeEngine is left out.
var wasmtimeEngine measure.Engine
