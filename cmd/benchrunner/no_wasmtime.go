//go:build !(cgo && (linux || darwin) && (amd64 || arm64))

package main

import (
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/internal/bench"
)

func addWasmtime(c *bench.Catalog) { c.LeftOut[wasmtime.Name] = wasmtime.ErrLeftOut.Error() }
