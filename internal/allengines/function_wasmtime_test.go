//go:build cgo && (linux || darwin) && (amd64 || arm64)

package allengines

import (
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/measure/floor"
)

func init() {
	e := functionEngines[0]
	e.name, e.floor = wasmtime.Name, floor.NewWasmtimeCaller
	e.open = func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{}) }
	functionEngines = append(functionEngines, e)
}
