package plugin

import (
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wiring"
	"go.uber.org/fx"
)

// Module provides the tracker to the value group "trackers", with the [Config]
// or *Config that the application supplies. It starts the process with the
// application, before the host, to which the tracker belongs then: the host
// closes it when it stops.
var Module = fx.Module("trackers/plugin", fx.Provide(fx.Annotate(provide, fx.ResultTags(`group:"trackers"`))))

type params struct {
	fx.In
	Lifecycle fx.Lifecycle
	Config    Config  `optional:"true"`
	Pointer   *Config `optional:"true"`
}

func provide(p params) (core.Tracker, error) {
	config, err := wiring.Config(p.Config, p.Pointer)
	if err != nil {
		return nil, fmt.Errorf("trackers/plugin: %w", err)
	}
	t, err := New(config)
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.StartStopHook(t.Start, t.Close)) // a host that did not start closes nothing
	return t, nil
}
