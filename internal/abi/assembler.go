package abi

import (
	"encoding/binary"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Opcodes.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opIf          = 0x04
	opElse        = 0x05
	opEnd         = 0x0b
	opBr          = 0x0c
	opBrIf        = 0x0d
	opReturn      = 0x0f
	opCall        = 0x10
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opLocalTee    = 0x22
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opI32Load     = 0x28
	opI64Load     = 0x29
	opI32Load8U   = 0x2d
	opI64Store    = 0x37
	opI32Store8   = 0x3a
	opMemorySize  = 0x3f
	opI32Const    = 0x41
	opI64Const    = 0x42
	opI32Eqz      = 0x45
	opI32Eq       = 0x46
	opI32Ne       = 0x47
	opI32LtU      = 0x49
	opI32GtU      = 0x4b
	opI64Eqz      = 0x50
	opI64GtU      = 0x56
	opI32Sub      = 0x6b
	opI32And      = 0x71
	opI32Or       = 0x72
	opI32ShrU     = 0x76
	opI64Add      = 0x7c
	opI64And      = 0x83
	opI64Or       = 0x84
	opI64Xor      = 0x85
	opI64Shl      = 0x86
	opI64ShrU     = 0x88
	opI32WrapI64  = 0xa7
	opI64ExtendU  = 0xad

	noResult = 0x40
	typeI32  = 0x7f
	typeI64  = 0x7e
)

// assembler generates the code of a function.
type assembler struct{ code []byte }

func (a *assembler) emit(code ...byte) { a.code = append(a.code, code...) }

// i32 and i64 generate constants.
func (a *assembler) i32(v int64) { a.code = wasm.AppendSigned(append(a.code, opI32Const), v) }
func (a *assembler) i64(v int64) { a.code = wasm.AppendSigned(append(a.code, opI64Const), v) }

// get and set generate the instructions for a local.
func (a *assembler) get(local byte) { a.emit(opLocalGet, local) }
func (a *assembler) set(local byte) { a.emit(opLocalSet, local) }

// index generates an instruction with an index.
func (a *assembler) index(op byte, i uint32) { a.code = wasm.AppendIndex(append(a.code, op), i) }

// load generates a load at the address in a local and a fixed offset.
func (a *assembler) load(op, local byte, offset uint32) {
	a.get(local)
	a.access(op, offset)
}

// access generates a load or store without its operands. It declares no alignment.
func (a *assembler) access(op byte, offset uint32) {
	a.code = binary.AppendUvarint(append(a.code, op, 0), uint64(offset))
}

// when generates code that runs body if the value on the stack is not 0.
func (a *assembler) when(body func()) {
	a.emit(opIf, noResult)
	body()
	a.emit(opEnd)
}

// block generates code that a branch with label 0 in body leaves.
func (a *assembler) block(body func()) {
	a.emit(opBlock, noResult)
	body()
	a.emit(opEnd)
}

// moduleCode generates functions of a module.
type moduleCode struct {
	assembler
	m         *wasm.Module
	functions map[string]uint32 // indices of the guest's exports and of imports, by name
}

// call generates a call of a function with the given locals, or a trap if the guest lacks
// the function.
func (g *moduleCode) call(name string, locals ...byte) {
	f, ok := g.functions[name]
	if !ok {
		g.emit(opUnreachable)
		return
	}
	for _, local := range locals {
		g.get(local)
	}
	g.index(opCall, f)
}

// function adds the generated code as a function with these locals, and returns its
// index.
func (g *moduleCode) function(typ wasm.FuncType, locals ...byte) uint32 {
	g.emit(opEnd)
	index := uint32(g.m.Len(wasm.KindFunc))
	g.m.Types = append(slices.Clip(g.m.Types), typ)
	g.m.Functions = append(slices.Clip(g.m.Functions), uint32(len(g.m.Types)-1))
	code := wasm.Code{Groups: uint32(len(locals)), Locals: uint32(len(locals)), Expr: g.code}
	for _, typ := range locals {
		code.Decls = append(code.Decls, 1, typ)
	}
	g.m.Code = append(slices.Clip(g.m.Code), code)
	g.code = nil
	return index
}

// beyond generates code that pushes whether the bytes at the address in a local do not
// lie in the memory, whose size in bytes is in the local limit. size pushes their number
// as i64.
func (a *assembler) beyond(address, limit byte, size func()) {
	a.get(address)
	a.emit(opI64ExtendU)
	size()
	a.emit(opI64Add)
	a.get(limit)
	a.emit(opI64GtU)
}

// memoryBytes generates code that sets a local of type i64 to the memory's size in bytes.
func (a *assembler) memoryBytes(limit byte) {
	a.emit(opMemorySize, 0, opI64ExtendU)
	a.i64(16)
	a.emit(opI64Shl)
	a.set(limit)
}
