package abi

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Op is what an entry is asked to do.
type Op uint32

// The operations of an entry, and what they make of its arguments.
const (
	OpRealloc      Op = iota // (size, size, align): two pointers from cabi_realloc; for a size of 0, align
	OpMessage                // handle-message's: its area
	OpPostMessage            // (area)
	OpCallback               // (tag, ptr, len, -, request-id): handle-callback's area
	OpPostCallback           // (area)
)

// entryType is (op, a, b, c, d i32, id i64) -> (i32, i32).
var entryType = wasm.FuncType{
	Params:  []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I64},
	Results: []wasm.ValueType{wasm.I32, wasm.I32},
}

// EntrySlots is how many values an entry takes or returns at the most.
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
// name under which it is exported. It calls whichever of the guest's functions a
// message needs, by [Op]; what the guest lacks traps. Through it a host keeps one
// handle, and with it one stack, instead of one for each function, and both
// arguments of handle-message are allocated in one crossing. m's slices are
// replaced, not changed.
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

// freeName returns a name that m does not export: the one that is wanted, or
// one like it.
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

// assembler writes the entry's code.
type assembler struct {
	functions map[string]uint32 // by their exports' names
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

// when runs what body writes, and returns the two values that it leaves, if the
// operation is op.
func (a *assembler) when(op Op, body func()) {
	a.emit(opLocalGet, entryOp, opI32Const, byte(op), opI32Eq, opIf, noResult)
	body()
	a.emit(opReturn, opEnd)
}

// call calls an export of the guest; where the guest lacks it the code traps.
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

// realloc leaves a pointer to as many bytes as the local says.
func (a *assembler) realloc(size byte) {
	a.emit(opLocalGet, size, opIf, typeI32)
	a.emit(opI32Const, 0, opI32Const, 0, opLocalGet, entryC, opLocalGet, size)
	a.code = wasm.AppendIndex(append(a.code, opCall), a.functions[Realloc])
	a.emit(opElse, opLocalGet, entryC, opEnd)
}
