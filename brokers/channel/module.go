package channel

import (
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wiring"
	"go.uber.org/fx"
)

// Module provides the broker to the value group "brokers", with the [Config] or
// *Config that the application supplies, or the default. It opens and closes
// nothing: a broker belongs to its host, which opens it when it starts and
// closes it when it stops.
var Module = fx.Module("brokers/channel", fx.Provide(fx.Annotate(provide, fx.ResultTags(`group:"brokers"`))))

type params struct {
	fx.In
	Config  Config  `optional:"true"`
	Pointer *Config `optional:"true"`
}

func provide(p params) (core.Broker, error) {
	config, err := wiring.Config(p.Config, p.Pointer)
	if err != nil {
		return nil, fmt.Errorf("brokers/channel: %w", err)
	}
	return New(config)
}
