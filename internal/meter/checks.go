package meter

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Opcodes of the added code.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opCall         = 0x10
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opTableGet     = 0x25
	opTableSet     = 0x26
	opRefIsNull    = 0xd1
	opRefAsNonNull = 0xd4
	opSelect       = 0x1b
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opI32Const     = 0x41
	opI64Const     = 0x42
	opI32Eq        = 0x46
	opI32LtU       = 0x49
	opI32GtU       = 0x4b
	opI32GeU       = 0x4f
	opI64LtS       = 0x53
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32Or        = 0x72
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Or        = 0x84
	opI64Shl       = 0x86
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xad

	noType  = 0x40 // of a block
	typeI32 = 0x7f
	typeI64 = 0x7e
)

// checks has the encoded instructions that are added.
type checks struct {
	get []byte // pushes the counter
	set []byte // pops the counter

	// test yields if the counter is below 0. It reads the counter again, which
	// costs little: an engine still knows the value that set has written.
	test []byte

	counter, call []byte // the instructions that read the global, and call refill
}

// newChecks returns the checks for a counter in global n. The function refill sets the
// counter to a new value.
func newChecks(n, refill uint32) *checks {
	c := &checks{counter: index(nil, opGlobalGet, n), call: index(nil, opCall, refill)}
	c.get, c.set = c.counter, index(nil, opGlobalSet, n)
	c.test = ifNegative(c.get, c.call)
	return c
}

// cached returns the checks for code without calls. They read a copy of the counter in
// the given local, so that a loop need not read memory to count. Every charge also
// writes the global, which is right at all times. load must come before the code.
func (c *checks) cached(local uint32) (cached *checks, load []byte) {
	load = index(slices.Clone(c.counter), opLocalSet, local)
	cached = &checks{get: index(nil, opLocalGet, local), set: append(index(nil, opLocalTee, local), c.set...)}
	cached.test = ifNegative(cached.get, c.call, load)
	return cached, load
}

// entryTest returns the test at the entry of a function, which also yields if calls are
// too deep. One test is enough for both numbers: their bitwise or is below 0 if either
// number is.
func (c *checks) entryTest(calls *depth) []byte {
	if calls == nil {
		return c.test
	}
	return ifNegative(append(slices.Concat(c.get, calls.get), opI64Or), c.call)
}

// ifNegative returns code that runs do if the number that push pushes is below 0.
func ifNegative(push []byte, do ...[]byte) []byte {
	out := append(slices.Clone(push), opI64Const, 0, opI64LtS, opIf, noType)
	return append(append(out, slices.Concat(do...)...), opEnd)
}

// refill returns the body of the function that tests call. The function keeps tests
// short.
func (c *checks) refill(yield uint32, calls *depth) wasm.Code {
	var more []byte
	if calls != nil {
		more = calls.more(yield)
	}
	return wasm.Code{Groups: 1, Locals: 1, Decls: []byte{1, typeI64}, Expr: slices.Concat(more, c.get, index(nil, opCall, yield), c.set, []byte{opEnd})}
}

// index appends an instruction with an index.
func index(out []byte, op byte, i uint32) []byte {
	return wasm.AppendIndex(append(out, op), i)
}

// charge appends code that takes n from the counter. If n is below 64, it is the byte at
// chargeAt in that code.
func (c *checks) charge(out []byte, n int64) []byte {
	out = append(out, c.get...)
	out = wasm.AppendSigned(append(out, opI64Const), n)
	out = append(out, opI64Sub)
	return append(out, c.set...)
}

func (c *checks) chargeAt() int { return len(c.get) + 1 }

// chargeSize appends code that takes the topmost operand, times 2^shift, from the
// counter. The operand stays on the stack, and is also in the given local of type i32.
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
