package fusetest

import (
	"fmt"
	"math/rand/v2"

	"github.com/airhost/airhost/internal/fuse"
	"github.com/airhost/airhost/internal/wasm"
)

// The signatures of random functions, by their places in every random module's types.
var (
	i32        = []wasm.ValueType{wasm.I32}
	signatures = []wasm.FuncType{{Results: i32}, {Params: i32, Results: i32}, {Params: append(i32, i32...)}, {}}
)

// Imports that every random module but the first has, in this order: the host's log, the
// shared memory, table and budget. The budget ends functions that call each other.
const (
	tableSize = 6
	maxOffset = 1 << 16
)

// shared has the names of the first instance's exports.
var shared = []wasm.Import{
	{Module: "host", Name: "log", Type: 4},
	{Module: "libc", Name: "memory", Kind: wasm.KindMemory, Memory: wasm.Limits{Min: 1}},
	{Module: "libc", Name: "table", Kind: wasm.KindTable, Table: wasm.Table{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: tableSize}}},
	{Module: "libc", Name: "budget", Kind: wasm.KindGlobal, Global: wasm.GlobalType{Value: wasm.I32, Mutable: true}},
}

// random makes graphs. The same seed makes the same graph.
type random struct {
	*rand.Rand
	graph   fuse.Graph
	modules []*wasm.Module // of the instances; nil for lists
}

func newRandom(seed uint64) *random { return &random{Rand: rand.New(rand.NewPCG(seed, 20))} }

func (r *random) one(in int) bool { return r.IntN(in) == 0 }

// make makes a graph, and calls of its exports.
func (r *random) make() (fuse.Graph, []call) {
	r.add(nil, fuse.Instance{Module: fuse.Synthesized, Exports: []fuse.Export{{Name: "log", Item: fuse.Host("host", "log", nil)}}})
	r.add(firstModule(), fuse.Instance{})
	for range 1 + r.IntN(6) {
		if r.one(4) {
			r.addShim()
			continue
		}
		if n := len(r.graph.Modules); n > 2 && r.one(5) {
			again := r.graph.Instances[len(r.graph.Instances)-1]
			r.add(r.modules[len(r.modules)-1], again) // the same module with the same imports
			r.graph.Modules = r.graph.Modules[:n]
			r.graph.Instances[len(r.graph.Instances)-1].Module = again.Module
			continue
		}
		r.addModule()
	}
	return r.graph, r.exports()
}

// add adds an instance of a module of its own.
func (r *random) add(m *wasm.Module, in fuse.Instance) {
	if m != nil {
		in.Module = len(r.graph.Modules)
		r.graph.Modules = append(r.graph.Modules, m.Encode())
	}
	r.graph.Instances, r.modules = append(r.graph.Instances, in), append(r.modules, m)
}

// exports exports functions and globals of all instances, and calls the functions.
func (r *random) exports() (calls []call) {
	for i, m := range r.modules {
		if m == nil {
			continue
		}
		types := m.FuncTypes()
		for _, e := range m.Exports {
			if e.Kind != wasm.KindFunc || types[e.Index] > 1 || r.one(3) {
				continue
			}
			name := fmt.Sprintf("%d-%s", i, e.Name)
			r.graph.Exports = append(r.graph.Exports, fuse.Export{Name: name, Item: fuse.Of(i, wasm.KindFunc, e.Name)})
			calls = append(calls, do(name, make([]uint64, types[e.Index])...))
		}
	}
	for _, last := range []string{"refill", "sum"} {
		r.graph.Exports = append(r.graph.Exports, fuse.Export{Name: last, Item: fuse.Of(1, wasm.KindFunc, last)})
	}
	r.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	return append(append(calls, do("refill"), do("sum")), calls...)
}

// firstModule is the module of the first instance. Its function sum hashes the memory, up to the
// offsets that others use.
func firstModule() *wasm.Module {
	c := code{}
	c.op(0x03, 0x7f) // loop (result i32)
	c.op(0x20, 1).i32(31).op(0x6c, 0x20, 0).op(0x2d, 0, 0).op(0x6a, 0x21, 1)
	c.op(0x20, 0).i32(1).op(0x6a, 0x22, 0).i32(256).op(0x48, 0x0d, 0)
	c.op(0x20, 1, 0x0b, 0x0b)
	sum := wasm.Code{Groups: 1, Decls: []byte{2, 0x7f}, Locals: 2, Expr: []byte{0x03, 0x40}}
	sum.Expr = append(sum.Expr, c.expr[2:len(c.expr)-4]...)
	sum.Expr = append(sum.Expr, 0x0b, 0x20, 1, 0x0b)
	refill := code{}
	refill.i32(1000).op(0x24, 0, 0x23, 0, 0x0b)
	return &wasm.Module{
		Types: append(signatures, wasm.FuncType{Params: i32}), Functions: []uint32{0, 0}, Code: []wasm.Code{sum, {Expr: refill.expr}},
		Tables: []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: tableSize}}}, Memories: []wasm.Limits{{Min: 1}},
		Globals: []wasm.Global{{Type: wasm.GlobalType{Value: wasm.I32, Mutable: true}, Init: []byte{0x41, 0xe8, 7, 0x0b}}},
		Exports: []wasm.Export{{Name: "sum"}, {Name: "refill", Index: 1}, {Name: "memory", Kind: wasm.KindMemory},
			{Name: "table", Kind: wasm.KindTable}, {Name: "budget", Kind: wasm.KindGlobal}},
	}
}

// addShim adds a module of trampolines, and later modules may fill its table.
func (r *random) addShim() {
	m := &wasm.Module{Types: append(signatures, wasm.FuncType{Params: i32}), Tables: []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 3}}}}
	for i := range 3 {
		typ := uint32(r.IntN(3))
		c := code{}
		for p := range signatures[typ].Params {
			c.op(0x20, byte(p))
		}
		c.i32(int64(i)).op(0x11, byte(typ), 0, 0x0b)
		m.Functions, m.Code = append(m.Functions, typ), append(m.Code, wasm.Code{Expr: c.expr})
		m.Exports = append(m.Exports, wasm.Export{Name: fmt.Sprint("f", i), Index: uint32(i)})
	}
	m.Exports = append(m.Exports, wasm.Export{Name: "t", Kind: wasm.KindTable})
	r.add(m, fuse.Instance{})
}

// code is the code of a function under construction.
type code struct{ expr []byte }

func (c *code) op(bytes ...byte) *code {
	c.expr = append(c.expr, bytes...)
	return c
}

func (c *code) i32(n int64) *code {
	c.expr = wasm.AppendSigned(append(c.expr, 0x41), n)
	return c
}

func (c *code) index(op byte, index uint32) *code {
	c.expr = wasm.AppendIndex(append(c.expr, op), index)
	return c
}

func (c *code) bulk(number byte, indices ...uint32) *code {
	c.expr = append(c.expr, 0xfc, number)
	for _, i := range indices {
		c.expr = wasm.AppendIndex(c.expr, i)
	}
	return c
}
