package airhostfx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Host makes a *[host.Host] and starts and stops it with the application; nobody needs
// to ask for it. It takes
//   - one [core.Broker] and one [core.Tracker], each from [Broker] and [Tracker], from
//     the value group "brokers" or "trackers", or provided by itself;
//   - at least one engine, from [Engine] or the value group "engines";
//   - a [host.Config] or *host.Config, if the graph has one;
//   - each [host.Deployment] of the value group "deployments". They are deployed in the
//     order of their ids once the host runs; if one fails, the application does not
//     start.
//
// A part that is missing or given twice is an error of the application before anything
// starts.
var Host = fx.Module("airhost", fx.Provide(assemble, fx.Private), fx.Provide(provide), fx.Invoke(complete))

type hostParams struct {
	fx.In

	Lifecycle   fx.Lifecycle
	Settings    settings[host.Config]
	Broker      core.Broker       `optional:"true"`
	Tracker     core.Tracker      `optional:"true"`
	Brokers     []core.Broker     `group:"brokers"`
	Trackers    []core.Tracker    `group:"trackers"`
	Engines     []core.Engine     `group:"engines"`
	Deployments []host.Deployment `group:"deployments"`
}

// assembled is a host or the reason why there is none. complete returns that reason to
// the application unchanged; the error of a constructor would be wrapped by fx in the
// names of functions and types.
type assembled struct {
	host *host.Host
	err  error
}

func assemble(p hostParams) assembled {
	h, err := p.host()
	if err != nil {
		return assembled{nil, fmt.Errorf("airhostfx: %w", err)}
	}
	p.Lifecycle.Append(fx.StartStopHook(h.Start, h.Stop))
	p.Lifecycle.Append(fx.StartHook(func(ctx context.Context) error { return deploy(ctx, h, p.Deployments) }))
	return assembled{h, nil}
}

func complete(a assembled) error { return a.err }

func provide(a assembled) (*host.Host, error) { return a.host, a.err }

func (p hostParams) host() (*host.Host, error) {
	broker, noBroker := only("broker", "Broker(inproc.New)", p.Broker, p.Brokers)
	tracker, noTracker := only("tracker", "Tracker(slab.New)", p.Tracker, p.Trackers)
	var noEngine error
	if len(p.Engines) == 0 {
		noEngine = missing("engine", "Engine(wazero.New)")
	}
	config, twice := p.Settings.config()
	if err := errors.Join(noBroker, noTracker, noEngine, twice); err != nil {
		return nil, err
	}
	return host.New(config, broker, tracker, p.Engines...)
}

// only returns the one part of a kind: the part that was provided by itself, or the
// only member of the kind's group.
func only[T any](kind, example string, itself T, group []T) (T, error) {
	if any(itself) != nil {
		group = append(group, itself)
	}
	switch len(group) {
	case 0:
		return itself, missing(kind, example)
	case 1:
		return group[0], nil
	}
	types := make([]string, len(group))
	for i, part := range group {
		types[i] = fmt.Sprintf("%T", part)
	}
	slices.Sort(types) // the order of a group is random
	return itself, fmt.Errorf("there are %d %ss, %v; keep one", len(group), kind, types)
}

func missing(kind, example string) error {
	return fmt.Errorf("there is no %s; add one, such as airhostfx.%s", kind, example)
}

// deploy deploys the group's deployments together.
func deploy(ctx context.Context, h *host.Host, deployments []host.Deployment) error {
	slices.SortFunc(deployments, func(a, b host.Deployment) int { return cmp.Compare(a.ID.String(), b.ID.String()) })
	var all []*host.Prepared
	for _, d := range deployments {
		p, err := h.Prepare(ctx, d)
		if err != nil {
			for _, p := range all {
				err = errors.Join(err, p.Close(ctx))
			}
			return err
		}
		all = append(all, p)
	}
	return h.DeployAll(ctx, all...)
}
