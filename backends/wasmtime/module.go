package wasmtime

import (
	"fmt"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wiring"
)

// Module provides the engine as a member of the group "engines". It uses a
// [Config] or *Config where there is one, and closes the engine when the application stops.
var Module = fx.Module(Name, fx.Provide(fx.Annotate(provide,
	fx.ParamTags(``, `optional:"true"`, `optional:"true"`), fx.ResultTags(`group:"engines"`))))

func provide(lifecycle fx.Lifecycle, config Config, pointer *Config) (core.Engine, error) {
	config, err := wiring.Config(config, pointer)
	if err != nil {
		return nil, fmt.Errorf("backends/wasmtime: %w", err)
	}
	e, err := New(config)
	if err != nil {
		return nil, err
	}
	lifecycle.Append(fx.StopHook(e.Close))
	return e, nil
}
