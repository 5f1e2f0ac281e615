package meter

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// control follows the flow of control. It ends segments, adds up the fuel of paths, and
// marks unreachable code, which costs nothing.
func (r *rewriter) control(in *wasm.Instructions) {
	r.leaving = r.leaving || r.leavesFunction(in)
	switch in.Op {
	case wasm.OpBlock:
		r.open(block{}, in)
	case wasm.OpTryTable:
		r.catch(in.Labels)
		r.open(block{try: true}, in)
	case wasm.OpLoop:
		r.loop(in)
	case wasm.OpIf:
		r.split(in.End)
		r.open(block{join: true, in: r.path}, in)
	case wasm.OpElse:
		r.otherwise(in.End)
	case wasm.OpEnd:
		r.end(in.End)
	case wasm.OpCall:
		r.called(in, in.Index >= r.imports && r.leaves.cost(in.Index) == 0)
	case wasm.OpCallIndirect, wasm.OpCallRef:
		r.called(in, true)
	case wasm.OpBrIf, wasm.OpBrOnNull, wasm.OpBrOnNonNull:
		r.split(in.End)
		r.branch(in.Labels)
	case wasm.OpBr, wasm.OpBrTable:
		r.split(in.End)
		r.branch(in.Labels)
		r.die()
	case wasm.OpReturn, wasm.OpThrow, wasm.OpThrowRef,
		wasm.OpReturnCall, wasm.OpReturnCallIndirect, wasm.OpReturnCallRef:
		r.split(in.End)
		r.branch([]uint32{uint32(len(r.blocks) - 1)})
		r.die()
	case wasm.OpUnreachable:
		r.split(in.End)
		r.die()
	}
}

// leavesFunction reports whether an instruction may leave the function.
func (r *rewriter) leavesFunction(in *wasm.Instructions) bool {
	switch in.Op {
	case wasm.OpEnd:
		return len(r.blocks) == 1
	case wasm.OpReturn, wasm.OpReturnCall, wasm.OpReturnCallIndirect, wasm.OpReturnCallRef:
		return true
	}
	return slices.Contains(in.Labels, uint32(len(r.blocks)-1))
}

// die marks the code that follows as unreachable.
func (r *rewriter) die() { r.path, r.dead = path{}, true }

// called notes a call. The callee tests at its entry. If it is deep, it may call other
// functions, which return without a test.
func (r *rewriter) called(in *wasm.Instructions, deep bool) {
	if deep && !r.dead {
		r.after, r.unwound = in.End, 1
	}
	for _, b := range r.blocks {
		if b.loop {
			r.loops[b.number] = false
		}
	}
}

func (r *rewriter) open(b block, in *wasm.Instructions) {
	b.params, b.results = r.block(in, r.src)
	around := &r.blocks[len(r.blocks)-1]
	b.dead = r.dead
	b.base += around.base
	b.cached = b.cached || around.cached
	if b.cached {
		r.checks = r.cached
	}
	r.blocks = append(r.blocks, b)
}

// loop opens a loop, which starts after its opcode. Fuel that is uncounted before the
// loop stays uncounted until after the loop: a charge inside would repeat.
func (r *rewriter) loop(in *wasm.Instructions) {
	at, limit := in.End, int64(1)
	if !r.exact {
		limit = lump - r.base()
	}
	r.flush(at, limit)
	b := block{loop: true, base: r.path.uncounted, number: len(r.loops)}
	if r.copies {
		b.number = r.begun
		b.cached = r.loops[r.begun]
		r.begun++
	} else {
		r.loops = append(r.loops, true)
	}
	r.open(b, in)
	r.header(at)
	if r.caught {
		r.recount(at)
	}
}

// branch notes a branch to each of the labels, with the fuel that is uncounted and
// untested now.
func (r *rewriter) branch(labels []uint32) {
	if r.dead {
		return
	}
	for _, l := range labels {
		b := r.target(l)
		b.join = true
		b.out = b.out.max(path{r.path.uncounted + r.base() - b.base, r.path.untested, r.path.unwound})
	}
}

// catch notes that an exception may branch to the labels from any place in the block
// that opens next. It assumes the dearest path.
func (r *rewriter) catch(labels []uint32) {
	r.catches = r.catches || r.calls != nil && len(labels) > 0
	for _, l := range labels {
		b := r.target(l)
		b.join, b.catch = true, !b.loop
		b.out.untested, b.out.unwound = straight, straight
		if !r.exact {
			b.out.uncounted = lump - 1
		}
	}
}

// otherwise begins the else branch of an if.
func (r *rewriter) otherwise(at int) {
	b := &r.blocks[len(r.blocks)-1]
	r.split(at)
	r.branch([]uint32{0})
	r.path, b.in, r.dead = b.in, path{}, b.dead
}

// end closes the innermost block. The segment continues after the end of a loop, and
// after the end of a block that is not the target of a branch.
func (r *rewriter) end(at int) {
	b := &r.blocks[len(r.blocks)-1]
	switch {
	case b.loop:
		r.endLoop(b, at)
	case b.join:
		r.split(at)
		r.branch([]uint32{0})
		r.path, r.dead = b.out.max(b.in), b.dead
	}
	switch {
	case len(r.blocks) == 1:
		r.finish(b, at)
	case b.catch && r.caught:
		r.recount(at)
	}
	r.blocks = r.blocks[:len(r.blocks)-1]
	if len(r.blocks) > 0 && !r.blocks[len(r.blocks)-1].cached {
		r.checks = r.plain
	}
}

// finish ends the function.
func (r *rewriter) finish(b *block, at int) {
	r.settle(b)
	r.copy(at)
	r.exit = b.out
	if r.counts() {
		r.out = append(append(r.out, r.calls.leave(r.frame.bytes())...), opEnd)
	}
}

// recount restores the stack bytes of open calls where exceptions are caught.
func (r *rewriter) recount(at int) {
	r.edits = append(r.edits, edit{start: at, end: at, with: r.calls.restore(r.saved())})
}

// returns gives back the stack bytes of a call where the function returns before its
// end. A return becomes a branch to the end, since there may be many returns.
func (r *rewriter) returns(in *wasm.Instructions) {
	if !r.counts() {
		return
	}
	switch in.Op {
	case wasm.OpReturn:
		with := index(nil, byte(wasm.OpBr), uint32(len(r.blocks)-1))
		r.edits = append(r.edits, edit{start: in.Start, end: in.End, with: with})
	case wasm.OpReturnCall, wasm.OpReturnCallIndirect, wasm.OpReturnCallRef:
		r.tails = true
		r.edits = append(r.edits, edit{start: in.Start, end: in.Start, with: r.calls.leave(r.frame.bytes())})
	}
}

// entering copies the counter before the outermost of nested loops without calls.
func (r *rewriter) entering(in *wasm.Instructions) {
	if in.Op == wasm.OpLoop && r.copies && r.loops[r.begun] && !r.blocks[len(r.blocks)-1].cached {
		r.edits = append(r.edits, edit{start: in.Start, end: in.Start, with: r.load})
	}
}

// endLoop ends the segment at the end of a loop, if fuel is an estimate.
func (r *rewriter) endLoop(b *block, at int) {
	if r.exact {
		return
	}
	r.split(at)
	r.settle(b)
	r.path.uncounted += b.base - r.blocks[len(r.blocks)-2].base
}
