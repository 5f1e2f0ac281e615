package toolchains_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/toolchains"
)

// BenchmarkEcho: requests of 64 bytes that are answered by their bytes. "core" is a core module, and
// "component" the same in a component. "engine" is the engine's call of the component alone, without a host.
func BenchmarkEcho(b *testing.B) {
	engines := []string{wazero.Name}
	if wasmtime.Available {
		engines = append(engines, wasmtime.Name)
	}
	for _, name := range []string{"c-echo", "js-echo-bare", "js-echo", "qjs-echo"} {
		f := toolchains.ByName(b, name)
		for _, engine := range engines {
			if name == "c-echo" {
				b.Run(name+"/"+engine+"/core", func(b *testing.B) { echoByHost(b, engine, f.Core(b)) })
			}
			b.Run(name+"/"+engine+"/component", func(b *testing.B) { echoByHost(b, engine, f.Build(b)) })
			b.Run(name+"/"+engine+"/engine", func(b *testing.B) { echoByEngine(b, engine, f.Build(b)) })
		}
	}
}

func echoByHost(b *testing.B, engine, path string) {
	p := start(b, engine, path)
	message, ctx := make([]byte, 64), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if answer, err := p.Request(ctx, probeID, message); err != nil || len(answer) != len(message) {
			b.Fatal(len(answer), err)
		}
	}
}

func echoByEngine(b *testing.B, engine, path string) {
	e := open(b, engine, nil)
	env := core.Environment{ID: probeID, Host: clock{}, Limits: core.Limits{Memory: 256 << 20, HandlerTime: time.Minute, StartTime: time.Minute}}
	c, err := e.Compile(b.Context(), core.Source{Path: path}, env.Limits)
	must(b, err)
	in, err := c.Instantiate(b.Context(), env)
	must(b, err)
	b.Cleanup(func() {
		ctx := context.Background()
		must(b, errors.Join(in.Close(), c.Close(ctx), e.Close(ctx)))
	})
	message, answer := make([]byte, 64), make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		answer = answer[:0]
		if err := in.HandleMessage(echoID, message, &answer); err != nil || len(answer) != len(message) {
			b.Fatal(len(answer), err)
		}
	}
}

// clock is a host for a guest that asks it for the time and logs.
type clock struct{ core.Services }

func (clock) Now() uint64 { return uint64(time.Now().UnixNano()) }

func (clock) Log(core.LogLevel, []byte) {}
