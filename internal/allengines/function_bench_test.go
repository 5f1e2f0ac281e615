package allengines

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"log/slog"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/bench/measure/floor"
)

// callerWasm calls bench/function as often as its message says: see testdata/caller.c.
//
//go:embed testdata/caller.wasm
var callerWasm []byte

// functionEngines are the engines of BenchmarkFunction, with their floors.
var functionEngines = []struct {
	name  string
	open  func() (core.Engine, error)
	floor func(module []byte) (*floor.Caller, error)
}{
	{wazero.Name, func() (core.Engine, error) { return wazero.New(wazero.Config{}) },
		func(module []byte) (*floor.Caller, error) { return floor.NewWazeroCaller(context.Background(), module) }},
}

// BenchmarkFunction is a call of a function in Go, with an argument and a result of 64
// bytes. Beside it are a bare call of Go by a guest of the same engine, without argument and
// result, and a bare call of cabi_realloc by Go: the function may take twice their sum.
func BenchmarkFunction(b *testing.B) {
	for _, e := range functionEngines {
		b.Run(e.name+"/function", func(b *testing.B) {
			h := startCaller(b, e.name, e.open)
			b.ReportAllocs()
			b.ResetTimer()
			for n := b.N; n > 0; n -= most1M {
				_, err := h.Request(context.Background(), id("bench/caller"), calls(min(n, most1M)))
				check(b, err)
			}
		})
		b.Run(e.name+"/bare call", func(b *testing.B) { benchFloor(b, e.floor, (*floor.Caller).Call) })
		b.Run(e.name+"/bare realloc", func(b *testing.B) { benchFloor(b, e.floor, (*floor.Caller).Realloc) })
	}
}

// most1M is how many calls one message asks for.
const most1M = 1_000_000

// calls is a message for n calls.
func calls(n int) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(n)), bytes.Repeat([]byte{0xa5}, 64)...)
}

func startCaller(b *testing.B, engine string, open func() (core.Engine, error)) *host.Host {
	broker, err := newInproc()
	check(b, err)
	tracker, err := newSlab()
	check(b, err)
	e, err := open()
	check(b, err)
	result := bytes.Repeat([]byte{0x5a}, 64)
	h, err := host.New(host.Config{
		RequestTimeout: time.Hour, Logger: slog.New(slog.DiscardHandler),
		Functions: map[string]host.Function{
			"bench/function": func(context.Context, core.ComponentID, []byte) ([]byte, error) { return result, nil },
		},
	}, broker, tracker, e)
	check(b, err)
	check(b, h.Start(context.Background()))
	b.Cleanup(func() { check(b, h.Stop(context.Background())); check(b, e.Close(context.Background())) })
	check(b, h.Deploy(b.Context(), host.Deployment{
		ID: id("bench/caller"), Engine: engine, Source: core.Source{Code: callerWasm}, Capabilities: all(),
		Limits: core.Limits{HandlerTime: time.Minute, HandlerWallTime: time.Hour},
	}))
	return h
}

func benchFloor(b *testing.B, open func([]byte) (*floor.Caller, error), run func(*floor.Caller, int) error) {
	c, err := open(callerWasm)
	check(b, err)
	b.Cleanup(func() { check(b, c.Close()) })
	b.ReportAllocs()
	b.ResetTimer()
	check(b, run(c, b.N))
}
