package metertest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// shape is code for which the time is measured: a statement that leaves the stack
// unchanged, with k values of type i64 below. Its module has these functions: 0 is f,
// which runs the statement in rounds, 1 is inner, 2 does nothing, 3 returns its k
// parameters.
type shape struct {
	name      string
	statement bool // a single instruction with its operands
	k         int
	code      []byte
	inner     []byte // takes and returns k values, or none
	locals    int    // additional locals of f and inner
	repeat    int    // times that the statement is in a round
	imported  bool   // the functions follow an imported one
	shared    bool
	pages     uint64
	elements  uint64
	segment   int // bytes of data and number of elements to initialize from
}

// The types of a shape's module. v stands for k values of i64.
const (
	typeEmpty   = iota // () -> ()
	typeSame           // v -> v
	typeF              // i64 -> ()
	typeTag            // v -> ()
	typeFuncRef        // v -> v funcref
	typeExnRef         // v -> v exnref
)

// arities has the numbers of values that shapes carry.
var arities = []int{0, 1, 16, 100, 999}

// allShapes returns all statements and shapes.
func allShapes() (all []shape) {
	for op, code := range simple() {
		all = append(all, shape{name: fmt.Sprintf("%#x", op), statement: true, code: code, repeat: 64})
	}
	for _, k := range arities {
		all = append(all, carrying(k)...)
	}
	return slices.Concat(all, special, bulkShapes())
}

// carrying returns the shapes that carry k values: branches, blocks, calls, exceptions.
func carrying(k int) (all []shape) {
	add := func(name string, code []byte, inner ...byte) {
		repeat := 64
		if k > 16 {
			repeat = 4
		}
		all = append(all, shape{name: fmt.Sprintf("%s, %d values", name, k), k: k, code: code, inner: inner, repeat: repeat})
	}
	add("block", []byte{0x02, typeSame, 0x0b})
	add("loop", []byte{0x03, typeSame, 0x0b})
	add("if", []byte{0x23, 0, 0x04, typeSame, 0x05, 0x0b})
	add("br", []byte{0x02, typeSame, 0x0c, 0, 0x0b})
	add("br_if", []byte{0x02, typeSame, 0x23, 0, 0x0d, 0, 0x0b})
	add("br_table", []byte{0x02, typeSame, 0x23, 0, 0x0e, 1, 0, 0, 0x0b})
	add("br_on_null", []byte{0x02, typeSame, 0xd0, 0x70, 0xd5, 0, 0x1a, 0x0b})
	add("br_on_non_null", []byte{0x02, typeFuncRef, 0xd2, 3, 0xd6, 0, 0xd0, 0x70, 0x0b, 0x1a})
	get := getParams(k)
	add("call", []byte{0x10, 3})
	add("call_indirect", []byte{0x41, 1, 0x11, typeSame, 0})
	add("call_ref", []byte{0xd2, 3, 0x14, typeSame})
	add("return", []byte{0x10, 1}, append(bytes.Clone(get), 0x0f)...)
	add("return_call", []byte{0x10, 1}, append(bytes.Clone(get), 0x12, 3)...)
	add("return_call_indirect", []byte{0x10, 1}, append(bytes.Clone(get), 0x41, 1, 0x13, typeSame, 0)...)
	add("return_call_ref", []byte{0x10, 1}, append(bytes.Clone(get), 0xd2, 3, 0x15, typeSame)...)
	const catch, catchRef = 0, 1
	add("try_table", []byte{0x02, typeSame, 0x1f, typeSame, 1, catch, 0, 0, 0x0b, 0x0b})
	add("throw", []byte{0x02, typeSame, 0x1f, typeSame, 1, catch, 0, 0, 0x08, 0, 0x0b, 0x0b})
	add("throw_ref", []byte{0x02, typeSame, 0x1f, typeSame, 1, catch, 0, 0, 0x02, typeExnRef,
		0x1f, typeSame, 1, catchRef, 0, 0, 0x08, 0, 0x0b, 0x00, 0x0b, 0x0a, 0x0b, 0x0b})
	return all
}

