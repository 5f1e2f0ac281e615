// Package airhostfx wires a host for programs that use go.uber.org/fx. Each part is
// given by its constructor, and its configuration comes from the graph:
//
//	fx.New(
//		airhostfx.Host,
//		airhostfx.Engine(wazero.New), airhostfx.Broker(inproc.New), airhostfx.Tracker(slab.New),
//		fx.Supply(wazero.Config{}),
//	)
//
// A configuration may be in the graph as a value or as a pointer, and may be left out;
// its defaults hold then. Its field Logger, where it has one that is nil, is set to the
// graph's *slog.Logger, if there is one.
//
// The application starts and stops the parts and the host. Without fx, [host.New] does
// the same with parts that the program has made.
package airhostfx

import (
	"context"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
)

// Engine adds an engine, which the constructor makes, to the value group "engines". The
// application closes the engine after the host has stopped.
func Engine[C any, E core.Engine](constructor func(C) (E, error)) fx.Option {
	provide := func(lifecycle fx.Lifecycle, s settings[C]) (core.Engine, error) {
		engine, err := build(constructor, s)
		if err == nil {
			lifecycle.Append(fx.StopHook(engine.Close))
		}
		return engine, err
	}
	return fx.Provide(fx.Annotate(provide, fx.ResultTags(`group:"engines"`)))
}

// Broker adds a broker, which the constructor makes, to the value group "brokers". The
// host opens and closes the broker.
func Broker[C any, B core.Broker](constructor func(C) (B, error)) fx.Option {
	provide := func(s settings[C]) (core.Broker, error) { return build(constructor, s) }
	return fx.Provide(fx.Annotate(provide, fx.ResultTags(`group:"brokers"`)))
}

// Tracker adds a tracker, which the constructor makes, to the value group "trackers". The
// application starts a tracker that has a method Start(context.Context) error, such as
// that of trackers/plugin, before the host. The host closes the tracker.
func Tracker[C any, T core.Tracker](constructor func(C) (T, error)) fx.Option {
	provide := func(lifecycle fx.Lifecycle, s settings[C]) (core.Tracker, error) {
		tracker, err := build(constructor, s)
		if err != nil {
			return nil, err
		}
		if starter, ok := any(tracker).(interface{ Start(context.Context) error }); ok {
			// Closed here too: a host that did not start closes nothing.
			lifecycle.Append(fx.StartStopHook(starter.Start, tracker.Close))
		}
		return tracker, nil
	}
	return fx.Provide(fx.Annotate(provide, fx.ResultTags(`group:"trackers"`)))
}
