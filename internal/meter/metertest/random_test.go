package metertest

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// generator writes functions of type (i32) -> i32 with random control flow. They end,
// since global 0 counts down at every entry and loop. They compute with global 1.
type generator struct {
	*rand.Rand
	code       []byte
	labels     int // open labels, with the function's
	exceptions bool
	tries      []int // the labels of try_tables, counted from outside
}

// label returns a label for a branch without a value.
func (g *generator) label() byte {
	for {
		l := g.IntN(g.labels - 1)
		if !slices.Contains(g.tries, g.labels-1-l) {
			return byte(l)
		}
	}
}

const functions = 4

func (g *generator) emit(code ...byte) { g.code = append(g.code, code...) }

// guard returns global 1 once the countdown is over.
func (g *generator) guard() {
	g.emit(0x23, 0, 0x41, 1, 0x6b, 0x24, 0)                         // global 0 -= 1
	g.emit(0x23, 0, 0x41, 0, 0x48, 0x04, 0x40, 0x23, 1, 0x0f, 0x0b) // if < 0, return global 1
}

// condition pushes a bit of global 1.
func (g *generator) condition() {
	g.emit(0x23, 1, 0x41, byte(g.IntN(16)), 0x76, 0x41, 1, 0x71)
}

func (g *generator) nested(head ...byte) {
	g.emit(head...)
	g.labels++
	g.statements()
	g.labels--
	g.emit(0x0b)
}

func (g *generator) statements() {
	for range 1 + g.IntN(4) {
		g.statement()
	}
}

func (g *generator) statement() {
	kind := g.IntN(14)
	if g.labels > 6 && kind < 5 || !g.exceptions && (kind == 4 || kind == 6) {
		kind = 5
	}
	switch kind {
	case 0:
		g.nested(0x02, 0x40) // block
	case 1:
		g.emit(0x03, 0x40) // loop
		g.guard()
		g.labels++
		g.statements()
		g.condition()
		g.labels--
		g.emit(0x0d, 0, 0x0b) // br_if
	case 2:
		g.condition()
		g.nested(0x04, 0x40) // if
	case 3:
		g.condition()
		g.emit(0x04, 0x40)
		g.labels++
		g.statements()
		g.emit(0x05)
		g.statements()
		g.labels--
		g.emit(0x0b)
	case 4:
		g.emit(0x02, 0x40)
		g.labels++
		g.emit(0x1f, 0x40, 1, 2, g.label()) // try_table (catch_all)
		g.tries = append(g.tries, g.labels)
		g.labels++
		g.statements()
		g.labels--
		g.tries = g.tries[:len(g.tries)-1]
		g.emit(0x0b)
		g.labels--
		g.emit(0x0b)
	case 5:
		g.branch()
	case 6:
		g.condition()
		g.emit(0x04, 0x40, 0x08, 0, 0x0b) // if, throw
	case 7:
		g.emit(0x23, 1, 0x10, byte(g.IntN(functions)), 0x24, 1) // global 1 = call
	case 8:
		g.condition()
		g.emit(0x04, 0x40, 0x23, 1, 0x12, byte(g.IntN(functions)), 0x0b) // if, return_call
	case 9:
		g.condition()
		g.emit(0x04, 0x40, 0x23, 1, 0x0f, 0x0b) // if, return
	case 10:
		g.emit(0x41, 0, 0x23, 1, 0x41, 0xff, 0, 0xfc, 0x0b, 0) // memory.fill
	default:
		for range 1 + g.IntN(40) {
			g.emit(0x23, 1, 0x41, 31, 0x6c, 0x41, byte(g.IntN(64)), 0x6a, 0x24, 1)
		}
	}
}

// branch emits a branch to any label, conditional or not.
func (g *generator) branch() {
	if g.labels == 1 || g.IntN(4) == 0 {
		g.emit(0x23, 1)
		g.condition()
		g.emit(0x0d, byte(g.labels-1), 0x1a) // br_if to the function's end, with a value
		return
	}
	switch g.IntN(3) {
	case 0:
		g.emit(0x0c, g.label())
	case 1:
		g.condition()
		g.emit(0x0d, g.label())
	default:
		g.condition()
		g.emit(0x0e, 1, g.label(), g.label())
	}
}

