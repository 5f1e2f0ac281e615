package meter

import (
	"math"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// TooDeep is what yield is given instead of the counter if more calls are open
// than Config.MaxCallDepth allows. Yield must panic then.
const TooDeep = math.MinInt64

// wide is how many locals a function may have to count as one open call.
const wide = 32

// depth adds the counting of open calls. A function takes its weight from a global,
// which says how much more may be open, when it is entered, and gives it back when
// it is left. One that catches exceptions, which leave functions without their
// doing, keeps in a local what the global was, and sets it to that. The body is in a
// block, the end of which branches out of the function reach.
type depth struct {
	get, set []byte            // push and pop the global
	blocks   map[uint32][]byte // how the block starts, by function type
}

// newDepth adds to m the global, and the types that blocks need, and returns what
// counts open calls with them.
func newDepth(m *wasm.Module, allowed uint32) *depth {
	n := addGlobal(m, wasm.I64, wasm.AppendSigned([]byte{opI64Const}, int64(allowed)))
	d := &depth{get: index(nil, opGlobalGet, n), set: index(nil, opGlobalSet, n), blocks: map[uint32][]byte{}}
	for _, typ := range m.Functions {
		if d.blocks[typ] == nil {
			d.blocks[typ] = opening(m, m.Types[typ].Results)
		}
	}
	return d
}

// opening returns the start of a block with the given results.
func opening(m *wasm.Module, results []wasm.ValueType) []byte {
	switch len(results) {
	case 0:
		return []byte{opBlock, noType}
	case 1:
		return wasm.AppendValueType([]byte{opBlock}, results[0])
	}
	return wasm.AppendSigned([]byte{opBlock}, int64(typeIndex(m, wasm.FuncType{Results: results})))
}

// weigh returns how many open calls a function with so many locals is.
func weigh(locals uint64) int64 { return 1 + int64(locals/wide) }

// enter appends what a function of type typ starts with.
func (d *depth) enter(out []byte, typ uint32, weight int64) []byte {
	return append(d.add(out, opI64Sub, weight), d.blocks[typ]...)
}

// leave returns what comes before instructions that leave a function.
func (d *depth) leave(weight int64) []byte { return d.add(nil, opI64Add, weight) }

func (d *depth) add(out []byte, op byte, weight int64) []byte {
	out = wasm.AppendSigned(append(append(out, d.get...), opI64Const), weight)
	return append(append(out, op), d.set...)
}

// keep returns what comes after enter in functions that catch exceptions, and
// restore what comes where they may have been caught.
func (d *depth) keep(saved uint32) []byte    { return index(slices.Clone(d.get), opLocalSet, saved) }
func (d *depth) restore(saved uint32) []byte { return append(index(nil, opLocalGet, saved), d.set...) }

// refused is where refill begins: it tells yield of calls that are too deep.
func (d *depth) refused(yield uint32) []byte {
	tell := wasm.AppendSigned([]byte{opI64Const}, TooDeep)
	return ifNegative(d.get, append(index(tell, opCall, yield), opUnreachable))
}
