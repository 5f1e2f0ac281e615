package slab

import (
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wiring"
	"go.uber.org/fx"
)

// Module provides the tracker to the value group "trackers", with the [Config]
// or *Config that the application supplies, or the default. It starts and closes
// nothing: a tracker belongs to its host, which closes it when it stops.
var Module = fx.Module("trackers/slab", fx.Provide(fx.Annotate(provide, fx.ResultTags(`group:"trackers"`))))

type params struct {
	fx.In
	Config  Config  `optional:"true"`
	Pointer *Config `optional:"true"`
}

func provide(p params) (core.Tracker, error) {
	config, err := wiring.Config(p.Config, p.Pointer)
	if err != nil {
		return nil, fmt.Errorf("trackers/slab: %w", err)
	}
	return New(config)
}