// randomModule returns a module of random functions. It exports the first as f.
func randomModule(seed uint64) []byte {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), exceptions: throws(seed)}
	i32 := []wasm.ValueType{wasm.I32}
	m := oneFunction(wasm.FuncType{Params: i32, Results: i32}, nil)
	m.Types = append(m.Types, wasm.FuncType{})
	m.Memories = []wasm.Limits{{Min: 1}}
	if g.exceptions {
		m.Tags = []uint32{1}
	}
	i32Global := wasm.GlobalType{Value: wasm.I32, Mutable: true}
	m.Globals = []wasm.Global{{Type: i32Global, Init: []byte{0x41, 0xe4, 0, 0x0b}}, {Type: i32Global, Init: []byte{0x41, 0, 0x0b}}}
	m.Exports = append(m.Exports, wasm.Export{Name: "left", Kind: wasm.KindGlobal})
	m.Functions, m.Code = make([]uint32, functions), nil
	for range functions {
		g.code, g.labels = nil, 1
		g.emit(0x20, 0, 0x24, 1)
		g.guard()
		g.statements()
		g.emit(0x23, 1, 0x0b)
		m.Code = append(m.Code, wasm.Code{Expr: g.code})
	}
	return m.Encode()
}

// throws reports whether the random module has exceptions.
func throws(seed uint64) bool { return seed%2 == 1 }

// FuzzControlFlow compares random control flow before and after Instrument, on both
// engines. With exceptions it does not compare the engines with each other: those of
// wazero 1.12 give different results for plain modules.
func FuzzControlFlow(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed, uint32(seed*0x9e3779b1))
	}
	f.Fuzz(func(t *testing.T, seed uint64, arg uint32) {
		bin := randomModule(seed)
		want := make([]randomResult, len(engines))
		for i, e := range engines {
			want[i] = randomRun(t, e.config, plain(bin), meter.Slice, arg)
		}
		for _, cfg := range []meter.Config{{}, {Fuel: true}, {Fuel: true, Stack: true}} {
			res := instrument(t, bin, cfg)
			fuel := int64(-1)
			for i, e := range engines {
				want := want[i]
				if throws(seed) {
					fuel = -1
				}
				for _, slice := range []int64{1, meter.Slice} {
					got := randomRun(t, e.config, res, slice, arg)
					if fuel < 0 {
						fuel = got.fuel
					}
					if got.result != want.result || got.thrown != want.thrown || got.left != want.left || got.fuel != fuel {
						t.Errorf("seed %d, arg %d, %+v, %s: got %+v, want %+v and %d fuel", seed, arg, cfg, e.name, got, want, fuel)
					}
					if got.lowest < -4*4096 {
						t.Errorf("seed %d, arg %d, %+v, %s: got %d fuel between two tests", seed, arg, cfg, e.name, -got.lowest)
					}
				}
			}
		}
	})
}

// randomResult is the outcome of a random module's run.
type randomResult struct {
	result, left uint64
	thrown       bool
	fuel, lowest int64
}

func randomRun(t *testing.T, config func() wazero.RuntimeConfig, res *meter.Result, slice int64, arg uint32) randomResult {
	in := instantiate(t, config, res, nil)
	defer in.Close(t.Context())
	in.slice = slice
	if in.counter != nil {
		in.budget(in.counter, 1<<40)
	}
	var out randomResult
	results, err := in.call(res, "f", uint64(arg))
	if errors.Is(err, errTooDeep) || errors.Is(err, errNoFuel) {
		t.Fatal(err)
	}
	if out.thrown = err != nil; !out.thrown {
		out.result = results[0]
	}
	out.left, out.lowest = in.ExportedGlobal("left").Get(), in.lowest
	if in.counter != nil {
		out.fuel = in.used(in.counter)
	}
	return out
}
