package meter

import "github.com/airhost/airhost/internal/wasm"

// leaves has the functions without checks at their entry: they are cheap, and neither
// loop nor call. Their callers count their fuel.
type leaves struct {
	first   uint32  // index of the first function that the module defines
	costs   []int32 // of each function that the module defines; 0 for one with checks
	dearest int64
}

// leafMost bounds the fuel of a leaf, which is lower. All other functions have a test.
const leafMost = 64

// leavesOf finds the leaves of m, the module that r rewrites.
func (r *rewriter) leavesOf(m *wasm.Module) *leaves {
	l := &leaves{first: r.imports, costs: make([]int32, len(m.Code))}
	for i := range m.Code {
		typ := m.Functions[i]
		locals := r.params[typ] + int64(m.Code[i].Locals)
		if locals >= perLocals || r.params[typ] >= perValues || r.results[typ] >= perValues {
			continue
		}
		if cost := r.leafCost(&m.Code[i], entryFuel(uint64(locals))); cost < leafMost {
			l.costs[i] = int32(max(cost, 1))
			l.dearest = max(l.dearest, cost)
		}
	}
	return l
}

// cost returns the fuel that the caller of a function counts for it, 0 if the function
// has checks.
func (l *leaves) cost(function uint32) int64 {
	return int64(l.costs[function-l.first])
}

// entryFuel is the fuel of the entry of a function with so many parameters and locals.
func entryFuel(locals uint64) int64 { return int64(locals / perNewLocals) }

// leafCost returns the fuel of a function: cost, which is that of its entry, and that of
// all its instructions. It returns leafMost if the function is not a leaf; a function
// with blocks that take or return many values is not.
func (r *rewriter) leafCost(code *wasm.Code, cost int64) int64 {
	in := code.Instructions()
	for cost < leafMost && in.Next() {
		switch in.Op {
		case wasm.OpLoop, wasm.OpTryTable, wasm.OpThrow, wasm.OpThrowRef,
			wasm.OpCall, wasm.OpCallIndirect, wasm.OpCallRef,
			wasm.OpReturnCall, wasm.OpReturnCallIndirect, wasm.OpReturnCallRef:
			return leafMost
		case wasm.OpBlock, wasm.OpIf:
			if in.IndexAt > 0 && r.wide(in.Index) {
				return leafMost
			}
		}
		if _, slow := slowOps[in.Op]; slow {
			return leafMost
		}
		cost += int64(*fuelOf.of(in.Op))
	}
	if in.Err() != nil {
		return leafMost
	}
	return cost
}

// wide reports whether a type has many values, or does not exist.
func (a *arities) wide(typ uint32) bool {
	return uint64(typ) >= uint64(len(a.params)) || max(a.params[typ], a.results[typ]) >= perValues
}
