package measure

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/harness"
	"github.com/airhost/airhost/internal/bench/measure/microbench"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

// Engine is an engine for cells.
type Engine struct {
	// Module puts the engine into the value group "engines", under the name that
	// Deploy gives.
	Module fx.Option
	Deploy string
	// Cached is Module with compiled code kept in a directory; nil for an engine
	// that keeps none.
	Cached func(dir string) fx.Option
	// Native says that components are Go values in the host's process.
	Native bool
	// Guest returns the guest for a pattern.
	Guest func(cells.Pattern) core.Source
	// OutOfProcess says that components run outside of the host's process: they have no
	// targets, and their messages have other stages.
	OutOfProcess bool
	// Floor makes the floor of a pattern and a payload in bytes; nil for an engine that
	// has none.
	Floor func(ctx context.Context, pattern cells.Pattern, payload int) (remote.Subject, error)
}

// Part is a broker or a tracker for cells.
type Part struct {
	// Module provides it.
	Module fx.Option
	// OutOfProcess says that it is a process of its own: cells with it have no targets.
	OutOfProcess bool
}

// Catalog has the parts that a build can measure, by the names that cells use.
type Catalog struct {
	Engines           map[string]Engine
	Brokers, Trackers map[string]Part
	// Native is the engine of the component to which guests report. The component is a
	// Go value, also on hosts with another engine.
	Native fx.Option
	// LeftOut has the names of engines, brokers and trackers that this build cannot
	// measure, each with the reason.
	LeftOut map[string]string
	// Logger takes the log of the cells' hosts.
	Logger *slog.Logger
}

var _ Source = Catalog{}

// Reason implements [Source].
func (c Catalog) Reason(key cells.Key) string {
	for _, part := range []string{key.Engine, key.Broker, key.Tracker} {
		if why, ok := c.LeftOut[part]; ok {
			return part + ": " + why
		}
	}
	if e, known := c.Engines[key.Engine]; known && key.Part == cells.LoadCached && e.Cached == nil {
		return key.Engine + " keeps no compiled code"
	}
	if c.Engines[key.Engine].OutOfProcess && (key.Mode == cells.Stages || key.Part == cells.Memory) {
		return key.Engine + ": its components are not in the host's process"
	}
	if c.Brokers[key.Broker].OutOfProcess && key.Mode == cells.Stages && key.Pattern != cells.FireAndForget {
		return key.Broker + ": what comes back takes the way through its process too, which is none of the stages"
	}
	if most := runtime.GOMAXPROCS(0); key.Cores > most {
		return fmt.Sprintf("%d cores: this process may use %d", key.Cores, most)
	}
	return ""
}

// Target implements [Source].
func (c Catalog) Target(key cells.Key) (float64, bool) {
	if c.OutOfProcess(key) || c.Trackers[key.Tracker].OutOfProcess {
		return 0, false
	}
	return cells.Target(key, c.Engines[key.Engine].Native)
}

// OutOfProcess implements [Source]. A tracker's process does not hold up messages.
func (c Catalog) OutOfProcess(key cells.Key) bool {
	return c.Engines[key.Engine].OutOfProcess || c.Brokers[key.Broker].OutOfProcess
}

// Open implements [Source].
func (c Catalog) Open(ctx context.Context, key cells.Key, floor bool) (remote.Subject, error) {
	if floor {
		return c.openFloor(ctx, key)
	}
	mode, err := cells.Find(key.Mode)
	if err != nil {
		return nil, fmt.Errorf("setting up %s: %w", key, err)
	}
	open, err := opener(mode)
	if err != nil {
		return nil, fmt.Errorf("setting up %s: %w", key, err)
	}
	return open(c, ctx, key)
}

// openFunc sets up a cell with the parts of a catalog.
type openFunc func(c Catalog, ctx context.Context, key cells.Key) (remote.Subject, error)

