package meter

import "github.com/airhost/airhost/internal/wasm"

// fuelFor returns the fuel of an instruction, without the part that depends on its
// operands.
func (r *rewriter) fuelFor(in *wasm.Instructions) int64 {
	fuel := int64(*fuelOf.of(in.Op))
	switch in.Op {
	case wasm.OpLoop, wasm.OpIf:
		params, _ := r.block(in, r.src)
		return fuel + r.branches(params)
	case wasm.OpElse:
		return fuel + r.branches(r.blocks[len(r.blocks)-1].results)
	case wasm.OpEnd:
		if b := &r.blocks[len(r.blocks)-1]; !b.loop {
			return fuel + r.branches(b.results)
		}
	case wasm.OpBr, wasm.OpBrIf, wasm.OpBrTable, wasm.OpBrOnNull, wasm.OpBrOnNonNull:
		return fuel + r.branches(r.target(in.Labels[len(in.Labels)-1]).carries())
	case wasm.OpReturn:
		return fuel + r.blocks[0].results/perValues
	case wasm.OpThrow:
		return fuel + r.thrown(in.Index)/perValues
	case wasm.OpCall, wasm.OpReturnCall, wasm.OpCallIndirect, wasm.OpReturnCallIndirect,
		wasm.OpCallRef, wasm.OpReturnCallRef:
		return r.fuelForCall(in, fuel)
	}
	return fuel
}

// branches returns the fuel of a branch that carries the given number of values to a
// place where several paths meet.
func (r *rewriter) branches(values int64) int64 {
	return values/perValues + int64(r.locals)/perLocals
}

// target returns the block of a label.
func (r *rewriter) target(label uint32) *block { return &r.blocks[len(r.blocks)-1-int(label)] }

// fuelForCall returns the fuel of a call. The caller counts the fuel of a leaf, which
// has no test. If fuel is exact, the leaf charges it, and the caller only counts it as
// untested.
func (r *rewriter) fuelForCall(in *wasm.Instructions, fuel int64) int64 {
	params, results := r.callee(in)
	switch direct := in.Op == wasm.OpCall || in.Op == wasm.OpReturnCall; {
	case direct && in.Index < r.imports, !direct && r.handsOut:
		fuel = imported
	case direct:
		r.unchecked(r.leaves.cost(in.Index))
	}
	if in.Op != wasm.OpCall && in.Op != wasm.OpReturnCall {
		r.unchecked(r.leaves.dearest)
	}
	return fuel + (params+results)/perValues
}

// unchecked counts the fuel of a callee that has no test.
func (r *rewriter) unchecked(fuel int64) {
	if r.exact {
		r.hidden += fuel
	} else {
		r.cost += fuel
	}
}
