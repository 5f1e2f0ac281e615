package sandbox

import (
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// Weights of what compiling costs, in units of what a plain instruction costs: some
// 2 µs, and some 300 bytes while its function is compiled. They are from measurements
// of wazero and Wasmtime, of whichever takes more, with code that does one thing many
// times (package bombs).
const (
	costFunction = 750 // of each function
	costAccess   = 12  // a load or store: its address is checked
	costCall     = 8
	costIndirect = 80 // a call by a table
	costTable    = 40 // reading or writing an element of a table
	costDear     = 20 // what is many instructions of the processor, or a call of the engine
	costBlock    = 4  // a block, and each branch, which begins one
	costLoop     = 4  // a loop, for each loop around it
	costMoved    = 4  // a value that a call, block or branch hands over

	// Values that are kept in registers anyway are in the cost of a block.
	freeValues = 16
	// Compilers walk up the tree of dominators from each block and branch. So many of
	// its levels cost as much as an instruction.
	levels = 16
	// Cranelift's register allocation takes a time that grows with the square of the
	// branches back to a loop, and more where jump tables are in it. So many pairs of two
	// such branches, or of a branch and some labels, cost as much as an instruction.
	pairs      = 48
	someLabels = 4
)

// weigher finds what compiling a function costs.
type weigher struct {
	types   *wasm.CodeTypes
	globals int // mutable ones: all are read anew after each call
	nesting int // how deep blocks may be nested
	stack   wasm.Stack
	open    []region
	depth   int // of the block in the tree of dominators; unreachable if negative
	loops   int // that are open
	locals  int
	labels  int // of jump tables, so far

	instructions int
	linear       int // what is in proportion to the code
	products     int // what is not: values times blocks, blocks times blocks
	paths        int // levels of the tree of dominators, from all blocks
	growsTables  bool
}

const unreachable = -1

// region is a block of the code that is open.
type region struct {
	end    int // how deep the first block after it is at the most, as far as known
	other  int // for an if without its else: the depth where that begins
	loop   bool
	back   int // instructions that branch to it, if it is a loop
	labels int // the weigher's, where it begins
	from   int // the last of the branches
}

// function weighs function f. An error is a [*core.LimitError] about how deep its
// blocks are nested, or about a feature that guests may not use, or code that is broken.
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

// tooDeep returns the error for a function whose blocks are nested too deep, and says
// how deep they are.
func (w *weigher) tooDeep(in *wasm.Instructions) error {
	deepest := in.Depth
	for in.Next() {
		deepest = max(deepest, in.Depth)
	}
	return &core.LimitError{Limit: "limits.nesting", Got: uint64(deepest - 1), Max: uint64(w.nesting), Unit: "nested blocks"}
}

// cost is what the function takes of memory while it is compiled: what grows with
// products takes less of it than of time.
func (w *weigher) cost() int { return w.linear + w.products*2/5 }

// control follows how deep blocks are in the dominator tree: compilers walk up it
// from each block and each branch.
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
		w.products += max(w.globals-freeValues, 0) // each is read anew
	default:
		w.branches(in)
		if paused(in.Op) { // the meter adds a test
			w.begin(w.depth + 1)
		}
	}
	switch in.Op {
	case wasm.OpUnreachable, wasm.OpBr, wasm.OpBrTable, wasm.OpReturn, wasm.OpReturnCall, wasm.OpReturnCallIndirect:
		w.depth = unreachable
	}
}

// begin notes that a block begins so deep.
func (w *weigher) begin(depth int) {
	if w.depth == unreachable {
		return
	}
	w.depth = depth
	w.block()
}

// block adds what a block costs where it begins, or a branch to it.
func (w *weigher) block() {
	w.paths += w.depth
	w.linear += costBlock
	w.products += max(w.locals+w.globals+w.stack.Height-freeValues, 0)
}

// edge notes that code goes on after the region, from here.
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
		if to.from != w.instructions { // a jump table is one branch
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

// weight is what an instruction costs beside what its control flow does.
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
	case dear(op), paused(op):
		return costDear
	}
	return 0
}

// dear are instructions that need many of the processor's.
func dear(op wasm.Opcode) bool {
	switch {
	case op == wasm.OpRefFunc:
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82: // integer div and rem
	case op >= 0xa8 && op <= 0xb1, op >= 0xfc00 && op <= 0xfc07: // truncations
	case op >= 0xfd54 && op <= 0xfdff: // of vectors
	default:
		return false
	}
	return true
}

const opTableGrow = 0xfc0f

// paused are instructions before which the meter asks whether the guest may go on.
func paused(op wasm.Opcode) bool { return op == 0x40 || op >= 0xfc08 && op <= 0xfc11 }
