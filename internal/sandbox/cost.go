package sandbox

import (
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// Weights for the cost of compiling. The unit is the cost of a plain instruction:
// about 2 µs, and about 300 bytes while its function is compiled. The weights are
// measured with code that repeats one thing many times (package bombs), on wazero
// and on Wasmtime; each is that of the more expensive engine.
const (
	costFunction  = 750 // per function
	costAccess    = 12  // a load or store: its address is checked
	costCall      = 8
	costIndirect  = 80 // a call through a table
	costTable     = 40 // a read or write of a table's element
	costExpensive = 20 // an instruction that compiles to many of the processor's, or to a call of the engine
	costBlock     = 4  // a block, and each branch, since a branch begins a block
	costLoop      = 4  // a loop, for each loop around it
	costMoved     = 4  // a value passed to or from a call, block or branch

	// The cost of a block includes this many values, which stay in registers.
	freeValues = 16
	// A compiler walks up the dominator tree from each block and branch. This many
	// levels cost as much as one instruction.
	levels = 16
	// The time of Cranelift's register allocation grows with the square of the
	// branches back to a loop, and more with jump tables. This many pairs (of two
	// such branches, or of a branch and someLabels labels) cost as much as one
	// instruction.
	pairs      = 48
	someLabels = 4
)

// weigher computes the cost of compiling a function.
type weigher struct {
	types   *wasm.CodeTypes
	globals int // mutable ones: code reads all of them again after each call
	nesting int // the deepest allowed nesting of blocks
	stack   wasm.Stack
	open    []region
	depth   int // the current block's depth in the dominator tree, or unreachable
	loops   int // open loops
	locals  int
	labels  int // of the jump tables so far

	instructions int
	linear       int // the part of the cost that is in proportion to the code
	products     int // the rest of the cost: values times blocks, blocks times blocks
	paths        int // levels of the dominator tree, summed over all blocks
	growsTables  bool
}

const unreachable = -1

// region is an open block of the code.
type region struct {
	end    int // greatest depth, as known so far, of the first block after this one
	other  int // for an if that may still have an else: the depth where the else begins
	loop   bool
	back   int // for a loop: instructions that branch back to it
	labels int // the weigher's labels when the loop began
	from   int // index of the last branch to it
}

// function weighs function f. It returns a [*core.LimitError] if blocks are nested
// too deep, and another error if the code uses an unsupported feature or is broken.
func (w *weigher) function(f uint32, code *wasm.Code) error {
	w.stack.Start(w.types, f)
	w.open = append(w.open[:0], region{end: unreachable, other: unreachable})
	w.locals = w.types.OfFunc(f).Params + int(code.Locals)
	w.depth, w.loops, w.instructions, w.paths, w.labels = 0, 0, 0, 0, 0
	w.linear, w.products, w.growsTables = costFunction+w.locals, 0, false
	in := code.Instructions()
	for in.Next() {
		if used := in.Features(); used != 0 {
			return used.Err()
		}
		if in.Depth-1 > w.nesting {
			return w.tooDeep(&in)
		}
		w.instructions++
		w.stack.Step(&in)
		w.products += costMoved * max(w.stack.Moved-freeValues, 0)
		w.linear += 1 + costMoved*min(w.stack.Moved, freeValues) + weight(in.Op)
		w.control(&in)
		w.growsTables = w.growsTables || in.Op == opTableGrow
	}
	w.products += w.paths / levels
	return in.Err()
}

// tooDeep returns the error for a function whose blocks are nested too deep. The
// error tells the greatest depth.
func (w *weigher) tooDeep(in *wasm.Instructions) error {
	deepest := in.Depth
	for in.Next() {
		deepest = max(deepest, in.Depth)
	}
	return &core.LimitError{Limit: "limits.nesting", Got: uint64(deepest - 1), Max: uint64(w.nesting), Unit: "nested blocks"}
}

// cost is the memory that compiling the function takes, in the unit of the weights.
// Products take less memory than time.
func (w *weigher) cost() int { return w.linear + w.products*2/5 }

// control updates the depth in the dominator tree and adds the cost of control flow.
func (w *weigher) control(in *wasm.Instructions) {
	switch in.Op {
	case wasm.OpBlock:
		w.open = append(w.open, region{end: unreachable, other: unreachable})
	case wasm.OpLoop:
		w.begin(w.depth + 1)
		w.products += costLoop * w.loops
		w.loops++
		w.open = append(w.open, region{end: unreachable, other: unreachable, loop: true, labels: w.labels})
	case wasm.OpIf:
		w.begin(w.depth + 1)
		w.open = append(w.open, region{end: unreachable, other: w.depth})
	case wasm.OpElse:
		top := &w.open[len(w.open)-1]
		w.edge(top)
		w.depth, top.other = top.other, unreachable
		w.begin(w.depth)
	case wasm.OpEnd:
		w.close()
	case wasm.OpBrIf:
		w.branches(in)
		w.begin(w.depth + 1)
	case wasm.OpCall, wasm.OpCallIndirect:
		w.products += max(w.globals-freeValues, 0) // code reads each again
	default:
		w.branches(in)
		if paused(in.Op) { // the meter adds a branch
			w.begin(w.depth + 1)
		}
	}
	switch in.Op {
	case wasm.OpUnreachable, wasm.OpBr, wasm.OpBrTable, wasm.OpReturn, wasm.OpReturnCall, wasm.OpReturnCallIndirect:
		w.depth = unreachable
	}
}

// begin starts a block at a depth.
func (w *weigher) begin(depth int) {
	if w.depth == unreachable {
		return
	}
	w.depth = depth
	w.block()
}

// block adds the cost of a new block, or of a branch.
func (w *weigher) block() {
	w.paths += w.depth
	w.linear += costBlock
	w.products += max(w.locals+w.globals+w.stack.Height-freeValues, 0)
}

// edge records that control may pass from here to the code after the region.
func (w *weigher) edge(to *region) {
	if w.depth == unreachable {
		return
	}
	w.block()
	if to.end == unreachable || w.depth < to.end {
		to.end = w.depth
	}
}

func (w *weigher) branches(in *wasm.Instructions) {
	if in.Op == wasm.OpBrTable {
		w.labels += len(in.Labels)
	}
	for _, label := range in.Labels {
		to := &w.open[len(w.open)-1-int(label)]
		w.edge(to)
		if to.from != w.instructions { // a jump table counts as one branch
			to.back, to.from = to.back+1, w.instructions
		}
	}
}

func (w *weigher) close() {
	top := w.open[len(w.open)-1]
	w.edge(&top)
	if top.other != unreachable { // an if without else
		w.depth = top.other
		w.edge(&top)
	}
	w.open = w.open[:len(w.open)-1]
	if top.loop {
		w.loops--
		w.products += top.back * (top.back + (w.labels-top.labels)/someLabels) / pairs
		return
	}
	if w.depth = top.end; w.depth != unreachable {
		w.begin(w.depth + 1)
	}
}

// weight is the cost of an instruction, without its control flow and the unit
// itself.
func weight(op wasm.Opcode) int {
	switch {
	case op == wasm.OpCall, op == wasm.OpReturnCall:
		return costCall
	case op == wasm.OpCallIndirect, op == wasm.OpReturnCallIndirect:
		return costIndirect
	case op >= 0x28 && op <= 0x3e, op >= 0xfd00 && op <= 0xfd0d: // loads, stores, vector constants and shuffles
		return costAccess
	case op == 0x25, op == 0x26: // table.get, table.set
		return costTable
	case expensive(op), paused(op):
		return costExpensive
	}
	return 0
}

// expensive reports whether an instruction compiles to many of the processor's.
func expensive(op wasm.Opcode) bool {
	switch {
	case op == wasm.OpRefFunc:
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82: // integer div and rem
	case op >= 0xa8 && op <= 0xb1, op >= 0xfc00 && op <= 0xfc07: // truncations
	case op >= 0xfd54 && op <= 0xfdff: // vector instructions
	default:
		return false
	}
	return true
}

const opTableGrow = 0xfc0f

// paused reports whether the meter adds a check before this instruction.
func paused(op wasm.Opcode) bool { return op == 0x40 || op >= 0xfc08 && op <= 0xfc11 }
