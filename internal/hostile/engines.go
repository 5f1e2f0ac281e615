package hostile

import (
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/parts"
)

// Engine is an engine to attack.
type Engine struct {
	Name string
	Open func() (core.Engine, error)
}

// Engines returns the compiling engines of this build.
func Engines() []Engine {
	var engines []Engine
	for _, e := range parts.Engines {
		if e.Runs == parts.WebAssembly && e.LeftOut == "" {
			engines = append(engines, Engine{e.Name, func() (core.Engine, error) { return e.New(parts.Settings{}) }})
		}
	}
	return engines
}

// Interpreter returns wazero's interpreter.
func Interpreter() Engine {
	return Engine{"wazero-interpreter", func() (core.Engine, error) { return wazero.New(wazero.Config{Interpreter: true}) }}
}
