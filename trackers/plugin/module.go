package plugin

import (
	"github.com/airhost/airhost/core"
	"go.uber.org/fx"
)

// Module provides the tracker as [core.Tracker], with the [Config] that the
// application supplies. It starts the process with the application, before the
// host, to which the tracker belongs then: the host closes it when it stops.
var Module = fx.Module("trackers/plugin", fx.Provide(provide))

func provide(config Config, lifecycle fx.Lifecycle) (core.Tracker, error) {
	t, err := New(config)
	if err != nil {
		return nil, err
	}
	lifecycle.Append(fx.StartStopHook(t.Start, t.Close)) // a host that did not start closes nothing
	return t, nil
}
