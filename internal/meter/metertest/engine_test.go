package metertest

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

const features = api.CoreFeaturesV2 | experimental.CoreFeaturesThreads | experimental.CoreFeaturesTailCall |
	experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesExceptionHandling |
	experimental.CoreFeaturesTypedFunctionReferences

// engines has both of wazero's engines.
var engines = []struct {
	name   string
	config func() wazero.RuntimeConfig
}{
	{"compiler", wazero.NewRuntimeConfigCompiler},
	{"interpreter", wazero.NewRuntimeConfigInterpreter},
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	bin, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func parse(t testing.TB, bin []byte) *wasm.Module {
	t.Helper()
	m, err := wasm.Parse(bin)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func instrument(t testing.TB, bin []byte, cfg meter.Config) *meter.Result {
	t.Helper()
	res, err := meter.Instrument(parse(t, bin), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func newRuntime(t testing.TB, config func() wazero.RuntimeConfig) wazero.Runtime {
	t.Helper()
	rt := wazero.NewRuntimeWithConfig(context.Background(), config().WithCoreFeatures(features))
	t.Cleanup(func() { rt.Close(context.Background()) })
	return rt
}

// The errors with which yield panics.
var (
	errStopped = errors.New("stopped")
	errNoFuel  = errors.New("no fuel left")
	errTooDeep = errors.New("too deep")
)

// yielder is the host's side of the protocol, for one instance.
type yielder struct {
	stop    atomic.Bool
	fuel    bool
	granted int64 // fuel that the counter has got so far
	pool    int64 // fuel that it may still get
	slice   int64
	lowest  int64 // value of the counter at any yield
	yields  int
	stack   int64 // bytes that may still be granted
	asked   int   // number of requests for more of the stack
}

func (y *yielder) yield(n int64) int64 {
	if n == meter.TooDeep {
		return y.deeper()
	}
	y.lowest = min(y.lowest, n)
	y.yields++
	if y.stop.Load() {
		panic(errStopped)
	}
	if !y.fuel {
		return meter.Slice
	}
	if n+y.pool < 0 {
		panic(errNoFuel)
	}
	grant := min(y.pool, y.slice-n)
	y.pool -= grant
	y.granted += grant
	return n + grant
}

func (y *yielder) deeper() int64 {
	grant := min(y.stack, meter.StackSlice)
	if grant == 0 {
		panic(errTooDeep)
	}
	y.asked++
	y.stack -= grant
	return grant
}

// budget gives the next call the given fuel, and no more.
func (y *yielder) budget(n api.MutableGlobal, fuel int64) {
	y.fuel, y.granted = true, min(fuel, y.slice)
	y.pool = fuel - y.granted
	n.Set(uint64(y.granted))
}

// used returns how much of the budget was used.
func (y *yielder) used(n api.Global) int64 { return y.granted - int64(n.Get()) }

// instance is an instantiated module with its yielder.
type instance struct {
	api.Module
	*yielder
	counter api.MutableGlobal
}

// provide adds to rt the modules that instrumented code and the modules in testdata
// import. The function host.started calls started; if that is nil, it is left out.
func provide(t testing.TB, rt wazero.Runtime, y *yielder, started func()) {
	t.Helper()
	yield := api.GoFunc(func(_ context.Context, stack []uint64) { stack[0] = uint64(y.yield(int64(stack[0]))) })
	i64 := []api.ValueType{api.ValueTypeI64}
	_, err := rt.NewHostModuleBuilder(meter.YieldModule).NewFunctionBuilder().WithGoFunction(yield, i64, i64).
		Export(meter.YieldName).Instantiate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if started == nil {
		return
	}
	_, err = rt.NewHostModuleBuilder("host").NewFunctionBuilder().WithFunc(started).Export("started").
		Instantiate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
}

// instantiate instantiates res. Its module is plain if CounterGlobal is "".
func instantiate(t testing.TB, config func() wazero.RuntimeConfig, res *meter.Result, started func()) instance {
	t.Helper()
	rt, y := newRuntime(t, config), &yielder{slice: meter.Slice, stack: 1 << 40}
	provide(t, rt, y, started)
	mod, err := rt.InstantiateWithConfig(context.Background(), res.Module.Encode(), wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	in := instance{Module: mod, yielder: y}
	if res.CounterGlobal != "" {
		in.counter = mod.ExportedGlobal(res.CounterGlobal).(api.MutableGlobal)
	}
	return in
}

// call calls an export, or the start function if export is "".
func (in instance) call(res *meter.Result, export string, args ...uint64) ([]uint64, error) {
	if export == "" {
		export = res.StartExport
	}
	return in.ExportedFunction(export).Call(context.Background(), args...)
}

// plain returns a result with bin as its module, and without any names.
func plain(bin []byte) *meter.Result {
	m, err := wasm.Parse(bin)
	if err != nil {
		panic(err)
	}
	return &meter.Result{Module: m}
}
