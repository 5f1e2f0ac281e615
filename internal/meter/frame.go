package meter

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// The stack bytes of an open call.
const (
	frameHeader = 32 // return address, frame pointer, saved registers
	slot        = 8  // a parameter, local or operand
	vectorSlot  = 16 // the same in a function that computes with vectors
	maxFrame    = 1<<27 - 1

	// largeFrame is the size from which on a function makes the host look at the
	// stack at each of its entries. wazero's frame has a slot for each value that
	// is alive during a call, and for each value that differs between the paths to
	// the end of a block. These may be many more than the operands and locals that
	// exist at one time.
	largeFrame = 128 << 10
)

// frame follows a function's operands. Their highest number decides the size of the
// function's frame.
type frame struct {
	types    *wasm.CodeTypes
	funcs    []wasm.FuncType
	stack    wasm.Stack
	function uint32 // the current one
	locals   int    // parameters included
	highest  int    // operands at most
	vectors  bool   // some value has 16 bytes

	// slots is the number of slots that wazero may need: one for each operand and
	// local that is alive during a call, and for each local that differs where paths
	// meet.
	slots   int
	counted int   // operands that have a slot
	set     int   // writes to locals
	settled int   // writes to locals before the last call
	before  []int // writes to locals before each open block
}

// begin must be called at the beginning of a function of type typ.
func (f *frame) begin(c *wasm.Code, typ uint32, locals int) {
	t := &f.funcs[typ]
	f.stack.Start(f.types, f.function)
	f.locals, f.highest = locals, len(t.Results)
	f.vectors = hasVectors(t.Params) || hasVectors(t.Results) || slices.Contains(c.Decls, wasm.V128.Code)
	f.slots, f.counted, f.set, f.settled, f.before = 0, 0, 0, 0, append(f.before[:0], 0)
}

// bytes returns the stack bytes of an open call, by its parameters, locals and operands.
func (f *frame) bytes() int64 { return f.sized(f.locals + f.highest) }

// large reports whether wazero may give the function a large frame.
func (f *frame) large() bool { return f.sized(f.locals+f.highest+f.slots) >= largeFrame }

func (f *frame) sized(values int) int64 {
	width := int64(slot)
	if f.vectors {
		width = vectorSlot
	}
	return min(frameHeader+width*int64(values), maxFrame)
}

// step follows an instruction.
func (f *frame) step(in *wasm.Instructions) {
	f.stack.Step(in)
	f.highest = max(f.highest, f.stack.Height)
	f.counted = min(f.counted, f.stack.Height)
	switch in.Op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpTryTable:
		f.before = append(f.before, f.set)
	case wasm.OpEnd:
		last := len(f.before) - 1
		f.slots += min(f.locals, f.set-f.before[last])
		f.before = f.before[:last]
	case wasm.OpLocalSet, wasm.OpLocalTee:
		f.set++
	case wasm.OpCall, wasm.OpCallIndirect, wasm.OpCallRef:
		f.crossed()
	default:
		f.vectors = f.vectors || in.Op>>8 == 0xfd
		if _, slow := slowOps[in.Op]; slow || in.Op == wasm.OpRefFunc {
			f.crossed()
		}
	}
}

// crossed notes a call of code that may change all registers.
func (f *frame) crossed() {
	f.slots += f.stack.Height - f.counted + f.set - f.settled
	f.counted, f.settled = f.stack.Height, f.set
}

// hasVectors reports whether one of the types takes 16 bytes.
func hasVectors(types []wasm.ValueType) bool { return slices.Contains(types, wasm.V128) }
