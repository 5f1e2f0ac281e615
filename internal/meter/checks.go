package meter

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Opcodes of what is added.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opIf          = 0x04
	opEnd         = 0x0b
	opCall        = 0x10
	opDrop        = 0x1a
	opLocalGet    = 0x20
	opLocalTee    = 0x22
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opI32Const    = 0x41
	opI64Const    = 0x42
	opI32GtS      = 0x4a
	opI64LtS      = 0x53
	opI32Add      = 0x6a
	opI64Sub      = 0x7d
	opI64Shl      = 0x86
	opI64ShrU     = 0x88
	opI64ExtendU  = 0xad

	noType  = 0x40 // of a block
	typeI32 = 0x7f
)

// checks are the instruction sequences that are added, ready to be copied.
type checks struct {
	get []byte // pushes the counter
	set []byte // pops the counter

	// test yields if the counter is below 0. It reads the global again: an
	// engine knows the value after set. A copy in a local gains nothing.
	test []byte
}

// newChecks returns the sequences for a counter that is the global n, and a
// function refill that sets it anew.
func newChecks(n, refill uint32) *checks {
	c := &checks{get: index(nil, opGlobalGet, n), set: index(nil, opGlobalSet, n)}
	c.test = slices.Concat(c.get, []byte{opI64Const, 0, opI64LtS, opIf, noType},
		index(nil, opCall, refill), []byte{opEnd})
	return c
}

// refill is the body of the function that tests call, which keeps them small.
func (c *checks) refill(yield uint32) wasm.Code {
	return wasm.Code{Expr: slices.Concat(c.get, index(nil, opCall, yield), c.set, []byte{opEnd})}
}

// index appends an instruction with an index.
func index(out []byte, op byte, i uint32) []byte {
	return wasm.AppendIndex(append(out, op), i)
}

// charge appends code that takes n from the counter. Below 64, n is the byte
// at chargeAt from the beginning.
func (c *checks) charge(out []byte, n int64) []byte {
	out = append(out, c.get...)
	out = wasm.AppendSigned(append(out, opI64Const), n)
	out = append(out, opI64Sub)
	return append(out, c.set...)
}

func (c *checks) chargeAt() int { return len(c.get) + 1 }

// chargeSize appends code that takes the topmost operand, times 2^shift, from
// the counter. It leaves the operand and uses the given local of type i32.
func (c *checks) chargeSize(out []byte, local uint32, shift int64) []byte {
	out = append(index(out, opLocalTee, local), c.get...)
	out = append(index(out, opLocalGet, local), opI64ExtendU, opI64Const, byte(max(shift, -shift)))
	if shift < 0 {
		out = append(out, opI64ShrU)
	} else {
		out = append(out, opI64Shl)
	}
	return append(append(out, opI64Sub), c.set...)
}
