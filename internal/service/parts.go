package service

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	brokerplugin "github.com/airhost/airhost/brokers/plugin"
	"github.com/airhost/airhost/examples/counter"
	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/examples/relay"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/natsserver"
	"github.com/airhost/airhost/internal/parts"
	trackerplugin "github.com/airhost/airhost/trackers/plugin"
)

// nativeComponents are the components that "engine: native" can name as its source.
var nativeComponents = map[string]func() guest.Component{
	"counter": counter.New,
	"echo":    echo.New,
	"relay":   relay.New,
}

// Built is the vocabulary of configuration files: the table of parts.
func Built() config.Built {
	b := config.Built{Native: Native(), NATSServer: natsserver.LeftOut}
	for _, e := range parts.Engines {
		b.Engines = append(b.Engines, choice(e.Part))
	}
	for _, p := range parts.Brokers {
		b.Brokers = append(b.Brokers, choice(p))
	}
	for _, p := range parts.Trackers {
		b.Trackers = append(b.Trackers, choice(p))
	}
	return b
}

func choice[P any](p parts.Part[P]) config.Choice {
	return config.Choice{Name: p.Name, About: p.About, LeftOut: p.LeftOut}
}

// Engines returns the engines that the components of a file name.
func Engines(file *config.File) []parts.Engine {
	var engines []parts.Engine
	for _, e := range parts.Engines {
		if slices.ContainsFunc(file.Components, func(c config.Component) bool { return c.Engine == e.Name }) {
			engines = append(engines, e)
		}
	}
	return engines
}

// Settings are the settings of all parts that have a name. cacheDir is the folder for compiled
// code, "" for none.
func Settings(file *config.File, cacheDir string, log *slog.Logger) parts.Settings {
	return parts.Settings{
		CacheDir: cacheDir, Interpreter: file.Host.Interpreter, Native: native.Config{Components: nativeComponents}, NATS: NATS(file), Logger: log,
	}
}

// Native returns the names of the components that "engine: native" can name as its source.
func Native() []string { return slices.Sorted(maps.Keys(nativeComponents)) }

// partsOf returns the engines, the broker and the tracker of a file. They log to the
// graph's logger.
func (c *Config) partsOf(placing *placement) fx.Option {
	settings := Settings(c.File, c.CacheDir, c.Log)
	settings.NATS.Aside, settings.TrustedKeys = c.Aside, c.TrustedKeys
	options := []fx.Option{fx.Supply(settings), broker(c.File, placing), tracker(c.File)}
	for _, e := range c.engines() {
		options = append(options, airhostfx.Engine(e.New))
	}
	return fx.Options(options...)
}

// engines returns the engines that the host has: those of the file, or all if the file may
// change.
func (c *Config) engines() []parts.Engine {
	if !c.Changes {
		return Engines(c.File)
	}
	return slices.DeleteFunc(slices.Clone(parts.Engines), func(e parts.Engine) bool { return e.LeftOut != "" })
}

func broker(file *config.File, placing *placement) fx.Option {
	e := file.Host.Broker.Plugin
	if e == nil {
		return airhostfx.Broker(placing.keep(named(parts.Brokers, file.Host.Broker.Name).New))
	}
	return fx.Options(airhostfx.Broker(brokerplugin.New), fx.Supply(brokerplugin.Config{
		Path: e.Plugin, Args: e.Args, Env: environment(e.Env), SHA256: e.SHA256, StartTimeout: time.Duration(e.StartTimeout),
		LogLines: e.Logs.LinesPerSecond, LogBytes: int64(e.Logs.BytesPerSecond),
		Restart: restart(e.Restart),
	}))
}

func tracker(file *config.File) fx.Option {
	e := file.Host.Tracker.Plugin
	if e == nil {
		return airhostfx.Tracker(named(parts.Trackers, file.Host.Tracker.Name).New)
	}
	return fx.Options(airhostfx.Tracker(trackerplugin.New), fx.Supply(trackerplugin.Config{
		Path: e.Plugin, Args: e.Args, Env: environment(e.Env), SHA256: e.SHA256, StartTimeout: time.Duration(e.StartTimeout),
		LogLines: e.Logs.LinesPerSecond, LogBytes: int64(e.Logs.BytesPerSecond),
		Restart: restart(e.Restart),
	}))
}

// named returns the part of a name that the configuration has accepted, or the default
// for an empty name.
func named[P any](table []parts.Part[P], name string) parts.Part[P] {
	i := slices.IndexFunc(table, func(p parts.Part[P]) bool { return p.Name == name })
	return table[max(i, 0)]
}
