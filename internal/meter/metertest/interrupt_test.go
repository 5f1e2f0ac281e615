package metertest

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// hostile has the exports of hostile.wasm that do not end. "" is its start function.
var hostile = []string{"spin", "recurse", "tree", "table", "fill", "copy", ""}

func TestGuestsThatDoNotEndAreStopped(t *testing.T) {
	for _, k := range configs {
		res := instrument(t, read(t, "../testdata/hostile.wasm"), k.cfg)
		for _, e := range engines {
			for _, export := range hostile {
				t.Run(k.name+"/"+e.name+"/"+export, func(t *testing.T) { spin(t, e.config, res, export, 1) })
			}
		}
	}
}

// TestMoreGuestsThanProcessorsAreStopped: more guests than processors must keep neither
// the goroutine that stops them from running, nor a garbage collection from ending.
func TestMoreGuestsThanProcessorsAreStopped(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	res := instrument(t, read(t, "../testdata/hostile.wasm"), meter.Config{})
	for _, export := range hostile {
		t.Run(export, func(t *testing.T) { spin(t, wazero.NewRuntimeConfigCompiler, res, export, 3) })
	}
}

// spin calls an export of several instances, collects garbage while they run,
// and stops them.
func spin(t *testing.T, config func() wazero.RuntimeConfig, res *meter.Result, export string, guests int) {
	var started, ended sync.WaitGroup
	var running []instance
	for range guests {
		in := instantiate(t, config, res, started.Done)
		running = append(running, in)
		started.Add(1)
		ended.Go(func() {
			if _, err := in.call(res, export); !errors.Is(err, errStopped) {
				t.Errorf("%q: got %v, want what yield panicked with", export, err)
			}
		})
	}
	started.Wait()
	runtime.GC()
	for _, in := range running {
		in.stop.Store(true)
	}
	ended.Wait()
}

func TestFuelEndsGuestsThatDoNotEnd(t *testing.T) {
	const fuel = 1_000_001
	res := instrument(t, read(t, "../testdata/hostile.wasm"), meter.Config{Fuel: true})
	for _, export := range hostile {
		var used []int64
		for _, e := range engines {
			in := instantiate(t, e.config, res, func() {})
			in.budget(in.counter, fuel)
			if _, err := in.call(res, export); !errors.Is(err, errNoFuel) {
				t.Errorf("%s on %s with %d fuel: got %v, want no fuel left", export, e.name, fuel, err)
			}
			used = append(used, in.used(in.counter))
		}
		if used[0] <= fuel || used[0] != used[1] {
			t.Errorf("%s: got %d fuel used on the two engines, want the same above %d", export, used, fuel)
		}
	}
}

// TestBudgetEndsAtTheSamePlaceForAllSlices: the place where a budget ends does not depend
// on the size of slices.
func TestBudgetEndsAtTheSamePlaceForAllSlices(t *testing.T) {
	res := instrument(t, read(t, "../testdata/compute.wasm"), meter.Config{Fuel: true})
	for _, fuel := range []int64{0, 1, 1000, 12_345} {
		var want int64
		for _, slice := range []int64{meter.Slice, 1, 100, 777} {
			in := instantiate(t, wazero.NewRuntimeConfigCompiler, res, nil)
			in.slice = slice
			in.budget(in.counter, fuel)
			if _, err := in.call(res, "fib", 20); !errors.Is(err, errNoFuel) {
				t.Fatalf("fib with %d fuel: got %v, want no fuel left", fuel, err)
			}
			got := in.used(in.counter)
			if slice == meter.Slice {
				want = got
			}
			if got != want || got <= fuel {
				t.Errorf("%d fuel in slices of %d: got %d used, want %d as with large slices", fuel, slice, got, want)
			}
		}
	}
}

// TestStopInsideTryTable: a guest must not be able to catch the end of its call as an
// exception.
func TestStopInsideTryTable(t *testing.T) {
	expr := []byte{
		0x02, 0x40, // block
		0x1f, 0x40, 1, 2, 0, // try_table (catch_all 0)
		0x03, 0x40, 0x0c, 0, 0x0b, // loop (br 0)
		0x0b, 0x0b, 0x0b,
	}
	bin := oneFunction(wasm.FuncType{}, expr).Encode()
	for _, e := range engines {
		res := instrument(t, bin, meter.Config{})
		in := instantiate(t, e.config, res, nil)
		in.stop.Store(true)
		if _, err := in.call(res, "f"); !errors.Is(err, errStopped) {
			t.Errorf("%s: got %v from a stopped loop in try_table, want what yield panicked with", e.name, err)
		}
	}
}

func TestThrownValuesArriveAtTheirCatch(t *testing.T) {
	expr := []byte{
		0x02, 0x7f, // block (result i32)
		0x1f, 0x40, 1, 0, 0, 0, // try_table (catch 0 0)
		0x20, 0, 0x08, 0, // local.get 0, throw 0
		0x0b, 0x41, 5, // end, i32.const 5
		0x0b, 0x0b,
	}
	m := oneFunction(wasm.FuncType{Params: []wasm.ValueType{wasm.I32}, Results: []wasm.ValueType{wasm.I32}}, expr)
	m.Types = append(m.Types, wasm.FuncType{Params: []wasm.ValueType{wasm.I32}})
	m.Tags = []uint32{1}
	for _, e := range engines {
		for _, k := range configs {
			res := instrument(t, m.Encode(), k.cfg)
			in := instantiate(t, e.config, res, nil)
			in.budget(in.counter, 100_000)
			if got, err := in.call(res, "f", 42); err != nil || got[0] != 42 {
				t.Errorf("%s/%s: got %v, %v; want the thrown 42", e.name, k.name, got, err)
			}
		}
	}
}

// oneFunction returns a module that exports a function f.
func oneFunction(typ wasm.FuncType, expr []byte) *wasm.Module {
	return &wasm.Module{
		Types: []wasm.FuncType{typ}, Functions: []uint32{0}, Code: []wasm.Code{{Expr: expr}},
		Exports: []wasm.Export{{Name: "f", Kind: wasm.KindFunc}},
	}
}
