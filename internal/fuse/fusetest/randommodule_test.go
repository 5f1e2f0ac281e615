package fusetest

import (
	"fmt"

	"github.com/airhost/airhost/internal/fuse"
	"github.com/airhost/airhost/internal/wasm"
)

// maker makes a random module.
type maker struct {
	*random
	m         *wasm.Module
	types     []uint32 // of the functions
	tables    []uint64 // the sizes of the tables
	constants []uint32 // immutable globals of type i32
	variables []uint32 // mutable ones
	passive   int      // data segments, which are the first ones
	elements  int      // passive ones, likewise
}

// addModule adds an instance of a random module, which imports from earlier instances.
func (r *random) addModule() {
	k := &maker{random: r, m: &wasm.Module{Types: append(signatures, wasm.FuncType{Params: i32}), Imports: append([]wasm.Import(nil), shared...)}}
	in := fuse.Instance{Name: fmt.Sprint("m", len(r.modules)), Arguments: []fuse.Argument{{Module: "host", Instance: 0}, {Module: "libc", Instance: 1}}}
	for i := 2; i < len(r.modules); i++ {
		if r.modules[i] == nil || r.one(3) {
			continue
		}
		name := fmt.Sprint("from", i)
		in.Arguments = append(in.Arguments, fuse.Argument{Module: name, Instance: i})
		for _, e := range r.modules[i].Exports {
			if !r.one(3) {
				k.importOf(r.modules[i], name, e)
			}
		}
	}
	k.define()
	r.add(k.m, in)
}

// importOf imports an export of another random module.
func (k *maker) importOf(from *wasm.Module, module string, e wasm.Export) {
	i := wasm.Import{Module: module, Name: e.Name, Kind: e.Kind}
	switch e.Kind {
	case wasm.KindFunc:
		i.Type = from.FuncTypes()[e.Index]
	case wasm.KindTable:
		i.Table, _ = from.TableAt(e.Index)
	case wasm.KindGlobal:
		i.Global = globalAt(from, e.Index)
	default:
		return
	}
	k.m.Imports = append(k.m.Imports, i)
}

func globalAt(m *wasm.Module, index uint32) wasm.GlobalType {
	for _, i := range m.Imports {
		if i.Kind != wasm.KindGlobal {
			continue
		}
		if index == 0 {
			return i.Global
		}
		index--
	}
	return m.Globals[index].Type
}

// define fills the module.
func (k *maker) define() {
	m := k.m
	for i := range m.Len(wasm.KindGlobal) {
		k.global(uint32(i), globalAt(m, uint32(i)).Mutable)
	}
	for range k.IntN(3) {
		mutable := k.one(2)
		m.Globals = append(m.Globals, wasm.Global{Type: wasm.GlobalType{Value: wasm.I32, Mutable: mutable}, Init: k.constant(20)})
		k.global(uint32(m.Len(wasm.KindGlobal)-1), mutable)
	}
	if k.one(3) {
		m.Tables = append(m.Tables, wasm.Table{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: uint64(1 + k.IntN(4)), Max: 9, HasMax: true}})
	}
	for i := range m.Len(wasm.KindTable) {
		t, _ := m.TableAt(uint32(i))
		k.tables = append(k.tables, t.Min)
	}
	for range 1 + k.IntN(4) {
		m.Functions = append(m.Functions, uint32(k.IntN(len(signatures))))
	}
	if k.types = m.FuncTypes(); k.one(2) {
		start := uint32(len(k.types))
		m.Functions, k.types, m.Start = append(m.Functions, 3), append(k.types, 3), &start
	}
	k.segments()
	for i := range m.Functions {
		m.Code = append(m.Code, wasm.Code{Expr: k.body(m.Functions[i])})
	}
	k.export()
}

func (k *maker) global(index uint32, mutable bool) {
	switch {
	case index == 0: // the budget
	case mutable:
		k.variables = append(k.variables, index)
	default:
		k.constants = append(k.constants, index)
	}
}

// constant returns a constant expression of type i32 with a value around most.
func (k *maker) constant(most int) []byte {
	c := code{}
	imported := 0
	for _, g := range k.constants {
		if int(g) < k.m.Len(wasm.KindGlobal)-len(k.m.Globals) {
			imported++ // wazero and Wasmtime take no others
		}
	}
	if imported > 0 && k.one(2) {
		return c.index(0x23, k.constants[k.IntN(imported)]).i32(int64(k.IntN(most))).op(0x6a, 0x0b).expr
	}
	return c.i32(int64(k.IntN(most))).op(0x0b).expr
}

// segments adds passive segments, and then active ones. Elements of active ones fit, since
// wazero ignores those that do not.
func (k *maker) segments() {
	m := k.m
	for range k.IntN(2) {
		m.AddData(wasm.DataSegment{Mode: wasm.SegmentPassive, Content: []byte(fmt.Sprint("passive", k.IntN(99)))})
		m.AddElements(wasm.ElementSegment{Mode: wasm.SegmentPassive, Type: wasm.FuncRef, Functions: k.functions(3)})
		k.passive, k.elements = k.passive+1, k.elements+1
	}
	for range k.IntN(3) {
		offset := k.constant(200)
		if k.one(25) {
			offset = (&code{}).i32(maxOffset - int64(k.IntN(6))).op(0x0b).expr
		}
		m.AddData(wasm.DataSegment{Offset: offset, Content: []byte(fmt.Sprint("data", k.IntN(999)))})
	}
	for range k.IntN(3) {
		table := k.IntN(len(k.tables))
		at := k.IntN(int(k.tables[table]))
		s := wasm.ElementSegment{Table: uint32(table), Offset: (&code{}).i32(int64(at)).op(0x0b).expr, Type: wasm.FuncRef, Functions: k.functions(1 + k.IntN(int(k.tables[table])-at))}
		if k.one(4) {
			s.Functions, s.Exprs = nil, [][]byte{{0xd0, 0x70, 0x0b}}
		}
		m.AddElements(s)
	}
	m.AddElements(wasm.ElementSegment{Mode: wasm.SegmentDeclares, Type: wasm.FuncRef, Functions: k.all()})
	n := m.Data.Count
	m.DataCount = &n
}

