package hostile

import (
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
)

// Engine is an engine to attack.
type Engine struct {
	Name string
	Open func() (core.Engine, error)
}

// Engines returns the compiling engines of this build.
func Engines() []Engine {
	engines := []Engine{{"wazero", func() (core.Engine, error) { return wazero.New(wazero.Config{}) }}}
	if wasmtime.Available {
		engines = append(engines, Engine{"wasmtime", func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{}) }})
	}
	return engines
}

// Interpreter returns wazero's interpreter.
func Interpreter() Engine {
	return Engine{"wazero-interpreter", func() (core.Engine, error) { return wazero.New(wazero.Config{Interpreter: true}) }}
}
