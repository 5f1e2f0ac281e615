package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"testing"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/airhost/airhost"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	corehost "github.com/airhost/airhost/core/host"
)

//go:embed guests/function.wasm
var functionModule []byte

// double is the function: what it is told, twice.
func double(argument []byte) []byte { return append(bytes.Clone(argument), argument...) }

// askers are a plug-in that calls a function in Go once in each call, and returns its result:
// the same plug-in of airhost, on its engines, and of Extism.
var askers = []struct {
	name string
	open func(t testing.TB) call
}{
	{"airhost-wazero", func(t testing.TB) call { return openAirhost(t, "wazero") }},
	{"airhost-wasmtime", func(t testing.TB) call { return openAirhost(t, "wasmtime") }},
	{"extism", openExtismFunction},
}

func openAirhost(t testing.TB, engine string) call {
	t.Helper()
	config := airhost.Config{
		Logger: slog.New(slog.DiscardHandler),
		Functions: map[string]corehost.Function{
			"bench/double": func(_ context.Context, _ core.ComponentID, argument []byte) ([]byte, error) {
				return double(argument), nil
			},
		},
	}
	if engine == wasmtime.Name {
		if !wasmtime.Available {
			t.Skip(wasmtime.ErrLeftOut)
		}
		e := airhost.Must(wasmtime.New(wasmtime.Config{}))
		t.Cleanup(func() { must(t, e.Close(context.Background())) })
		config.Engines = []core.Engine{e}
	}
	h := airhost.Must(airhost.New(config))
	t.Cleanup(func() { must(t, h.Close(context.Background())) })
	id := core.MustComponentID("bench/asker")
	must(t, h.Host().Deploy(t.Context(), corehost.Deployment{
		ID: id, Engine: engine, Source: enginetest.ActorWasm(),
		Capabilities: corehost.Capabilities{Call: []core.IDPattern{airhost.Must(core.ParseIDPattern("bench/*"))}},
	}))
	message := []byte("j\x0cbench/double")
	var response []byte
	return func(payload []byte) (_ []byte, err error) {
		message = append(message[:14], payload...)
		if response, err = h.Host().AppendRequest(context.Background(), response[:0], id, message); err != nil {
			return nil, err
		}
		if response[0] != 0 {
			return nil, fmt.Errorf("call-error %q", response[1:])
		}
		return response[1:], nil
	}
}

// openExtismFunction opens the plug-in as Extism's documentation shows, with the fastest
// kind of host function, and with a time limit, which airhost has as well.
func openExtismFunction(t testing.TB) call {
	t.Helper()
	function := extism.NewHostFunctionWithStack("function", func(_ context.Context, p *extism.CurrentPlugin, stack []uint64) {
		argument, err := p.ReadBytes(stack[0])
		if err == nil {
			stack[0], err = p.WriteBytes(double(argument))
		}
		if err != nil {
			panic(err)
		}
	}, []extism.ValueType{extism.ValueTypeI64}, []extism.ValueType{extism.ValueTypeI64})
	manifest := extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: functionModule}}, Timeout: uint64((250 * time.Millisecond).Milliseconds())}
	plugin, err := extism.NewPlugin(t.Context(), manifest, extism.PluginConfig{}, []extism.HostFunction{function})
	must(t, err)
	t.Cleanup(func() { must(t, plugin.Close(context.Background())) })
	return func(payload []byte) ([]byte, error) {
		_, response, err := plugin.Call("ask", payload)
		return response, err
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFunctions(t *testing.T) {
	for _, a := range askers {
		t.Run(a.name, func(t *testing.T) {
			ask := a.open(t)
			for _, size := range []int{0, 1, 64, 4099} {
				payload := bytes.Repeat([]byte("payload "), size/8+1)[:size]
				for range 3 {
					if got, err := ask(payload); !bytes.Equal(got, double(payload)) || err != nil {
						t.Errorf("%d bytes: got %d other ones, %v", size, len(got), err)
					}
				}
			}
		})
	}
}

// BenchmarkFunctions is a call of a plug-in that calls a function in Go once.
func BenchmarkFunctions(b *testing.B) {
	for _, a := range askers {
		b.Run(a.name, func(b *testing.B) {
			ask, payload := a.open(b), newMessage(usualPayload)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if got, err := ask(payload); len(got) != 2*len(payload) || err != nil {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
