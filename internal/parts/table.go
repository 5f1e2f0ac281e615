package parts

import (
	"cmp"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

// Engines are the engines. The first is the default.
var Engines = []Engine{
	{Runs: WebAssembly, Caches: true, CodeVersion: wazero.CodeVersion, Library: "github.com/tetratelabs/wazero", Part: Part[core.Engine]{
		Name: wazero.Name, About: "runs WebAssembly, in a process without C", New: func(s Settings) (core.Engine, error) {
			return wazero.New(wazero.Config{Interpreter: s.Interpreter, CacheDir: s.CacheDir, TrustedKeys: s.TrustedKeys, Logger: s.Logger})
		},
	}},
	{Runs: WebAssembly, Caches: true, CodeVersion: wasmtime.CodeVersion, Library: "github.com/bytecodealliance/wasmtime-go/v39", Part: Part[core.Engine]{
		Name: wasmtime.Name, About: "runs WebAssembly, with a C library", LeftOut: withoutWasmtime(), New: func(s Settings) (core.Engine, error) {
			return wasmtime.New(wasmtime.Config{CacheDir: s.CacheDir, TrustedKeys: s.TrustedKeys, Logger: s.Logger})
		},
	}},
	{Runs: Go, Part: Part[core.Engine]{
		Name: native.Name, About: "runs Go components of the program itself", New: func(s Settings) (core.Engine, error) { return native.New(s.Native) },
	}},
	{Runs: Processes, Part: Part[core.Engine]{
		Name: process.Name, About: "runs executables", New: func(s Settings) (core.Engine, error) { return process.New(process.Config{Logger: s.Logger}) },
	}},
}

// Brokers are the brokers that have a name. The first is the default. Beside them, the
// programs know brokers/plugin, which is given by its executable.
var Brokers = []Part[core.Broker]{
	{Name: "inproc", About: "hands messages over in place", New: func(Settings) (core.Broker, error) { return inproc.New(inproc.Config{}) }},
	{Name: "channel", About: "uses a goroutine and a Go channel for each component", New: func(Settings) (core.Broker, error) { return channel.New(channel.Config{}) }},
	{Name: "nats", About: "joins many hosts, by NATS", New: func(s Settings) (core.Broker, error) {
		c := s.NATS
		c.Logger = cmp.Or(c.Logger, s.Logger)
		return nats.New(c)
	}},
}

// Trackers are the trackers that have a name. The first is the default. Beside them,
// the programs know trackers/plugin, which is given by its executable.
var Trackers = []Part[core.Tracker]{
	{Name: "slab", About: "is a table with a timing wheel", New: func(Settings) (core.Tracker, error) { return slab.New(slab.Config{}) }},
	{Name: "timermap", About: "is a map with a timer for each request", New: func(Settings) (core.Tracker, error) { return timermap.New(timermap.Config{}) }},
}

func withoutWasmtime() string {
	if wasmtime.Available {
		return ""
	}
	return "it takes cgo (CGO_ENABLED=1 and a C compiler) on Linux or macOS, on amd64 or arm64"
}