func (k *maker) functions(n int) []uint32 {
	all := make([]uint32, n)
	for i := range all {
		all[i] = uint32(k.IntN(len(k.types)))
	}
	return all
}

func (k *maker) all() []uint32 {
	all := make([]uint32, len(k.types))
	for i := range all {
		all[i] = uint32(i)
	}
	return all
}

// export exports most definitions of the module, under names that are not the indices.
func (k *maker) export() {
	for _, kind := range []wasm.Kind{wasm.KindFunc, wasm.KindTable, wasm.KindGlobal} {
		for i := range k.m.Len(kind) {
			if kind == wasm.KindFunc && i == 0 || kind != wasm.KindFunc && i == 0 || k.one(4) {
				continue // the host's function and those of the first instance
			}
			k.m.Exports = append(k.m.Exports, wasm.Export{Name: fmt.Sprint(kind, "-", i+7), Kind: kind, Index: uint32(i)})
		}
	}
}

// body returns the code of a function.
func (k *maker) body(typ uint32) []byte {
	c := &code{}
	c.op(0x23, 0, 0x45, 0x04, 0x40, 0x00, 0x0b, 0x23, 0).i32(1).op(0x6b, 0x24, 0)
	params := len(signatures[typ].Params)
	for range k.IntN(4) {
		k.statement(c, params)
	}
	if len(signatures[typ].Results) > 0 {
		k.value(c, params, 3)
	}
	return c.op(0x0b).expr
}

// statement adds instructions that leave nothing on the stack.
func (k *maker) statement(c *code, params int) {
	switch n := k.IntN(10); {
	case n == 0:
		k.value(c, params, 2)
		c.op(0x10, 0) // log
	case n == 1:
		c.i32(int64(k.IntN(250)))
		k.value(c, params, 2)
		c.op(0x36, 0, 0)
	case n == 2 && len(k.variables) > 0:
		k.value(c, params, 2)
		c.index(0x24, k.variables[k.IntN(len(k.variables))])
	case n == 3:
		table := uint32(k.IntN(len(k.tables)))
		c.i32(int64(k.IntN(int(k.tables[table])+1))).index(0xd2, uint32(k.IntN(len(k.types)))).index(0x26, table)
	case n == 4 && k.passive > 0:
		c.i32(int64(k.IntN(250))).i32(int64(k.IntN(3))).i32(int64(k.IntN(8))).bulk(0x08, uint32(k.IntN(k.passive)), 0)
	case n == 5 && k.elements > 0:
		table := uint32(k.IntN(len(k.tables)))
		c.i32(0).i32(int64(k.IntN(2))).i32(int64(k.IntN(3))).bulk(0x0c, uint32(k.IntN(k.elements)), table)
	case n == 6 && k.passive > 0 && k.one(3):
		c.bulk(0x09, uint32(k.IntN(k.passive))).bulk(0x0d, uint32(k.IntN(k.elements)))
	case n == 7:
		c.i32(0).i32(1).i32(1).bulk(0x0e, uint32(k.IntN(len(k.tables))), uint32(k.IntN(len(k.tables))))
	default:
		f := uint32(k.IntN(len(k.types)))
		k.call(c, params, k.types[f], func() { c.index(0x10, f) })
	}
}

// call adds a call of a function of a type, and drops its result.
func (k *maker) call(c *code, params int, typ uint32, add func()) {
	for range k.m.Types[typ].Params {
		k.value(c, params, 1)
	}
	add()
	if len(k.m.Types[typ].Results) > 0 {
		c.op(0x1a)
	}
}

// value adds instructions that leave an i32.
func (k *maker) value(c *code, params, depth int) {
	n := k.IntN(9)
	if depth == 0 {
		n = k.IntN(4)
	}
	switch {
	case n == 0 && params > 0:
		c.op(0x20, byte(k.IntN(params)))
	case n == 1 && len(k.constants) > 0:
		c.index(0x23, k.constants[k.IntN(len(k.constants))])
	case n == 2 && len(k.variables) > 0:
		c.index(0x23, k.variables[k.IntN(len(k.variables))])
	case n == 4:
		c.i32(int64(k.IntN(250))).op(0x2d, 0, 0)
	case n == 5:
		k.value(c, params, depth-1)
		k.value(c, params, depth-1)
		c.op([]byte{0x6a, 0x6b, 0x6c}[k.IntN(3)])
	case n == 6:
		table := uint32(k.IntN(len(k.tables)))
		typ := byte(k.IntN(2))
		for range typ {
			k.value(c, params, depth-1)
		}
		c.i32(int64(k.IntN(int(k.tables[table])))).op(0x11, typ).expr = wasm.AppendIndex(c.expr, table)
	case n == 7:
		c.bulk(0x10, uint32(k.IntN(len(k.tables)))) // table.size
	case n == 8:
		for f, typ := range k.types {
			if typ == 0 && !k.one(2) {
				c.index(0x10, uint32(f))
				return
			}
		}
		c.i32(3)
	default:
		c.i32(int64(k.IntN(100)))
	}
}
