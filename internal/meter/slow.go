package meter

import (
	"bytes"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// slowOps has the instructions that may take long. The value is a shift: the instruction
// costs the topmost operand times 2^shift in addition.
var slowOps = map[wasm.Opcode]int64{
	wasm.OpMemoryGrow: 10,                                               // pages
	wasm.OpMemoryInit: -6, wasm.OpMemoryCopy: -6, wasm.OpMemoryFill: -6, // bytes
	wasm.OpTableInit: 3, wasm.OpTableCopy: -3, wasm.OpTableGrow: -3, wasm.OpTableFill: -3, // elements
	opWait32: 0, opWait64: 0, // no additional cost
}

// Slow instructions that package wasm does not name, and the sizes of pieces.
const (
	opWait32 wasm.Opcode = 0xfe01
	opWait64 wasm.Opcode = 0xfe02

	pieceBytes    = 1 << 20
	pieceElements = 4096 // Wasmtime takes 90 ns for one from a segment
)

// slow has the functions that replace slow instructions, one for each different
// instruction with its immediates. A function tests before the instruction, and charges
// for its size.
//
// A bulk operation on more than a piece is cut. First an operation of size 0 at the end of
// the range traps if a part of the range is out of bounds. Then the function handles the
// pieces, with a test before each.
type slow struct {
	module *wasm.Module // to which the functions are added
	checks *checks      // nil for an engine that checks at functions and loops itself
	funcs  map[string]uint32
	first  uint32 // index of the first added function
	types  []uint32
	code   []wasm.Code

	imports uint32 // number of functions that the guest imports

	grows   bool   // the code has a memory.grow
	refused uint32 // if so, the global with the number of refused pages
}

// slowOf makes the functions for the slow instructions of m. add adds them to out, a copy
// of m, where first will be the first one's index.
func slowOf(m, out *wasm.Module, c *checks, first uint32) *slow {
	s := &slow{imports: uint32(m.Len(wasm.KindFunc) - len(m.Functions)), module: out, checks: c, funcs: make(map[string]uint32), first: first}
	for i := range m.Code {
		if maySlow(m.Code[i].Expr) {
			s.collect(&m.Code[i])
		}
	}
	return s
}

// maySlow reports whether code has a byte without which it has no slow instructions.
func maySlow(code []byte) bool {
	return bytes.IndexByte(code, byte(wasm.OpMemoryGrow)) >= 0 || bytes.IndexByte(code, 0xfc) >= 0 || bytes.IndexByte(code, 0xfe) >= 0
}

// collect makes the functions for the slow instructions of code. Malformed code is refused
// later.
func (s *slow) collect(code *wasm.Code) {
	in := code.Instructions()
	for in.Next() {
		if _, ok := slowOps[in.Op]; !ok {
			continue
		}
		op := code.Expr[in.Start:in.End]
		if _, ok := s.funcs[string(op)]; ok {
			continue
		}
		if typ, body, ok := s.function(in.Op, op); ok {
			s.take(op, typ, body)
		}
	}
}

// take adds a function of the given body that replaces op.
func (s *slow) take(op []byte, typ wasm.FuncType, body wasm.Code) {
	s.funcs[string(op)] = s.first + uint32(len(s.code))
	s.types = append(s.types, typeIndex(s.module, typ))
	s.code = append(s.code, body)
}

// add adds the functions to the module, and returns the name of [Result.RefusedGlobal].
func (s *slow) add() (refused string) {
	s.module.Functions = append(slices.Clip(s.module.Functions), s.types...)
	s.module.Code = append(slices.Clip(s.module.Code), s.code...)
	if !s.grows {
		return ""
	}
	return s.module.Export("airhost:refused", wasm.KindGlobal, s.refused)
}

// function returns the type and the body of the function that replaces op. ok is false
// if op names a table that does not exist: the engine refuses op then.
func (s *slow) function(code wasm.Opcode, op []byte) (typ wasm.FuncType, body wasm.Code, ok bool) {
	i32, i64 := wasm.I32, wasm.I64
	typ.Params = []wasm.ValueType{i32, i32, i32}
	b := &slowBody{slow: s, op: op, shift: slowOps[code], piece: pieceBytes}
	switch code {
	case wasm.OpMemoryGrow:
		return wasm.FuncType{Params: []wasm.ValueType{i32}, Results: []wasm.ValueType{i32}}, b.growMemory(), true
	case opWait32, opWait64:
		expected := map[wasm.Opcode]wasm.ValueType{opWait32: i32, opWait64: i64}[code]
		typ = wasm.FuncType{Params: []wasm.ValueType{i32, expected, i64}, Results: []wasm.ValueType{i32}}
		return typ, b.wait(), true
	case wasm.OpMemoryFill:
		return typ, b.bulk(false), true
	case wasm.OpMemoryInit, wasm.OpMemoryCopy:
		return typ, b.bulk(true), true
	}
	b.piece = pieceElements
	table, exists := s.table(code, op)
	if !exists {
		return typ, body, false
	}
	switch code {
	case wasm.OpTableInit, wasm.OpTableCopy:
		return typ, b.bulk(true), true
	case wasm.OpTableFill:
		typ.Params[1] = table.Elem
		return typ, b.bulk(false), true
	}
	typ = wasm.FuncType{Params: []wasm.ValueType{table.Elem, i32}, Results: []wasm.ValueType{i32}}
	return typ, b.grow(table), true
}

// table returns the first table that op names.
func (s *slow) table(code wasm.Opcode, op []byte) (wasm.Table, bool) {
	in := (&wasm.Code{Expr: op}).Instructions()
	in.Next()
	i := in.Index
	if code == wasm.OpTableInit {
		i = in.Second
	}
	return s.module.TableAt(i)
}
