package inproc

import (
	"github.com/airhost/airhost/core"
	"go.uber.org/fx"
)

// Module provides the broker as [core.Broker], with the [Config] that the
// application supplies, or the default. It opens and closes nothing: a broker
// belongs to its host, which opens it when it starts and closes it when it
// stops.
var Module = fx.Module("brokers/inproc", fx.Provide(provide))

type params struct {
	fx.In
	Config Config `optional:"true"`
}

func provide(p params) (core.Broker, error) { return New(p.Config) }
