package wasmtime

import (
	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
)

// Module provides the engine as a member of the group "engines". It uses a
// [Config] where there is one, and closes the engine when the application stops.
var Module = fx.Module(Name, fx.Provide(fx.Annotate(provide,
	fx.ParamTags(``, `optional:"true"`), fx.ResultTags(`group:"engines"`))))

func provide(lifecycle fx.Lifecycle, config Config) (core.Engine, error) {
	e, err := New(config)
	if err != nil {
		return nil, err
	}
	lifecycle.Append(fx.StopHook(e.Close))
	return e, nil
}
