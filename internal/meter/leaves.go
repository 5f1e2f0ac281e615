package meter

import "github.com/airhost/airhost/internal/wasm"

// leaves are the functions that do without checks at their entry, since they are
// cheap and neither loop nor call. Their callers count what they cost.
type leaves struct {
	first   uint32  // of the functions that the module defines
	costs   []int32 // of each of them; 0 for a function that has checks
	dearest int64
}

// leafMost is below what a leaf costs. Each function that is none has a test.
const leafMost = 64

// leavesOf looks for them in a module that r rewrites.
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

// cost returns what a function costs its caller, 0 if it has checks.
func (l *leaves) cost(function uint32) int64 {
	return int64(l.costs[function-l.first])
}

// entryFuel is what it costs to set up so many parameters and locals.
func entryFuel(locals uint64) int64 { return int64(locals / perNewLocals) }

// leafCost returns the fuel of all instructions of a function, which costs so much to
// enter, or leafMost if it is no leaf, as one whose blocks take or leave many values.
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

// wide reports whether a type, which may not exist, has many values.
func (a *arities) wide(typ uint32) bool {
	return uint64(typ) >= uint64(len(a.params)) || max(a.params[typ], a.results[typ]) >= perValues
}
