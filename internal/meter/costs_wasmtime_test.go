//go:build cgo && (linux || darwin) && (amd64 || arm64)

package meter_test

import (
	"strings"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/internal/meter"
)

// onWasmtime returns how to run f on Wasmtime, and how to end that. It is not ok if
// wasmtime-go can't switch on what the module needs.
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
