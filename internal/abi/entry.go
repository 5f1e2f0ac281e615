package abi

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Op selects one of the operations of an entry.
type Op uint32

// The operations of an entry, with their arguments and results.
const (
	OpRealloc      Op = iota // (size, size, align): two pointers from cabi_realloc; for a size of 0, align
	OpMessage                // handle-message's arguments: its result area
	OpPostMessage            // (area)
	OpCallback               // (tag, ptr, len, -, request-id): handle-callback's result area
	OpPostCallback           // (area)
)

// entryType is (op, a, b, c, d i32, id i64) -> (i32, i32).
var entryType = wasm.FuncType{
	Params:  []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I64},
	Results: []wasm.ValueType{wasm.I32, wasm.I32},
}

// EntrySlots is the largest number of values that an entry takes or returns.
const EntrySlots = 6

// The entry's parameters, as locals.
const (
	entryOp = iota
	entryA
	entryB
	entryC
	entryD
	entryID
)

// AddEntry adds a function to a module that meets the contract, and returns the
// function's export name. The function calls one of the guest's functions, selected
// by [Op], or traps if the guest lacks that function. With this entry the host needs
// one handle and one stack for all functions, and it allocates both arguments of
// handle-message with a single call. AddEntry replaces m's slices and does not
// change their elements.
func AddEntry(m *wasm.Module) string {
	name := freeName(m, "airhost:entry")
	a := assembler{functions: make(map[string]uint32)}
	for _, e := range m.Exports {
		if e.Kind == wasm.KindFunc {
			a.functions[e.Name] = e.Index
		}
	}
	a.entry()
	index := uint32(m.Len(wasm.KindFunc))
	m.Types = append(slices.Clip(m.Types), entryType)
	m.Functions = append(slices.Clip(m.Functions), uint32(len(m.Types)-1))
	m.Code = append(slices.Clip(m.Code), wasm.Code{Expr: a.code})
	m.Exports = append(slices.Clip(m.Exports), wasm.Export{Name: name, Kind: wasm.KindFunc, Index: index})
	return name
}

// freeName returns a name that m does not export: name itself or a variant of it.
func freeName(m *wasm.Module, name string) string {
	for slices.ContainsFunc(m.Exports, func(e wasm.Export) bool { return e.Name == name }) {
		name += "'"
	}
	return name
}

// Opcodes.
const (
	opUnreachable = 0x00
	opIf          = 0x04
	opElse        = 0x05
	opEnd         = 0x0b
	opReturn      = 0x0f
	opCall        = 0x10
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opI32Const    = 0x41
	opI32Eq       = 0x46
	noResult      = 0x40
	typeI32       = 0x7f
)

// assembler generates the entry's code.
type assembler struct {
	functions map[string]uint32 // index of each function by export name
	code      []byte
}

func (a *assembler) emit(code ...byte) { a.code = append(a.code, code...) }

func (a *assembler) entry() {
	a.when(OpMessage, func() { a.call(HandleMessage, entryA, entryB, entryC, entryD); a.emit(opI32Const, 0) })
	a.when(OpRealloc, func() { a.realloc(entryA); a.realloc(entryB) })
	a.when(OpCallback, func() { a.call(HandleCallback, entryID, entryA, entryB, entryC); a.emit(opI32Const, 0) })
	a.when(OpPostMessage, func() { a.post(PostHandleMessage) })
	a.when(OpPostCallback, func() { a.post(PostHandleCallback) })
	a.emit(opUnreachable, opEnd)
}

// when generates: if the operation is op, run body and return the two values on the
// stack.
func (a *assembler) when(op Op, body func()) {
	a.emit(opLocalGet, entryOp, opI32Const, byte(op), opI32Eq, opIf, noResult)
	body()
	a.emit(opReturn, opEnd)
}

// call generates a call of the guest's export, or a trap if the guest lacks it.
func (a *assembler) call(name string, locals ...byte) {
	index, ok := a.functions[name]
	if !ok {
		a.emit(opUnreachable)
		return
	}
	for _, local := range locals {
		a.emit(opLocalGet, local)
	}
	a.code = wasm.AppendIndex(append(a.code, opCall), index)
}

func (a *assembler) post(name string) {
	a.call(name, entryA)
	a.emit(opI32Const, 0, opI32Const, 0)
}

// realloc generates an allocation of as many bytes as the local says. It leaves the
// pointer on the stack.
func (a *assembler) realloc(size byte) {
	a.emit(opLocalGet, size, opIf, typeI32)
	a.emit(opI32Const, 0, opI32Const, 0, opLocalGet, entryC, opLocalGet, size)
	a.code = wasm.AppendIndex(append(a.code, opCall), a.functions[Realloc])
	a.emit(opElse, opLocalGet, entryC, opEnd)
}