// openers set up cells, by the loops that modes name.
var openers = map[cells.Loop]openFunc{
	cells.OneInFlight:  onHost(harness.New),
	cells.ManyInFlight: onHost(harness.NewMany),
	cells.FixedRate:    onHost(harness.NewLoad),
	cells.PartByPart:   Catalog.openPart,
}

// opener returns the function that sets up the mode's cells.
func opener(mode cells.Mode) (openFunc, error) {
	open, ok := openers[mode.Loop]
	if !ok {
		return nil, fmt.Errorf("mode %s: there is no loop %q", mode.Name, mode.Loop)
	}
	return open, nil
}

// onHost sets up cells on a host of their own.
func onHost[S remote.Subject](open func(context.Context, cells.Key, harness.Parts) (S, error)) openFunc {
	return func(c Catalog, ctx context.Context, key cells.Key) (remote.Subject, error) {
		parts, err := c.parts(key)
		if err != nil {
			return nil, err
		}
		subject, err := open(ctx, key, parts)
		if err != nil {
			return nil, err
		}
		return subject, nil
	}
}

func (c Catalog) openFloor(ctx context.Context, key cells.Key) (remote.Subject, error) {
	engine, err := c.engine(key.Engine)
	if err != nil {
		return nil, err
	}
	if engine.Floor == nil {
		return nil, &cells.LeftOutError{Reason: key.Engine + " has no floor"}
	}
	return engine.Floor(ctx, key.Pattern, key.PayloadBytes)
}

// openPart sets up a part of a cell by itself. A key without an engine, a broker or
// a tracker needs none. The whole of an operation is a latency cell.
func (c Catalog) openPart(ctx context.Context, key cells.Key) (remote.Subject, error) {
	if key.Part == cells.BaseWhole {
		key.Mode, key.Part = cells.Latency, ""
		return onHost(harness.New)(c, ctx, key)
	}
	parts := microbench.Parts{Logger: c.Logger}
	if key.Engine != "" {
		engine, err := c.engine(key.Engine)
		if err != nil {
			return nil, err
		}
		parts.Engine, parts.EngineName, parts.Cached = engine.Module, engine.Deploy, engine.Cached
		parts.Guest = engine.Guest
	}
	var err error
	if key.Broker != "" {
		if parts.Broker, err = named(c.Brokers, "broker", key.Broker); err != nil {
			return nil, err
		}
	}
	if key.Tracker != "" {
		if parts.Tracker, err = named(c.Trackers, "tracker", key.Tracker); err != nil {
			return nil, err
		}
	}
	return microbench.New(ctx, key, parts)
}

// UnknownError says that no build has a part of this name.
type UnknownError struct{ Part, Name string }

// Error names the part.
func (e *UnknownError) Error() string { return fmt.Sprintf("there is no %s %q", e.Part, e.Name) }

func named(all map[string]Part, part, name string) (fx.Option, error) {
	found, ok := all[name]
	if !ok {
		return nil, &UnknownError{part, name}
	}
	return found.Module, nil
}

func (c Catalog) engine(name string) (Engine, error) {
	engine, ok := c.Engines[name]
	if !ok {
		return Engine{}, &UnknownError{"engine", name}
	}
	return engine, nil
}

// parts returns the parts of the cell's host.
func (c Catalog) parts(key cells.Key) (harness.Parts, error) {
	engine, err := c.engine(key.Engine)
	if err != nil {
		return harness.Parts{}, err
	}
	broker, err := named(c.Brokers, "broker", key.Broker)
	if err != nil {
		return harness.Parts{}, err
	}
	tracker, err := named(c.Trackers, "tracker", key.Tracker)
	if err != nil {
		return harness.Parts{}, err
	}
	parts := harness.Parts{
		Modules:    fx.Options(broker, tracker, engine.Module),
		EngineName: engine.Deploy,
		Guest:      engine.Guest(key.Pattern),
		Logger:     c.Logger,
	}
	if !engine.Native {
		parts.Modules = fx.Options(parts.Modules, c.Native)
	}
	return parts, nil
}
