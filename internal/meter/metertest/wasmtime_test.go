//go:build cgo && (linux || darwin) && (amd64 || arm64)

package metertest

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// newWasmtime returns Wasmtime, the third engine for instrumented code, with all features
// that the guests here use.
func newWasmtime(t *testing.T) *wasmtime.Engine {
	t.Helper()
	config := wasmtime.NewConfig()
	config.SetWasmThreads(true)
	config.SetWasmTailCall(true)
	engine := wasmtime.NewEngineWithConfig(config)
	t.Cleanup(engine.Close)
	return engine
}

// guests returns all modules in the project, by their paths. It leaves out files that are
// not modules: other tests need these.
func guests(t *testing.T) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	err := filepath.WalkDir("../../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "bin" || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".wasm") {
			bin := read(t, path)
			if _, err := wasm.Parse(bin); err == nil {
				all[path] = bin
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestWasmtimeCompiles: instrumented modules are valid for an engine that is stricter than
// wazero in some points, and has other authors.
func TestWasmtimeCompiles(t *testing.T) {
	engine := newWasmtime(t)
	all := guests(t)
	if len(all) < 20 {
		t.Errorf("found %d guests in the project", len(all))
	}
	for path, bin := range all {
		for _, k := range configs {
			compiles(t, engine, path+" "+k.name, instrument(t, bin, k.cfg).Module.Encode())
		}
		bounded := parse(t, bin)
		err := meter.Bound(bounded, meter.Config{MaxTableElements: 1 << 20})
		if errors.As(err, new(*meter.LimitError)) {
			continue // a guest that asks for too much on purpose
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if _, err := meter.AddPauses(bounded); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		compiles(t, engine, path+" bounded", bounded.Encode())
	}
	for seed := uint64(0); seed < 80; seed += 2 { // wasmtime-go has no exceptions
		bin := randomModule(seed)
		for _, cfg := range []meter.Config{{}, {Fuel: true}, {Fuel: true, Stack: true}} {
			compiles(t, engine, "a random module", instrument(t, bin, cfg).Module.Encode())
		}
	}
}

// TestWasmtimeCompilesAProgram: a large program that Go has compiled is valid, too.
func TestWasmtimeCompilesAProgram(t *testing.T) {
	bin := program(t)
	compiles(t, newWasmtime(t), "a program", instrument(t, bin, meter.Config{Fuel: true, Stack: true}).Module.Encode())
}

func compiles(t *testing.T, engine *wasmtime.Engine, what string, bin []byte) {
	t.Helper()
	module, err := wasmtime.NewModule(engine, bin)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	module.Close()
}

// TestFuelIsTheSameOnWasmtime compares the fuel of calls with that on wazero.
func TestFuelIsTheSameOnWasmtime(t *testing.T) {
	engine := newWasmtime(t)
	for _, k := range configs {
		for _, c := range calls {
			res := instrument(t, read(t, "../testdata/"+c.file+".wasm"), k.cfg)
			want := outcome(t, engines[0].config, res, c.export, c.arg)
			result, fuel := wasmtimeRun(t, engine, res, meter.Slice, c.export, c.arg)
			if result != want.result || fuel != want.fuel || k.cfg.Fuel && fuel == 0 {
				t.Errorf("%s.%s(%d), %s: got %d with %d fuel, want %d with %d as on wazero",
					c.file, c.export, c.arg, k.name, result, fuel, want.result, want.fuel)
			}
		}
	}
}

func TestFuelOfRandomCodeIsTheSameOnWasmtime(t *testing.T) {
	engine := newWasmtime(t)
	for seed := uint64(0); seed < 80; seed += 2 {
		bin, arg := randomModule(seed), uint32(seed*0x9e3779b1)
		for _, cfg := range []meter.Config{{}, {Fuel: true}, {Fuel: true, Stack: true}} {
			res := instrument(t, bin, cfg)
			for _, slice := range []int64{1, meter.Slice} {
				want := randomRun(t, engines[0].config, res, slice, arg)
				result, fuel := wasmtimeRun(t, engine, res, slice, "f", uint64(arg))
				if want.thrown || result != want.result || fuel != want.fuel {
					t.Errorf("seed %d, arg %d, %+v: got %d with %d fuel, want %+v as on wazero", seed, arg, cfg, result, fuel, want)
				}
			}
		}
	}
}

// wasmtimeRun calls an export with one parameter and one result, and returns the result
// and the used fuel.
func wasmtimeRun(t *testing.T, engine *wasmtime.Engine, res *meter.Result, slice int64, export string, arg uint64) (result uint64, fuel int64) {
	t.Helper()
	store := wasmtime.NewStore(engine)
	defer store.Close()
	module, err := wasmtime.NewModule(engine, res.Module.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close()
	y := &yielder{fuel: true, stack: 1 << 40, slice: slice, granted: min(1<<40, slice)}
	y.pool = 1<<40 - y.granted
	linker := wasmtime.NewLinker(engine)
	defer linker.Close()
	for name, f := range map[[2]string]any{
		{meter.YieldModule, meter.YieldName}: y.yield,
		{"host", "started"}:                  func() {},
	} {
		if err := linker.DefineFunc(store, name[0], name[1], f); err != nil {
			t.Fatal(err)
		}
	}
	instance, err := linker.Instantiate(store, module)
	if err != nil {
		t.Fatal(err)
	}
	counter := instance.GetExport(store, res.CounterGlobal).Global()
	if err := counter.Set(store, wasmtime.ValI64(y.granted)); err != nil {
		t.Fatal(err)
	}
	f := instance.GetFunc(store, export)
	value := any(int32(arg))
	if f.Type(store).Params()[0].Kind() == wasmtime.KindI64 {
		value = int64(arg)
	}
	got, err := f.Call(store, value)
	if err != nil {
		t.Fatalf("%s(%d): %v", export, arg, err)
	}
	switch got := got.(type) {
	case int32:
		result = uint64(uint32(got))
	case int64:
		result = uint64(got)
	default:
		t.Fatalf("%s: the result is a %T", export, got)
	}
	return result, y.granted - counter.Get(store).I64()
}
