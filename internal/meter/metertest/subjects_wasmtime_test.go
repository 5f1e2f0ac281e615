//go:build cgo && (linux || darwin) && (amd64 || arm64)

package metertest

import (
	"strings"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/internal/meter"
)

// onWasmtime returns functions that run f on Wasmtime, and that free its memory. ok is
// false if the module needs a feature that wasmtime-go can't switch on.
func onWasmtime(t *testing.T, res *meter.Result) (run timed, end func(), ok bool) {
	t.Helper()
	engine := newWasmtime(t)
	module, err := wasmtime.NewModule(engine, res.Module.Encode())
	if err != nil {
		for _, lacks := range []string{"exception", "function references", "function-references"} {
			if strings.Contains(err.Error(), lacks) {
				return nil, nil, false
			}
		}
		t.Fatal(err)
	}
	store, linker := wasmtime.NewStore(engine), wasmtime.NewLinker(engine)
	y := &yielder{fuel: true, stack: 1 << 40, slice: meter.Slice}
	must(t, linker.DefineFunc(store, meter.YieldModule, meter.YieldName, y.yield))
	must(t, linker.DefineFunc(store, "host", "started", func() {}))
	instance, err := linker.Instantiate(store, module)
	must(t, err)
	counter, f := instance.GetExport(store, res.CounterGlobal).Global(), instance.GetFunc(store, "f")
	run = func(rounds int64) (ns, fuel int64) {
		y.granted, y.pool = meter.Slice, 1<<40
		must(t, counter.Set(store, wasmtime.ValI64(y.granted)))
		before := threadTime()
		_, err := f.Call(store, rounds)
		ns = threadTime() - before
		must(t, err)
		return ns, y.granted - counter.Get(store).I64()
	}
	return run, func() { linker.Close(); module.Close(); store.Close(); engine.Close() }, true
}

// onStore is an instance on Wasmtime.
type onStore struct {
	store    *wasmtime.Store
	instance *wasmtime.Instance
}

func (s onStore) do(export string, args ...uint32) error {
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = int32(arg)
	}
	_, err := s.instance.GetFunc(s.store, export).Call(s.store, values...)
	return err
}

func (s onStore) memory() []byte {
	return s.instance.GetExport(s.store, "memory").Memory().UnsafeData(s.store)
}

// wasmtimeSubjects returns an instance of each build on Wasmtime.
func wasmtimeSubjects(t *testing.T, builds []*meter.Result) (all []subject) {
	t.Helper()
	engine := newWasmtime(t)
	for _, res := range builds {
		store, linker := wasmtime.NewStore(engine), wasmtime.NewLinker(engine)
		t.Cleanup(func() { linker.Close(); store.Close() })
		y := &yielder{stack: 1 << 40, slice: meter.Slice}
		must(t, linker.DefineFunc(store, meter.YieldModule, meter.YieldName, y.yield))
		module, err := wasmtime.NewModule(engine, res.Module.Encode())
		must(t, err)
		instance, err := linker.Instantiate(store, module)
		must(t, err)
		all = append(all, onStore{store, instance})
	}
	return all
}
