package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	wazerolib "github.com/tetratelabs/wazero"
	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure"
	"github.com/airhost/airhost/internal/bench/measure/extensions"
	"github.com/airhost/airhost/internal/bench/measure/floor"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/remote"
	"github.com/airhost/airhost/internal/parts"
)

const (
	// interpreter is the engine wazero with its interpreter.
	interpreter = "wazero-interpreter"
	// executable is a broker or a tracker in a process of its own.
	executable = "plugin"
)

// The parts that there are to choose from, in the order in which they are listed: those
// of the table, and the ways of using them that are measured beside them.
var (
	engineNames  = append(names(engineParts()), interpreter)
	brokerNames  = append(names(parts.Brokers), executable)
	trackerNames = append(names(parts.Trackers), executable)
)

func engineParts() []parts.Part[core.Engine] {
	var all []parts.Part[core.Engine]
	for _, e := range parts.Engines {
		all = append(all, e.Part)
	}
	return all
}

func names[P any](table []parts.Part[P]) []string {
	var all []string
	for _, p := range table {
		all = append(all, p.Name)
	}
	return all
}

// natsVariable has the address of the server that cells with the broker nats use.
const natsVariable = "AIRHOST_BENCH_NATS"

// catalog is everything that this build can measure. logger takes the log of the cells'
// hosts.
func catalog(logger *slog.Logger) measure.Catalog {
	c := measure.Catalog{
		Engines:  engines(),
		Brokers:  map[string]measure.Part{executable: {Module: extensions.Broker(logger), OutOfProcess: true}},
		Trackers: map[string]measure.Part{executable: {Module: extensions.Tracker(logger), OutOfProcess: true}},
		Native:   airhostfx.Engine(native.New),
		LeftOut:  map[string]string{},
		Logger:   logger,
	}
	for _, p := range built(c.LeftOut, parts.Brokers) {
		c.Brokers[p.Name] = measure.Part{Module: airhostfx.Broker(p.New)}
	}
	addNATS(&c, os.Getenv(natsVariable))
	for _, p := range built(c.LeftOut, parts.Trackers) {
		c.Trackers[p.Name] = measure.Part{Module: airhostfx.Tracker(p.New)}
	}
	built(c.LeftOut, engineParts())
	return c
}

// addNATS makes the cells with the broker nats use the server with an address, or leaves them out
// if it is empty.
func addNATS(c *measure.Catalog, address string) {
	const name = "nats"
	if address == "" {
		delete(c.Brokers, name)
		c.LeftOut[name] = "it needs a server: set " + natsVariable + " to its address, such as nats://127.0.0.1:4222"
		return
	}
	settings := nats.Config{URL: address, Cluster: "benchrunner", Logger: c.Logger}
	c.Brokers[name] = measure.Part{Module: fx.Options(fx.Supply(settings), airhostfx.Broker(newNATS))}
}

// newNATS makes the broker once the server answers: the host would wait for it without end.
func newNATS(settings nats.Config) (*nats.Broker, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := nats.Await(ctx, settings); err != nil {
		return nil, err
	}
	return nats.New(settings)
}

// built returns the parts that this build has, and notes the reasons of the others.
func built[P any](leftOut map[string]string, table []parts.Part[P]) []parts.Part[P] {
	var all []parts.Part[P]
	for _, p := range table {
		if p.LeftOut != "" {
			leftOut[p.Name] = p.LeftOut
			continue
		}
		all = append(all, p)
	}
	return all
}

// engines are the engines of this build.
func engines() map[string]measure.Engine {
	all := map[string]measure.Engine{}
	for _, e := range parts.Engines {
		if e.LeftOut != "" {
			continue
		}
		all[e.Name] = engine(e, parts.Settings{}, floors[e.Name])
		if e.Name == wazero.Name {
			e.Caches = false // there is no code to keep
			all[interpreter] = engine(e, parts.Settings{Interpreter: true}, wazeroFloor(interpreter, wazerolib.NewRuntimeConfigInterpreter()))
		}
	}
	return all
}

// engine is an engine of the table with its settings and its floor.
func engine(e parts.Engine, settings parts.Settings, floor makeFloor) measure.Engine {
	module := func(settings parts.Settings) fx.Option {
		return fx.Options(fx.Supply(settings), airhostfx.Engine(e.New))
	}
	made := measure.Engine{
		Module: module(settings), Deploy: e.Name,
		Native: e.Runs == parts.Go, OutOfProcess: e.Runs == parts.Processes,
		Guest: guestsOf[e.Runs], Floor: floor,
	}
	if e.Caches {
		made.Cached = func(dir string) fx.Option {
			settings.CacheDir = dir
			return module(settings)
		}
	}
	return made
}

// makeFloor makes the floor of a pattern and a payload.
type makeFloor = func(ctx context.Context, pattern cells.Pattern, payload int) (remote.Subject, error)

// floors are the floors of engines. An engine whose components run in this process
// needs one.
var floors = map[string]makeFloor{
	wazero.Name:   wazeroFloor(wazero.Name, wazerolib.NewRuntimeConfig()),
	wasmtime.Name: wasmtimeFloor,
	native.Name: func(_ context.Context, pattern cells.Pattern, payload int) (remote.Subject, error) {
		return floor.NewNative(pattern, payload), nil
	},
}

func wazeroFloor(name string, config wazerolib.RuntimeConfig) makeFloor {
	return func(ctx context.Context, pattern cells.Pattern, payload int) (remote.Subject, error) {
		return floor.NewWazero(ctx, name, config, guests.Floor, pattern, payload)
	}
}

// guestsOf are the guests of each kind.
var guestsOf = map[parts.Kind]func(cells.Pattern) core.Source{
	parts.WebAssembly: wasmGuest,
	parts.Go:          nativeGuest,
	parts.Processes:   processGuest,
}

func wasmGuest(pattern cells.Pattern) core.Source {
	if pattern == cells.RequestResponse {
		return core.Source{Code: guests.RoundTrip}
	}
	return core.Source{Code: guests.PingPong}
}

func nativeGuest(pattern cells.Pattern) core.Source {
	if pattern == cells.RequestResponse {
		return native.Source(guests.NewRoundTrip)
	}
	return native.Source(guests.NewPingPong)
}

// processGuest is this program, started once more: see [guests.ServeProcess].
func processGuest(pattern cells.Pattern) core.Source {
	name := guests.ProcessPingPong
	if pattern == cells.RequestResponse {
		name = guests.ProcessRoundTrip
	}
	source, err := guests.ProcessSource(name)
	if err != nil { // the engine says that there is nothing to start
		return core.Source{}
	}
	return source
}