// special has single instructions that need more than a statement.
var special = []shape{
	{name: "local.get, local.set", code: []byte{0x20, 1, 0x21, 1}, repeat: 64},
	{name: "local.get, local.tee of 1,000", code: []byte{0x20, 1, 0x22, 2, 0x21, 3}, locals: 1000, repeat: 64},
	{name: "if that sets 1 of 1,000 locals", code: []byte{0x23, 0, 0x04, 0x40, 0x42, 1, 0x21, 2, 0x0b}, locals: 1000, repeat: 64},
	{name: "call with 1,000 locals", code: []byte{0x10, 1}, inner: []byte{0x01}, locals: 1000, repeat: 64},
	{name: "call of an import", code: []byte{0x10, 0}, imported: true, repeat: 64},
	{name: "ref.as_non_null", code: []byte{0xd2, 2, 0xd4, 0x1a}, repeat: 64},
	{name: "memory.atomic.wait32, not equal", code: []byte{0x41, 0, 0x41, 1, 0x42, 0, 0xfe, 1, 2, 0, 0x1a}, shared: true, repeat: 64},
	{name: "memory.atomic.wait64, not equal", code: []byte{0x41, 0, 0x42, 1, 0x42, 0, 0xfe, 2, 3, 0, 0x1a}, shared: true, repeat: 64},
	{name: "memory.atomic.wait32, no time", code: []byte{0x41, 0, 0x41, 0, 0x42, 0, 0xfe, 1, 2, 0, 0x1a}, shared: true, repeat: 64},
	{name: "memory.grow that fails", code: []byte{0x41, 1, 0x40, 0, 0x1a}, repeat: 64},
	{name: "table.grow that fails", code: []byte{0xd0, 0x70, 0x41, 1, 0xfc, 0x0f, 0, 0x1a}, repeat: 64},
}

// bulkShapes returns bulk operations on different numbers of bytes and elements.
func bulkShapes() (all []shape) {
	size := func(n int) []byte { return wasm.AppendSigned([]byte{0x41}, int64(n)) }
	for _, n := range []int{0, 1, 63, 4096, 1 << 20, 4 << 20} {
		all = append(all,
			shape{name: fmt.Sprintf("memory.fill, %d bytes", n), code: slices.Concat([]byte{0x41, 0, 0x41, 1}, size(n), []byte{0xfc, 0x0b, 0})},
			shape{name: fmt.Sprintf("memory.copy, %d bytes", n), code: slices.Concat([]byte{0x41, 3, 0x41, 0}, size(n), []byte{0xfc, 0x0a, 0, 0})},
			shape{name: fmt.Sprintf("memory.init, %d bytes", min(n, 1<<20)), segment: 1 << 20, code: slices.Concat([]byte{0x41, 3, 0x41, 0}, size(min(n, 1<<20)), []byte{0xfc, 0x08, 0, 0})})
	}
	for _, n := range []int{0, 1, 7, 1000, 1 << 17, 1 << 19} {
		all = append(all,
			shape{name: fmt.Sprintf("table.fill, %d elements", n), code: slices.Concat([]byte{0x41, 0, 0xd0, 0x70}, size(n), []byte{0xfc, 0x11, 0})},
			shape{name: fmt.Sprintf("table.copy, %d elements", n), code: slices.Concat([]byte{0x41, 3, 0x41, 0}, size(n), []byte{0xfc, 0x0e, 0, 0})},
			shape{name: fmt.Sprintf("table.init, %d elements", min(n, 1<<17)), segment: 1 << 17, code: slices.Concat([]byte{0x41, 3, 0x41, 0}, size(min(n, 1<<17)), []byte{0xfc, 0x0c, 1, 0})})
	}
	for i := range all {
		all[i].repeat, all[i].pages, all[i].elements = 1, 512, 1<<20
	}
	return slices.CompactFunc(all, func(a, b shape) bool { return a.name == b.name })
}

// getParams pushes the k parameters.
func getParams(k int) (code []byte) {
	for i := range k {
		code = wasm.AppendIndex(append(code, 0x20), uint32(i))
	}
	return code
}

// has reports whether the shape has an instruction.
func (s shape) has(op wasm.Opcode) bool {
	for _, code := range [][]byte{s.code, s.inner} {
		in := (&wasm.Code{Expr: append(bytes.Clone(code), 0x0b)}).Instructions()
		for in.Next() {
			if in.Op == op {
				return true
			}
		}
	}
	return false
}

