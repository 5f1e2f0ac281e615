package hostile

import (
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
)

// Engine is an engine that is attacked.
type Engine struct {
	Name string
	Open func() (core.Engine, error)
}

// Engines are those that this build has and that compile guests.
func Engines() []Engine {
	engines := []Engine{{"wazero", func() (core.Engine, error) { return wazero.New(wazero.Config{}) }}}
	if wasmtime.Available {
		engines = append(engines, Engine{"wasmtime", func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{}) }})
	}
	return engines
}

// Interpreter is wazero's other way.
func Interpreter() Engine {
	return Engine{"wazero-interpreter", func() (core.Engine, error) { return wazero.New(wazero.Config{Interpreter: true}) }}
}
