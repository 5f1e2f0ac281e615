package plugin

import (
	"github.com/airhost/airhost/core"
	"go.uber.org/fx"
)

// Module provides the broker as [core.Broker], with the [Config] that the
// application supplies. It opens and closes nothing: a broker belongs to its
// host, which opens it when it starts and closes it when it stops.
var Module = fx.Module("brokers/plugin", fx.Provide(provide))

func provide(config Config) (core.Broker, error) { return New(config) }
