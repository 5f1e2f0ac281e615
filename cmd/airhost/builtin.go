package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/examples/counter"
	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/examples/relay"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

// choice is one implementation that a configuration can name.
type choice struct {
	name   string
	module fx.Option
}

// What this airhost is built with; of brokers and trackers the first is the
// default.
var (
	engines  = slices.Concat([]choice{{wazero.Name, airhostfx.Engine(wazero.New)}}, wasmtimeEngine(), []choice{{native.Name, airhostfx.Engine(native.New)}, {process.Name, airhostfx.Engine(process.New)}})
	brokers  = []choice{{"inproc", airhostfx.Broker(inproc.New)}, {"channel", airhostfx.Broker(channel.New)}}
	trackers = []choice{{"slab", airhostfx.Tracker(slab.New)}, {"timermap", airhostfx.Tracker(timermap.New)}}
)

// nativeComponents are what "engine: native" can name as its source.
var nativeComponents = map[string]func() guest.Component{
	"counter": counter.New,
	"echo":    echo.New,
	"relay":   relay.New,
}

// wasmtimeEngine is Wasmtime, in builds that have it.
func wasmtimeEngine() []choice {
	if !wasmtime.Available {
		return nil
	}
	return []choice{{wasmtime.Name, airhostfx.Engine(wasmtime.New)}}
}

func names(choices []choice) []string {
	list := make([]string, len(choices))
	for i, c := range choices {
		list[i] = c.name
	}
	return list
}

// pick returns the module of a name that the configuration has accepted.
func pick(choices []choice, name string) fx.Option {
	i := slices.IndexFunc(choices, func(c choice) bool { return c.name == name })
	return choices[max(i, 0)].module
}

func built() config.Built {
	leftOut := map[string]string{}
	if !wasmtime.Available {
		leftOut[wasmtime.Name] = "it takes cgo (CGO_ENABLED=1 and a C compiler) on Linux or macOS, on amd64 or arm64"
	}
	return config.Built{
		LeftOut:  leftOut,
		Engines:  names(engines),
		Brokers:  names(brokers),
		Trackers: names(trackers),
		Native:   slices.Sorted(maps.Keys(nativeComponents)),
	}
}

// engineModules returns the engines that a file uses, with their configuration.
func (p *program) engineModules(file *config.File) fx.Option {
	cache := p.cacheDir()
	options := []fx.Option{
		fx.Supply(
			wazero.Config{CacheDir: cache, Logger: p.log}, wasmtime.Config{CacheDir: cache, Logger: p.log},
			native.Config{Components: nativeComponents}, process.Config{Logger: p.log},
		),
	}
	for _, engine := range engines {
		if slices.ContainsFunc(file.Components, func(c config.Component) bool { return c.Engine == engine.name }) {
			options = append(options, engine.module)
		}
	}
	return fx.Options(options...)
}

// cacheDir returns the directory for compiled code, "" for none. It belongs to
// the user alone: whoever can write to it can run code in airhost.
func (p *program) cacheDir() string {
	if p.cacheGiven {
		return p.cache
	}
	base, err := os.UserCacheDir()
	if err != nil {
		p.log.Debug("compiled code is not kept", "reason", err.Error())
		return ""
	}
	return filepath.Join(base, "airhost")
}
