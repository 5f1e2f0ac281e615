package meter

import "github.com/airhost/airhost/internal/wasm"

// slowBody writes the body of a function that replaces a slow instruction. The parameters
// are the instruction's operands.
type slowBody struct {
	*slow
	out   []byte
	op    []byte // the instruction
	shift int64  // the operand of the size costs 2^shift times its value
	piece int64  // the size of a piece, in bytes or elements
}

func (b *slowBody) emit(code ...byte) { b.out = append(b.out, code...) }

// size pushes a piece's size.
func (b *slowBody) size() {
	b.emit(opI32Const)
	b.out = wasm.AppendSigned(b.out, b.piece)
}

// get pushes parameters.
func (b *slowBody) get(params ...byte) {
	for _, p := range params {
		b.emit(opLocalGet, p)
	}
}

// change adds a piece's size to a parameter or subtracts it, as op says.
func (b *slowBody) change(param, op byte) {
	b.get(param)
	b.size()
	b.emit(op, opLocalSet, param)
}

// test adds a test, if the engine does not check itself.
func (b *slowBody) test() {
	if b.checks != nil {
		b.emit(b.checks.test...)
	}
}

// chargePiece charges for one piece.
func (b *slowBody) chargePiece() {
	if b.checks == nil {
		return
	}
	fuel := b.piece << max(b.shift, 0) >> max(-b.shift, 0)
	b.out = b.checks.charge(b.out, fuel)
}

// chargeSize charges for the size, which is a parameter and on top of the stack.
func (b *slowBody) chargeSize(param byte) {
	if b.checks != nil {
		b.out = b.checks.chargeSize(b.out, uint32(param), b.shift)
	}
}

// sized ends the body with the instruction itself. The parameter last is its size.
func (b *slowBody) sized(last byte) wasm.Code {
	for p := range last {
		b.get(p)
	}
	b.get(last)
	b.chargeSize(last)
	b.test()
	b.emit(b.op...)
	b.emit(opEnd)
	return wasm.Code{Expr: b.out}
}

// growMemory returns the body for memory.grow. A global keeps the number of refused pages
// until the next memory.grow.
func (b *slowBody) growMemory() wasm.Code {
	const pages, before = 0, 1
	if !b.grows {
		b.grows, b.refused = true, b.module.AddGlobal(wasm.I32, []byte{opI32Const, 0})
	}
	b.get(pages)
	b.chargeSize(pages)
	b.test()
	b.emit(b.op...)
	b.emit(opLocalSet, before)
	b.get(pages)
	b.emit(opI32Const, 0)
	b.get(before)
	b.emit(opI32Const, 0x7f, opI32Eq, opSelect)
	b.out = index(b.out, opGlobalSet, b.refused)
	b.get(before)
	b.emit(opEnd)
	return wasm.Code{Expr: b.out, Groups: 1, Locals: 1, Decls: []byte{1, typeI32}}
}

// wait returns the body for an atomic wait. It uses a short timeout, since the code cannot
// test during a wait, and no other thread can end it.
func (b *slowBody) wait() wasm.Code {
	b.test()
	b.get(0, 1)
	b.emit(opI64Const)
	b.out = wasm.AppendSigned(b.out, longestWait)
	b.emit(b.op...)
	b.emit(opEnd)
	return wasm.Code{Expr: b.out}
}

// bulk returns the body for an instruction with three operands: destination, source or
// value, and size. copies is true if the second one is a source.
func (b *slowBody) bulk(copies bool) wasm.Code {
	b.get(2)
	b.size()
	b.emit(opI32GtU, opIf, noType)
	b.outOfBounds(copies)
	b.emit(opLoop, noType)
	b.chargePiece()
	b.test()
	if copies {
		b.copyPiece()
	} else {
		b.onPiece()
		b.change(0, opI32Add)
	}
	b.change(2, opI32Sub)
	b.get(2)
	b.size()
	b.emit(opI32GtU, byte(wasm.OpBrIf), 0, opEnd, opEnd)
	return b.sized(2)
}

// outOfBounds traps like the instruction if its range is out of bounds.
func (b *slowBody) outOfBounds(copies bool) {
	b.get(0, 2)
	b.emit(opI32Add)
	b.get(0)
	b.emit(opI32LtU)
	if copies {
		b.get(1, 2)
		b.emit(opI32Add)
		b.get(1)
		b.emit(opI32LtU, opI32Or)
	}
	b.emit(opIf, noType) // beyond 2^32
	b.get(0, 1, 2)
	b.emit(b.op...)
	b.emit(opEnd)
	b.get(0, 2)
	b.emit(opI32Add)
	b.get(1)
	if copies {
		b.get(2)
		b.emit(opI32Add)
	}
	b.emit(opI32Const, 0)
	b.emit(b.op...)
}

// onPiece executes the instruction for the first piece.
func (b *slowBody) onPiece() {
	b.get(0, 1)
	b.size()
	b.emit(b.op...)
}

// copyPiece copies a piece. It copies the first one and goes on after it. If the
// destination is after the source, they may overlap, and it copies the last one.
func (b *slowBody) copyPiece() {
	b.get(1, 0)
	b.emit(opI32LtU, opIf, noType)
	for p := range byte(2) {
		b.get(p, 2)
		b.emit(opI32Add)
		b.size()
		b.emit(opI32Sub)
	}
	b.size()
	b.emit(b.op...)
	b.emit(opElse)
	b.onPiece()
	b.change(0, opI32Add)
	b.change(1, opI32Add)
	b.emit(opEnd)
}

// grow returns the body for table.grow, with the operands value and number. It cuts the
// operation only if the table has room for all elements. If the engine has no memory for
// a piece, the function traps, since it cannot undo the pieces before. A local keeps the
// previous size.
func (b *slowBody) grow(table wasm.Table) wasm.Code {
	if !table.HasMax || table.Max <= uint64(b.piece) || table.Max >= 1<<31 {
		return b.sized(1)
	}
	tableSize := append([]byte{0xfc, 0x10}, b.op[2:]...)
	b.get(1)
	b.size()
	b.emit(opI32GtU, opIf, noType)
	b.emit(opI32Const) // the room in the table
	b.out = wasm.AppendSigned(b.out, int64(table.Max))
	b.emit(tableSize...)
	b.emit(opI32Sub)
	b.get(1)
	b.emit(opI32GeU, opIf, noType)
	b.emit(tableSize...)
	b.emit(opLocalSet, 2, opLoop, noType)
	b.chargePiece()
	b.test()
	b.get(0)
	b.size()
	b.orTrap()
	b.change(1, opI32Sub)
	b.get(1)
	b.size()
	b.emit(opI32GtU, byte(wasm.OpBrIf), 0, opEnd)
	b.get(0, 1)
	b.chargeSize(1)
	b.test()
	b.orTrap()
	b.get(2)
	b.emit(byte(wasm.OpReturn), opEnd, opEnd)
	code := b.sized(1)
	code.Groups, code.Locals, code.Decls = 1, 1, []byte{1, typeI32}
	return code
}

// orTrap executes the instruction, and traps if the result is -1.
func (b *slowBody) orTrap() {
	b.emit(b.op...)
	b.emit(opI32Const, 0x7f, opI32Eq, opIf, noType, opUnreachable, opEnd)
}
