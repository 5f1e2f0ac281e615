package metertest

import (
	"errors"
	"runtime"
	"testing"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// referring returns a module with a function f that takes a reference to itself as often
// as its parameter says, and calls itself through a table once.
func referring() []byte {
	i32 := []wasm.ValueType{wasm.I32}
	m := oneFunction(wasm.FuncType{Params: i32, Results: i32}, []byte{
		0x20, 0, 0x45, 0x04, 0x7f, 0x41, 7, 0x05, // if local 0 is 0: 7, else
		0x03, 0x40, // loop
		0x41, 0, 0xd2, 0, 0x26, 0, // table 0, element 0 = ref.func 0
		0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, // local 0 -= 1, br_if 0
		0x0b,
		0x41, 0, 0x41, 0, 0x11, 0, 0, // call_indirect: f(0)
		0x0b, 0x0b,
	})
	m.Tables = []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 1}}}
	return m.Encode()
}

// heap returns the size of the live heap, in bytes.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestReferencesTakeNoMemory: plain wazero keeps 40 bytes for each reference that code
// takes. Instrumented code must not.
func TestReferencesTakeNoMemory(t *testing.T) {
	const times = 500_000
	for _, e := range engines {
		for _, fuel := range []bool{false, true} {
			in := instantiate(t, e.config, instrument(t, referring(), meter.Config{Fuel: fuel, Stack: true}), nil)
			in.budget(in.counter, 1<<40)
			before := heap()
			got, err := in.call(nil, "f", times)
			grown := int64(heap()) - int64(before)
			if err != nil || got[0] != 7 {
				t.Errorf("%s: got %v, %v; want 7", e.name, got, err)
			}
			if grown > 10*times {
				t.Errorf("%s: %d references keep %d bytes", e.name, times, grown)
			}
			runtime.KeepAlive(in)
		}
	}
}

func TestReferencesHaveALimit(t *testing.T) {
	var expr []byte
	for f := range uint32(meter.MaxReferences + 1) {
		expr = append(wasm.AppendIndex(append(expr, 0xd2), f), 0x1a)
	}
	m := oneFunction(wasm.FuncType{}, append(expr, 0x0b))
	for range meter.MaxReferences {
		m.Functions, m.Code = append(m.Functions, 0), append(m.Code, wasm.Code{Expr: []byte{0x0b}})
	}
	_, err := meter.Instrument(m, meter.Config{})
	if limit := new(meter.LimitError); !errors.As(err, &limit) || limit.Limit != meter.LimitReferences {
		t.Errorf("got %v, want a LimitError of %s", err, meter.LimitReferences)
	}
}
