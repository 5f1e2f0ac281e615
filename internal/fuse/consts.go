package fuse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Instructions of constant expressions.
const (
	opI32Const wasm.Opcode = 0x41
	opI64Const wasm.Opcode = 0x42
	opF32Const wasm.Opcode = 0x43
	opF64Const wasm.Opcode = 0x44
	opI32Add   wasm.Opcode = 0x6a
	opI32Sub   wasm.Opcode = 0x6b
	opI32Mul   wasm.Opcode = 0x6c
	opI64Add   wasm.Opcode = 0x7c
	opI64Sub   wasm.Opcode = 0x7d
	opI64Mul   wasm.Opcode = 0x7e
	opRefNull  wasm.Opcode = 0xd0
	opV128     wasm.Opcode = 0xfd0c
)

// value is the value of a constant expression. Every one is known before the module
// runs: it may refer to constants, functions, and immutable globals of instances only.
type value struct {
	typ  wasm.ValueType
	bits uint64 // of a number
	wide []byte // the 16 bytes of a v128
	fn   *def   // of a reference to a function, or nil for null
}

// initGlobals finds the initial values of the globals that the instance's module defines.
func (in *instance) initGlobals() error {
	m := in.module
	in.globals = make([]value, 0, len(m.Globals))
	for i := range m.Globals {
		v, err := in.constant(m.Globals[i].Init, m.Globals[i].Type.Value)
		if err != nil {
			return fmt.Errorf("global %d: %w", len(in.imports[wasm.KindGlobal])+i, err)
		}
		in.globals = append(in.globals, v)
	}
	return nil
}

// constant returns the value of a constant expression, which must have the type want. It
// may refer to globals with known values.
func (in *instance) constant(expr []byte, want wasm.ValueType) (value, error) {
	var stack []value
	c := wasm.Code{Expr: expr}
	code := c.Instructions()
	for code.Next() {
		if code.Op == wasm.OpEnd {
			break
		}
		var err error
		if stack, err = in.step(stack, &code, expr[code.Start:code.End]); err != nil {
			return value{}, err
		}
	}
	if err := code.Err(); err != nil {
		return value{}, err
	}
	if len(stack) != 1 || stack[0].typ != want {
		return value{}, fmt.Errorf("expected a constant expression for one %s", want)
	}
	return stack[0], nil
}

// step executes one instruction of a constant expression.
func (in *instance) step(stack []value, code *wasm.Instructions, op []byte) ([]value, error) {
	switch code.Op {
	case opI32Const:
		return append(stack, value{typ: wasm.I32, bits: uint64(uint32(wasm.Signed(op[1:])))}), nil
	case opI64Const:
		return append(stack, value{typ: wasm.I64, bits: uint64(wasm.Signed(op[1:]))}), nil
	case opF32Const:
		return append(stack, value{typ: wasm.F32, bits: uint64(binary.LittleEndian.Uint32(op[1:]))}), nil
	case opF64Const:
		return append(stack, value{typ: wasm.F64, bits: binary.LittleEndian.Uint64(op[1:])}), nil
	case opV128:
		return append(stack, value{typ: wasm.V128, wide: op[2:]}), nil
	case opRefNull:
		typ := wasm.ExternRef
		if op[1] == wasm.FuncRef.Code {
			typ = wasm.FuncRef
		}
		return append(stack, value{typ: typ}), nil
	case wasm.OpRefFunc:
		d := in.at(wasm.KindFunc, code.Index)
		return append(stack, value{typ: wasm.FuncRef, fn: &d}), nil
	case wasm.OpGlobalGet:
		v, err := in.globalValue(code.Index)
		return append(stack, v), err
	}
	return arithmetic(stack, code.Op)
}

// globalValue returns the value of an immutable global.
func (in *instance) globalValue(index uint32) (value, error) {
	d := in.at(wasm.KindGlobal, index)
	if int(d.index) >= len(d.owner.globals) {
		return value{}, fmt.Errorf("expected an earlier global in a constant expression, got global %d", index)
	}
	if d.owner.module.Globals[d.index].Type.Mutable {
		return value{}, fmt.Errorf("expected an immutable global in a constant expression, got global %d", index)
	}
	return d.owner.globals[d.index], nil
}

func arithmetic(stack []value, op wasm.Opcode) ([]value, error) {
	typ := wasm.I32
	if op >= opI64Add {
		typ = wasm.I64
	}
	n := len(stack)
	if n < 2 || stack[n-1].typ != typ || stack[n-2].typ != typ {
		return nil, errors.New("expected two numbers for an operator in a constant expression")
	}
	a, b := stack[n-2].bits, stack[n-1].bits
	var bits uint64
	switch op {
	case opI32Add, opI64Add:
		bits = a + b
	case opI32Sub, opI64Sub:
		bits = a - b
	case opI32Mul, opI64Mul:
		bits = a * b
	default:
		return nil, fmt.Errorf("expected an instruction of a constant expression, got %#x", op)
	}
	if typ == wasm.I32 {
		bits = uint64(uint32(bits))
	}
	return append(stack[:n-2], value{typ: typ, bits: bits}), nil
}

// push returns the instruction that pushes a value.
func (f *fuser) push(out []byte, v value) []byte {
	switch v.typ {
	case wasm.I32:
		return wasm.AppendSigned(append(out, byte(opI32Const)), int64(int32(v.bits)))
	case wasm.I64:
		return wasm.AppendSigned(append(out, byte(opI64Const)), int64(v.bits))
	case wasm.F32:
		return binary.LittleEndian.AppendUint32(append(out, byte(opF32Const)), uint32(v.bits))
	case wasm.F64:
		return binary.LittleEndian.AppendUint64(append(out, byte(opF64Const)), v.bits)
	case wasm.V128:
		return append(append(out, byte(opV128>>8), byte(opV128&0xff)), v.wide...)
	}
	if v.fn == nil {
		return append(out, byte(opRefNull), v.typ.Code)
	}
	return wasm.AppendIndex(append(out, byte(wasm.OpRefFunc)), f.index(*v.fn))
}

// expression returns the constant expression for a value.
func (f *fuser) expression(v value) []byte {
	return slices.Clip(append(f.push(nil, v), byte(wasm.OpEnd)))
}
