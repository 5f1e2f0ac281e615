package process

import (
	"fmt"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wiring"
)

// Module provides the engine to the value group "engines". It uses a [Config] or
// *Config if the graph has one.
var Module = fx.Module("process", fx.Provide(newModule))

type moduleParams struct {
	fx.In
	Config    Config  `optional:"true"`
	Pointer   *Config `optional:"true"`
	Lifecycle fx.Lifecycle
}

type moduleResult struct {
	fx.Out
	Engine core.Engine `group:"engines"`
}

func newModule(params moduleParams) (moduleResult, error) {
	config, err := wiring.Config(params.Config, params.Pointer)
	if err != nil {
		return moduleResult{}, fmt.Errorf("backends/process: %w", err)
	}
	engine, err := New(config)
	if err != nil {
		return moduleResult{}, err
	}
	params.Lifecycle.Append(fx.StopHook(engine.Close))
	return moduleResult{Engine: engine}, nil
}
