package metertest

import (
	"bytes"
	"testing"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// TestDearCodeIsCharged: code that once cost next to nothing is charged for its time,
// with fuel and without. 1,000 rounds must cost at least the given fuel.
func TestDearCodeIsCharged(t *testing.T) {
	refs := bytes.Repeat([]byte{0xd2, 1, 0x1a}, 1) // ref.func 1, drop
	wide := func(b byte) []byte { return bytes.Repeat([]byte{b, 0}, 1000) }
	drops := bytes.Repeat([]byte{0x1a}, 1000)
	for _, c := range []struct {
		name        string
		body, inner []byte
		least       int64 // of a round
	}{
		{"leaf of ref.func", []byte{0x10, 1}, append(bytes.Clone(refs), 0x0b), 50},
		{"leaf of vectors, called indirectly", []byte{0x41, 0, 0x11, 0, 0},
			append(bytes.Repeat([]byte{0x23, 4, 0xfd, 0x62, 0x1a}, 5), 0x0b), 40},
		{"block that leaves 1,000 values", append(append(append([]byte{0x02, 1}, wide(0x23)...), 0x0c, 0, 0x0b), drops...), nil, 60},
		{"br_table with 1,000 values", append(append(append([]byte{0x02, 1}, wide(0x23)...), 0x41, 0, 0x0e, 0, 0, 0x0b), drops...), nil, 60},
		{"call that returns 1,000 values", append([]byte{0x10, 2}, drops...), nil, 60},
		{"call of an import", []byte{0x10, 0}, nil, 100},
	} {
		for _, k := range configs {
			if got := roundsOf(t, c.body, c.inner, k.cfg) / 1000; got < c.least {
				t.Errorf("%s, %s: got %d fuel a round, want at least %d", c.name, k.name, got, c.least)
			}
		}
	}
}

// roundsOf returns the fuel of 1,000 rounds of body. Function 0 is host.started. Function
// 1 is inner, to which the table has a reference. Function 2 returns 1,000 values.
func roundsOf(t *testing.T, body, inner []byte, cfg meter.Config) int64 {
	t.Helper()
	if inner == nil {
		inner = []byte{0x0b}
	}
	expr := append([]byte{0x03, 0x40}, body...)
	expr = append(expr, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x0b)
	many := append(bytes.Repeat([]byte{0x41, 0}, 1000), 0x0b)
	i32 := []wasm.ValueType{wasm.I32}
	m := &wasm.Module{
		Types:     []wasm.FuncType{{}, {Results: bytesOf(wasm.I32, 1000)}, {Params: i32}},
		Imports:   []wasm.Import{{Module: "host", Name: "started"}},
		Functions: []uint32{0, 1, 2}, Globals: globals,
		Tables:   []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 2}}},
		Elements: wasm.Segments{Count: 1, Raw: []byte{0, 0x41, 0, 0x0b, 1, 1}},
		Code:     []wasm.Code{{Expr: inner}, {Expr: many}, {Expr: expr}},
		Exports:  []wasm.Export{{Name: "f", Kind: wasm.KindFunc, Index: 3}},
	}
	var used [2]int64
	for i, n := range []uint64{1, 1001} {
		in := instantiate(t, engines[1].config, instrument(t, m.Encode(), cfg), func() {})
		in.budget(in.counter, 1<<50)
		if _, err := in.call(nil, "f", n); err != nil {
			t.Fatal(err)
		}
		used[i] = in.used(in.counter)
	}
	return used[1] - used[0]
}

func bytesOf(v wasm.ValueType, n int) (all []wasm.ValueType) {
	for range n {
		all = append(all, v)
	}
	return all
}

// TestReturningIsTested: a function that is dear after its last call has a test there,
// since many functions may return one after the other without an entry or a loop.
func TestReturningIsTested(t *testing.T) {
	// f(n): if n > 0, f(n-1); then 50 times i32.const 0, drop
	expr := []byte{0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x10, 0, 0x0b}
	expr = append(append(expr, bytes.Repeat([]byte{0x41, 0, 0x1a}, 50)...), 0x0b)
	bin := oneFunction(wasm.FuncType{Params: []wasm.ValueType{wasm.I32}}, expr).Encode()
	for _, k := range configs {
		in := instantiate(t, engines[0].config, instrument(t, bin, k.cfg), nil)
		in.slice = 1
		in.budget(in.counter, 1<<40)
		if _, err := in.call(nil, "f", 900); err != nil {
			t.Fatal(err)
		}
		if in.lowest < -2000 || in.yields < 1300 {
			t.Errorf("%s: got %d yields and %d fuel between two, want some at entries and some at returns", k.name, in.yields, -in.lowest)
		}
	}
}
