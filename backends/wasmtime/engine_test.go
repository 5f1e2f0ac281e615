//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/component/componenttest"
	"github.com/airhost/airhost/internal/wasm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func harness() enginetest.Harness {
	return enginetest.Harness{
		New:       func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{}) },
		Actor:     enginetest.ActorWasm(),
		Buckets:   enginetest.BucketsWasm(),
		Responder: enginetest.ResponderWasm(),
		Malformed: core.Source{Code: []byte("no WebAssembly")},
	}
}

func TestEngine(t *testing.T) { enginetest.Run(t, harness()) }

func TestWasm(t *testing.T) { enginetest.RunWasm(t, harness()) }

// TestComponents runs the suite with guests that are components.
func TestComponents(t *testing.T) {
	h := harness()
	h.Actor.Code, h.Responder.Code = componenttest.Wrap(h.Actor.Code), componenttest.Wrap(h.Responder.Code)
	enginetest.Run(t, h)
}

// TestLongFunctions runs the suite with guests that have a function of 240,000
// instructions, for which Cranelift's optimizer would take 1.6 GB. Their code is correct
// without the optimizer.
func TestLongFunctions(t *testing.T) {
	h := harness()
	h.Actor, h.Responder = withLongFunction(t, h.Actor), withLongFunction(t, h.Responder)
	enginetest.Run(t, h)
}

func withLongFunction(t *testing.T, src core.Source) core.Source {
	t.Helper()
	m, err := wasm.Parse(src.Code)
	must(t, err)
	m.Types = append(m.Types, wasm.FuncType{Params: []wasm.ValueType{wasm.I64}, Results: []wasm.ValueType{wasm.I64}})
	m.Functions = append(m.Functions, uint32(len(m.Types)-1))
	double := []byte{0x20, 0, 0x20, 0, 0x7c, 0x21, 0} // local 0 and itself, added
	m.Code = append(m.Code, wasm.Code{Expr: append(slices.Repeat(double, 60_000), 0x20, 0, 0x0b)})
	return core.Source{Code: m.Encode()}
}