// places returns the places of the code: straight, in a leaf that is called, alone in a
// loop.
func (s shape) places() []string {
	switch {
	case s.statement:
		return []string{"straight", "leaf", "loop"}
	case s.repeat > 1:
		return []string{"straight", "loop"}
	}
	return []string{"straight"}
}

// module returns the shape's module, which exports f.
func (s shape) module(place string) []byte {
	v := bytesOf(wasm.I64, s.k)
	m := &wasm.Module{
		Types: []wasm.FuncType{{}, {Params: v, Results: v}, {Params: []wasm.ValueType{wasm.I64}}, {Params: v},
			{Params: v, Results: append(slices.Clip(v), wasm.FuncRef)}},
		Functions: []uint32{typeF, typeEmpty, typeEmpty, typeSame},
		Globals:   slices.Concat(globals, globals),
		Tables:    []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: max(s.elements, 2), Max: max(s.elements, 2), HasMax: true}}},
		Memories:  []wasm.Limits{{Min: max(s.pages, 1), Max: max(s.pages, 1), HasMax: true, Shared: s.shared}},
		Code:      []wasm.Code{s.withLocals(s.f(place), 1), s.withLocals(s.innerOf(place), 0), {Expr: []byte{0x0b}}, {Expr: append(getParams(s.k), 0x0b)}},
		Exports:   []wasm.Export{{Name: "f", Kind: wasm.KindFunc}},
	}
	if len(s.inner) > 0 && s.k > 0 {
		m.Functions[1] = typeSame
	}
	if s.has(0x1f) {
		m.Tags = []uint32{typeTag}
		m.Types = append(m.Types, wasm.FuncType{Params: v, Results: append(slices.Clip(v), wasm.ExnRef)})
	}
	s.segments(m)
	if s.imported {
		m.Imports, m.Exports[0].Index = []wasm.Import{{Module: "host", Name: "started"}}, 1
	}
	return m.Encode()
}

// f returns the code of a function that runs the shape. Its parameter is the number of
// rounds.
func (s shape) f(place string) []byte {
	body, loop := bytes.Repeat(s.code, s.repeat), byte(0x40)
	switch place {
	case "leaf":
		body = bytes.Repeat([]byte{0x10, 1}, s.repeat)
	case "loop":
		body = s.code
	}
	if s.k > 0 {
		loop = typeSame
	}
	code := bytes.Repeat([]byte{0x42, 1}, s.k)
	code = append(append(code, 0x03, loop), body...)
	code = append(code, 0x20, 0, 0x42, 1, 0x7d, 0x22, 0, 0x42, 0, 0x52, 0x0d, 0, 0x0b)
	return append(append(code, bytes.Repeat([]byte{0x1a}, s.k)...), 0x0b)
}

func (s shape) innerOf(place string) []byte {
	if place == "leaf" {
		return append(bytes.Clone(s.code), 0x0b)
	}
	return append(bytes.Clone(s.inner), 0x0b)
}

func (s shape) withLocals(expr []byte, least int) wasm.Code {
	n := max(s.locals, least)
	return wasm.Code{Expr: expr, Groups: 1, Locals: uint32(n), Decls: append(wasm.AppendIndex(nil, uint32(n)), 0x7e)}
}

// segments adds data and elements to m: elements 2 and 3 in the table, and others to
// initialize from.
func (s shape) segments(m *wasm.Module) {
	one, bytesN, elements := uint32(1), max(s.segment, 1), max(s.segment, 1)
	m.DataCount = &one
	m.Data = wasm.Segments{Count: 1, Raw: append(wasm.AppendIndex([]byte{1}, uint32(bytesN)), make([]byte, bytesN)...)}
	if elements > 1<<17 {
		elements = 1
	}
	raw := wasm.AppendIndex([]byte{0, 0x41, 0, 0x0b, 2, 2, 3, 1, 0}, uint32(elements))
	m.Elements = wasm.Segments{Count: 2, Raw: append(raw, bytes.Repeat([]byte{2}, elements)...)}
}
