package meter

import "github.com/airhost/airhost/internal/wasm"

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

// frame follows the operands of a function, whose highest number decides what
// its calls take of the stack.
type frame struct {
	types  []wasm.FuncType
	funcs  []uint32 // the types of all functions
	blocks []frameBlock

	locals  int  // parameters included
	height  int  // operands now
	highest int  // operands at most
	dead    bool // what follows is not reached
	vectors bool // some value has 16 bytes

	// Slots that wazero may need: of operands and locals that are alive during a
	// call, each once, and of locals that differ where ways meet.
	slots   int
	counted int // operands that have a slot
	set     int // times that locals were set
	settled int // of these, before the last call
}

// frameBlock is an open block.
type frameBlock struct {
	base, params, results int
	set                   int // times that locals had been set before it
	dead                  bool
}

// begin is called at the beginning of a function.
func (f *frame) begin(c *wasm.Code, typ uint32, locals int) {
	t := &f.types[typ]
	f.locals, f.height, f.highest, f.dead = locals, 0, len(t.Results), false
	f.vectors = hasVectors(t.Params) || hasVectors(t.Results) || declaresVectors(c.Decls)
	f.slots, f.counted, f.set, f.settled = 0, 0, 0, 0
	f.blocks = append(f.blocks[:0], frameBlock{results: len(t.Results)})
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

// step follows an instruction of c.
func (f *frame) step(c *wasm.Code, in *wasm.Instructions) {
	if in.Op>>8 == 0xfd {
		f.vectors = true
	}
	switch in.Op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpTryTable:
		f.open(c, in)
	case wasm.OpElse:
		f.otherwise()
	case wasm.OpEnd:
		f.end()
	default:
		if !f.dead {
			f.plain(in)
		}
	}
}

// plain follows an instruction that neither opens nor closes a block.
func (f *frame) plain(in *wasm.Instructions) {
	switch in.Op {
	case wasm.OpUnreachable, wasm.OpBr, wasm.OpBrTable, wasm.OpReturn, wasm.OpThrow, wasm.OpThrowRef,
		wasm.OpReturnCall, wasm.OpReturnCallIndirect, wasm.OpReturnCallRef:
		f.dead = true
	case wasm.OpCall:
		f.call(&f.types[f.funcs[in.Index]], 0)
	case wasm.OpCallIndirect, wasm.OpCallRef:
		f.call(&f.types[in.Index], 1)
	case wasm.OpLocalSet, wasm.OpLocalTee:
		f.set++
		f.move(in.Op)
	default:
		f.move(in.Op)
		if leaves(in.Op) {
			f.crossed()
		}
	}
}

func (f *frame) move(op wasm.Opcode) { f.change(int(*effects.of(op))) }

// change notes that there are so many operands more.
func (f *frame) change(by int) {
	f.height = max(f.height+by, f.base())
	f.highest = max(f.highest, f.height)
	f.counted = min(f.counted, f.height)
}

func (f *frame) base() int { return f.blocks[len(f.blocks)-1].base }

// call notes a call of a function of type t, which takes more operands than its
// parameters.
func (f *frame) call(t *wasm.FuncType, more int) {
	f.change(-len(t.Params) - more)
	f.crossed()
	f.change(len(t.Results))
	f.vectors = f.vectors || hasVectors(t.Params) || hasVectors(t.Results)
}

// crossed notes that code runs that may change all registers.
func (f *frame) crossed() {
	f.slots += f.height - f.counted + f.set - f.settled
	f.counted, f.settled = f.height, f.set
}

// open opens a block.
func (f *frame) open(c *wasm.Code, in *wasm.Instructions) {
	b := frameBlock{set: f.set, dead: f.dead}
	if in.Op == wasm.OpIf && !f.dead {
		f.change(-1)
	}
	switch {
	case in.IndexAt > 0:
		t := &f.types[in.Index]
		b.params, b.results = len(t.Params), len(t.Results)
		f.vectors = f.vectors || hasVectors(t.Params) || hasVectors(t.Results)
	case c.Expr[in.Start+1] != noType:
		b.results = 1
	}
	b.base = max(f.height-b.params, f.base())
	f.blocks = append(f.blocks, b)
}

// otherwise begins the else branch of an if.
func (f *frame) otherwise() {
	b := &f.blocks[len(f.blocks)-1]
	f.dead = b.dead
	f.rest(b.base + b.params)
}

// end closes the innermost block.
func (f *frame) end() {
	b := f.blocks[len(f.blocks)-1]
	f.dead = b.dead
	f.slots += min(f.locals, f.set-b.set)
	if len(f.blocks) > 1 {
		f.blocks = f.blocks[:len(f.blocks)-1]
	}
	f.rest(b.base + b.results)
}

// rest notes how many operands there are where ways meet.
func (f *frame) rest(height int) {
	f.height = height
	f.change(0)
}

// hasVectors reports whether one of some types takes 16 bytes.
func hasVectors(types []wasm.ValueType) bool {
	for i := range types {
		if types[i] == wasm.V128 {
			return true
		}
	}
	return false
}

// declaresVectors reports whether encoded locals may be vectors: any byte that
// reads so is taken for one.
func declaresVectors(decls []byte) bool {
	for _, b := range decls {
		if b == wasm.V128.Code {
			return true
		}
	}
	return false
}
