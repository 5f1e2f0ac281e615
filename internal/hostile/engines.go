package hostile

import (
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/parts"
)

// Engine is an engine that is attacked.
type Engine struct {
	Name string
	Open func() (core.Engine, error)
}

// Engines are those that this build has and that compile guests.
func Engines() []Engine {
	var engines []Engine
	for _, e := range parts.Engines {
		if e.Runs == parts.WebAssembly && e.LeftOut == "" {
			engines = append(engines, Engine{e.Name, func() (core.Engine, error) { return e.New(parts.Settings{}) }})
		}
	}
	return engines
}

// Interpreter is wazero's other way.
func Interpreter() Engine {
	return Engine{"wazero-interpreter", func() (core.Engine, error) { return wazero.New(wazero.Config{Interpreter: true}) }}
}
