package measure

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure/harness"
	"github.com/airhost/airhost/internal/bench/measure/microbench"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

// Engine is an engine that cells can be measured on.
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
	// Guest is the guest that a pattern needs.
	Guest func(result.Pattern) core.Source
	// Elsewhere says that components run outside of the host's process: there
	// are no targets for them, and their messages have other stages.
	Elsewhere bool
	// Floor makes the floor of a pattern and a payload in bytes; nil for an engine
	// that has none.
	Floor func(ctx context.Context, pattern result.Pattern, payload int) (remote.Subject, error)
}

// Part is a broker or a tracker that cells can be measured with.
type Part struct {
	// Module provides it.
	Module fx.Option
	// Elsewhere says that it is a process of its own: there are no targets for
	// cells with it.
	Elsewhere bool
}

// Catalog is what a build can measure, by the names that cells use.
type Catalog struct {
	Engines           map[string]Engine
	Brokers, Trackers map[string]Part
	// Native is the engine of the component that guests report to, which is a Go
	// value, on hosts whose own engine is another.
	Native fx.Option
	// LeftOut says for names of engines, brokers and trackers that exist, but
	// cannot be measured by this build, why not.
	LeftOut map[string]string
	// Logger takes the log of the cells' hosts.
	Logger *slog.Logger
}

var _ Source = Catalog{}

// Reason implements [Source].
func (c Catalog) Reason(key result.Key) string {
	for _, part := range []string{key.Engine, key.Broker, key.Tracker} {
		if why, ok := c.LeftOut[part]; ok {
			return part + ": " + why
		}
	}
	if e, known := c.Engines[key.Engine]; known && key.Part == cells.LoadCached && e.Cached == nil {
		return key.Engine + " keeps no compiled code"
	}
	if c.Engines[key.Engine].Elsewhere && (key.Mode == result.Stages || key.Part == cells.Memory) {
		return key.Engine + ": its components are not in the host's process"
	}
	if c.Brokers[key.Broker].Elsewhere && key.Mode == result.Stages && key.Pattern != result.FireAndForget {
		return key.Broker + ": what comes back takes the way through its process too, which is none of the stages"
	}
	if most := runtime.GOMAXPROCS(0); key.Cores > most {
		return fmt.Sprintf("%d cores: this process may use %d", key.Cores, most)
	}
	return ""
}

// Target implements [Source].
func (c Catalog) Target(key result.Key) (float64, bool) {
	if c.Elsewhere(key) || c.Trackers[key.Tracker].Elsewhere {
		return 0, false
	}
	return cells.Target(key, c.Engines[key.Engine].Native)
}

// Elsewhere implements [Source]. A tracker's process does not hold up messages.
func (c Catalog) Elsewhere(key result.Key) bool {
	return c.Engines[key.Engine].Elsewhere || c.Brokers[key.Broker].Elsewhere
}

// Open implements [Source].
func (c Catalog) Open(ctx context.Context, key result.Key, floor bool) (remote.Subject, error) {
	if floor {
		engine, err := c.engine(key.Engine)
		if err != nil {
			return nil, err
		}
		if engine.Floor == nil {
			return nil, &cells.LeftOutError{Reason: key.Engine + " has no floor"}
		}
		return engine.Floor(ctx, key.Pattern, key.PayloadBytes)
	}
	switch key.Mode {
	case result.Cold, result.Stages:
		return c.openAlone(ctx, key)
	}
	parts, err := c.parts(key)
	if err != nil {
		return nil, err
	}
	if key.Mode == result.Load {
		return harness.NewLoad(ctx, key, parts)
	}
	return harness.New(ctx, key, parts)
}

// openAlone sets up a part of a cell by itself. A key without an engine, a
// broker or a tracker needs none.
func (c Catalog) openAlone(ctx context.Context, key result.Key) (remote.Subject, error) {
	if key.Part == cells.BaseWhole {
		whole := key
		whole.Mode, whole.Part = result.Latency, ""
		return c.Open(ctx, whole, false)
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

// UnknownError says that a cell has a part that no build has.
type UnknownError struct{ Part, Name string }

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

// parts returns what the cell's host is made of.
func (c Catalog) parts(key result.Key) (harness.Parts, error) {
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
