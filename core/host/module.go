package host

import (
	"errors"
	"fmt"
	"reflect"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
)

// Module makes a *Host for an fx application and starts and stops it with the
// application. It takes one [core.Broker] and one [core.Tracker], each of its own
// or from the value group "brokers" or "trackers"; at least one engine of the group
// "engines"; and a [Config] or *Config if there is one. What is missing, or there
// twice, is an error of the application before anything starts.
var Module = fx.Module("host", fx.Provide(assemble, fx.Private), fx.Provide(provide), fx.Invoke(complete))

type params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Config    Config         `optional:"true"`
	Pointer   *Config        `optional:"true"`
	Broker    core.Broker    `optional:"true"`
	Tracker   core.Tracker   `optional:"true"`
	Brokers   []core.Broker  `group:"brokers"`
	Trackers  []core.Tracker `group:"trackers"`
	Engines   []core.Engine  `group:"engines"`
}

// assembled is a host, or why there is none. That is told by complete, as it is: an
// error of what provides the host would be told in fx's words.
type assembled struct {
	host *Host
	err  error
}

func assemble(p params) assembled {
	h, err := p.assemble()
	if err == nil {
		p.Lifecycle.Append(fx.StartStopHook(h.Start, h.Stop))
	}
	return assembled{h, err}
}

func complete(a assembled) error { return a.err }

func provide(a assembled) (*Host, error) { return a.host, a.err }

func (p params) assemble() (*Host, error) {
	broker, noBroker := one("broker", "brokers/inproc", p.Broker, p.Brokers)
	tracker, noTracker := one("tracker", "trackers/slab", p.Tracker, p.Trackers)
	var noEngine, twice error
	if len(p.Engines) == 0 {
		noEngine = errors.New("host: there is no engine; add the module of one, such as backends/wazero")
	}
	if p.Pointer != nil {
		if !reflect.ValueOf(p.Config).IsZero() {
			twice = errors.New("host: there are two configurations, a Config and a *Config; supply one")
		}
		p.Config = *p.Pointer
	}
	if err := errors.Join(noBroker, noTracker, noEngine, twice); err != nil {
		return nil, err
	}
	return New(p.Config, broker, tracker, p.Engines...)
}

// one returns the only part of a kind.
func one[T any](kind, example string, own T, group []T) (T, error) {
	if any(own) != nil {
		group = append(group, own)
	}
	switch len(group) {
	case 0:
		return own, fmt.Errorf("host: there is no %s; add the module of one, such as %s", kind, example)
	case 1:
		return group[0], nil
	}
	types := make([]string, len(group))
	for i, part := range group {
		types[i] = fmt.Sprintf("%T", part)
	}
	return own, fmt.Errorf("host: there are %d %ss, %v; keep the module of one", len(group), kind, types)
}
