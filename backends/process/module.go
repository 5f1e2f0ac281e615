package process

import (
	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
)

// Module provides the engine to the value group "engines". It uses a [Config] if
// the graph has one.
var Module = fx.Module("process", fx.Provide(newModule))

type moduleParams struct {
	fx.In
	Config    Config `optional:"true"`
	Lifecycle fx.Lifecycle
}

type moduleResult struct {
	fx.Out
	Engine core.Engine `group:"engines"`
}

func newModule(params moduleParams) (moduleResult, error) {
	engine, err := New(params.Config)
	if err != nil {
		return moduleResult{}, err
	}
	params.Lifecycle.Append(fx.StopHook(engine.Close))
	return moduleResult{Engine: engine}, nil
}
