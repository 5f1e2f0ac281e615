package host

import (
	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
)

// Module provides a *Host to an fx application and starts and stops it with the
// application. It takes one [core.Broker], one [core.Tracker], the engines of
// the value group "engines", and a [Config] if there is one.
var Module = fx.Module("host", fx.Provide(provide))

type params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    Config `optional:"true"`
	Broker    core.Broker
	Tracker   core.Tracker
	Engines   []core.Engine `group:"engines"`
}

func provide(p params) (*Host, error) {
	h, err := New(p.Config, p.Broker, p.Tracker, p.Engines...)
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.StartStopHook(h.Start, h.Stop))
	return h, nil
}
