package meter

import (
	"math"

	"github.com/airhost/airhost/internal/wasm"
)

// TooDeep is what yield is given instead of the counter if more calls are open
// than Config.MaxCallDepth allows. Yield must panic then.
const TooDeep = math.MinInt64

// wide is how many locals a function may have to count as one open call.
const wide = 32

// depth adds the counting of open calls. A function adds its weight to a global
// when it is entered, and keeps what the global was in a local. It sets the
// global to that when it is left, and to that and its weight when it catches an
// exception, which leaves functions without their doing. The body is in a block,
// the end of which branches out of the function reach.
type depth struct {
	m        *wasm.Module
	counter  uint32 // the global
	overflow uint32 // the function that reports to yield
	max      int64
	blocks   map[uint32][]byte // how the block starts, by function type
}

// weigh returns how many open calls a function with so many locals is.
func weigh(locals uint64) int64 { return 1 + int64(locals/wide) }

// overflowBody is the body of the function that reports that calls are too deep.
func overflowBody(yield uint32) wasm.Code {
	expr := wasm.AppendSigned([]byte{opI64Const}, TooDeep)
	return wasm.Code{Expr: append(index(expr, opCall, yield), opUnreachable, opEnd)}
}

// enter appends what a function of type typ starts with, which uses the local
// saved, of type i32.
func (d *depth) enter(out []byte, typ, saved uint32, weight int64) []byte {
	out = index(index(out, opGlobalGet, d.counter), opLocalTee, saved)
	out = append(wasm.AppendSigned(append(out, opI32Const), weight), opI32Add)
	out = index(index(out, opGlobalSet, d.counter), opLocalGet, saved)
	out = append(wasm.AppendSigned(append(out, opI32Const), d.max-weight), opI32GtS, opIf, noType)
	out = append(index(out, opCall, d.overflow), opEnd)
	return append(out, d.block(typ)...)
}

// leave returns what comes before instructions that leave a function.
func (d *depth) leave(saved uint32) []byte {
	return index(index(nil, opLocalGet, saved), opGlobalSet, d.counter)
}

// caught returns what comes where exceptions may have been caught.
func (d *depth) catching(saved uint32, weight int64) []byte {
	out := wasm.AppendSigned(append(index(nil, opLocalGet, saved), opI32Const), weight)
	return index(append(out, opI32Add), opGlobalSet, d.counter)
}

// block returns the start of a block with the results of a function type.
func (d *depth) block(typ uint32) []byte {
	if b := d.blocks[typ]; b != nil {
		return b
	}
	b := []byte{opBlock}
	switch results := d.m.Types[typ].Results; len(results) {
	case 0:
		b = append(b, noType)
	case 1:
		b = wasm.AppendValueType(b, results[0])
	default:
		b = wasm.AppendSigned(b, int64(typeIndex(d.m, wasm.FuncType{Results: results})))
	}
	d.blocks[typ] = b
	return b
}

// newDepth adds the global to m and returns what counts with it.
func newDepth(m *wasm.Module, overflow, allowed uint32) *depth {
	return &depth{
		m: m, counter: addGlobal(m, wasm.I32, opI32Const), overflow: overflow,
		max: int64(min(allowed, math.MaxInt32)), blocks: map[uint32][]byte{},
	}
}
