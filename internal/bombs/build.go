// Package bombs makes small modules that cost as much as possible to load or
// compile, in many kinds and several sizes. All of them meet the contract; some
// exceed the host's bounds.
package bombs

import (
	"slices"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// Opcodes used by the bombs.
const (
	opBlock      = 0x02
	opLoop       = 0x03
	opIf         = 0x04
	opElse       = 0x05
	opEnd        = 0x0b
	opBr         = 0x0c
	opBrIf       = 0x0d
	opBrTable    = 0x0e
	opReturn     = 0x0f
	opCall       = 0x10
	opIndirect   = 0x11
	opDrop       = 0x1a
	opSelect     = 0x1b
	opLocalGet   = 0x20
	opLocalSet   = 0x21
	opGlobalGet  = 0x23
	opGlobalSet  = 0x24
	opTableGet   = 0x25
	opI64Load    = 0x29
	opI64Store   = 0x37
	opMemorySize = 0x3f
	opMemoryGrow = 0x40
	opI32Const   = 0x41
	opI64Const   = 0x42
	opI32Eqz     = 0x45
	opI64Add     = 0x7c
	opF32Nearest = 0x90
	opI64DivS    = 0x7f
	opRefNull    = 0xd0
	opRefFunc    = 0xd2
	opMisc       = 0xfc

	noResult = 0x40
	funcref  = 0x70
)

// Types that each bomb declares first.
const (
	typeHandle = iota // (i32, i32, i32, i32) -> i32
	typePlain         // () -> ()
	typeMany          // the first type that the bomb itself adds
)

// module returns a guest with the two required functions.
func module() *wasm.Module {
	four := slices.Repeat([]wasm.ValueType{wasm.I32}, 4)
	return &wasm.Module{
		Types:     []wasm.FuncType{{Params: four, Results: []wasm.ValueType{wasm.I32}}, {}},
		Functions: []uint32{typeHandle, typeHandle},
		Memories:  []wasm.Limits{{Min: 1}},
		Exports: []wasm.Export{
			{Name: abi.Memory, Kind: wasm.KindMemory}, {Name: abi.Realloc, Kind: wasm.KindFunc}, {Name: abi.HandleMessage, Kind: wasm.KindFunc, Index: 1},
		},
		Code: []wasm.Code{{Expr: code(constant(1024), end)}, {Expr: code(constant(64), end)}},
	}
}

var end = []byte{opEnd}

func code(parts ...[]byte) []byte { return slices.Concat(parts...) }

func times(n int, parts ...[]byte) []byte { return slices.Repeat(slices.Concat(parts...), n) }

func op(opcode byte, index int) []byte { return wasm.AppendIndex([]byte{opcode}, uint32(index)) }

func constant(n int) []byte { return wasm.AppendSigned([]byte{opI32Const}, int64(n)) }

func number(n int) []byte { return wasm.AppendIndex(nil, uint32(n)) }

// add adds a function with this many locals of type i64.
func add(m *wasm.Module, typ, locals int, expr ...[]byte) {
	c := wasm.Code{Expr: append(code(expr...), opEnd)}
	if locals > 0 {
		c.Groups, c.Locals = 1, uint32(locals)
		c.Decls = wasm.AppendValueType(number(locals), wasm.I64)
	}
	m.Functions = append(m.Functions, uint32(typ))
	m.Code = append(m.Code, c)
}

// one returns a guest with one additional function, without parameters.
func one(locals int, expr ...[]byte) *wasm.Module {
	m := module()
	add(m, typePlain, locals, expr...)
	return m
}

// signature adds a type with this many parameters and results of type i64.
func signature(m *wasm.Module, params, results int) int {
	many := func(n int) []wasm.ValueType { return slices.Repeat([]wasm.ValueType{wasm.I64}, n) }
	m.Types = append(m.Types, wasm.FuncType{Params: many(params), Results: many(results)})
	return len(m.Types) - 1
}

// globals adds mutable globals of type i64.
func globals(m *wasm.Module, n int) {
	m.Globals = append(m.Globals, slices.Repeat([]wasm.Global{{
		Type: wasm.GlobalType{Value: wasm.I64, Mutable: true}, Init: []byte{opI64Const, 7, opEnd},
	}}, n)...)
}

// gets reads n locals, the i-th of count.
func gets(n, count int) (expr []byte) {
	for i := range n {
		expr = append(expr, op(opLocalGet, i%count)...)
	}
	return expr
}

// loads pushes n different values.
func loads(n int) (expr []byte) {
	for i := range n {
		expr = append(expr, constant(8*i%60000)...)
		expr = append(expr, opI64Load, 3, 0)
	}
	return expr
}

// chase follows a chain of n addresses: it loads each from the place of the last
// one.
func chase(n, local int) []byte {
	return times(n, op(opLocalGet, local), []byte{0xa7, opI64Load, 3, 0}, op(opLocalSet, local))
}

// branch is a condition and a branch that is taken if it is true.
func branch(label int) []byte { return code([]byte{opMemorySize, 0}, op(opBrIf, label)) }
