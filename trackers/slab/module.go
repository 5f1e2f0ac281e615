package slab

import (
	"github.com/airhost/airhost/core"
	"go.uber.org/fx"
)

// Module provides the tracker as [core.Tracker], with the [Config] that the
// application supplies, or the default. It starts and closes nothing: a tracker
// belongs to its host, which closes it when it stops.
var Module = fx.Module("trackers/slab", fx.Provide(provide))

type params struct {
	fx.In
	Config Config `optional:"true"`
}

func provide(p params) (core.Tracker, error) { return New(p.Config) }
