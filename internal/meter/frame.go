package meter

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// What an open call takes of the stack, in bytes.
const (
	frameHeader = 32 // return address, frame pointer, saved registers
	slot        = 8  // a parameter, local or operand
	vectorSlot  = 16 // the same in a function that computes with vectors
	maxFrame    = 1<<27 - 1

	// largeFrame is from which size on a function's frame is worth a look at the
	// stack whenever it is entered. wazero gives each value that is alive during a
	// call a slot of its own in the frame, and so do values that meet at the end of
	// a block: there may be many more than operands and locals at one time.
	largeFrame = 128 << 10
)

// frame follows a function's operands, whose highest number decides what its calls
// take of the stack.
type frame struct {
	types    *wasm.CodeTypes
	funcs    []wasm.FuncType
	stack    wasm.Stack
	function uint32 // the one at hand
	locals   int    // parameters included
	highest  int    // operands at most
	vectors  bool   // some value has 16 bytes

	// Slots that wazero may need: of operands and locals that are alive during a
	// call, each once, and of locals that differ where ways meet.
	slots   int
	counted int   // operands that have a slot
	set     int   // times that locals were set
	settled int   // of these, before the last call
	before  []int // of these, before each open block
}

// begin is called at the beginning of the function, which is of type typ.
func (f *frame) begin(c *wasm.Code, typ uint32, locals int) {
	t := &f.funcs[typ]
	f.stack.Start(f.types, f.function)
	f.locals, f.highest = locals, len(t.Results)
	f.vectors = hasVectors(t.Params) || hasVectors(t.Results) || slices.Contains(c.Decls, wasm.V128.Code)
	f.slots, f.counted, f.set, f.settled, f.before = 0, 0, 0, 0, append(f.before[:0], 0)
}

// bytes returns what an open call of the function takes, by its values.
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

// crossed notes that code has run that may change all registers.
func (f *frame) crossed() {
	f.slots += f.stack.Height - f.counted + f.set - f.settled
	f.counted, f.settled = f.stack.Height, f.set
}

// hasVectors reports whether one of some types takes 16 bytes.
func hasVectors(types []wasm.ValueType) bool { return slices.Contains(types, wasm.V128) }
