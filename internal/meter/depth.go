package meter

import (
	"math"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// TooDeep is the argument of yield, instead of the counter, if open calls need more of
// the stack than the host has granted. yield returns the number of further bytes that it
// grants, or panics.
const TooDeep = math.MinInt64

// StackSlice is the number of stack bytes that open calls have at first. yield should
// also grant this number: the host knows the depth of the stack by the number of times
// that yield was called for it.
const StackSlice = 64 << 10

// depth adds code that counts the stack bytes of open calls. A global has the bytes that
// are left of the host's grants. At its entry a function takes the bytes of its frame
// from the global, and at its end it gives them back.
//
// An exception leaves functions before their ends. A function that catches exceptions
// therefore keeps the number of taken bytes in a local, and restores it.
//
// The body is wrapped in a block; a return becomes a branch to the end of the block.
type depth struct {
	global   uint32
	get, set []byte            // push and pop the global
	granted  uint32            // a global: the sum of all grants
	blocks   map[uint32][]byte // the start of the block, by function type
}

// newDepth adds to m the globals and the types that counting needs.
func newDepth(m *wasm.Module) *depth {
	first := wasm.AppendSigned([]byte{opI64Const}, StackSlice)
	n, granted := m.AddGlobal(wasm.I64, slices.Clone(first)), m.AddGlobal(wasm.I64, slices.Clone(first))
	d := &depth{global: n, granted: granted, get: index(nil, opGlobalGet, n), set: index(nil, opGlobalSet, n), blocks: map[uint32][]byte{}}
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

// enter appends the start of a function of type typ. The size of its frame is known only
// at its end, and is written at weightAt in this code then.
func (d *depth) enter(out []byte, typ uint32) []byte {
	return append(d.add(out, opI64Sub, 0), d.blocks[typ]...)
}

func (d *depth) weightAt() int { return len(d.get) + 1 }

// leave returns the code before an instruction that leaves a function.
func (d *depth) leave(bytes int64) []byte { return d.add(nil, opI64Add, bytes) }

func (d *depth) add(out []byte, op byte, bytes int64) []byte {
	out = append(append(append(out, d.get...), opI64Const), weight(bytes)...)
	return append(append(out, op), d.set...)
}

// weight returns the size of a frame as four bytes of signed LEB128.
func weight(bytes int64) []byte {
	return []byte{byte(bytes) | 0x80, byte(bytes>>7) | 0x80, byte(bytes>>14) | 0x80, byte(bytes>>21) & 0x3f}
}

// keep returns the code after enter in a function that catches exceptions. restore
// returns the code for the places where the function may have caught one.
func (d *depth) keep(saved uint32) []byte {
	taken := append(slices.Concat(d.get, index(nil, opGlobalGet, d.granted)), opI64Sub)
	return index(taken, opLocalSet, saved)
}

func (d *depth) restore(saved uint32) []byte {
	left := append(index(index(nil, opGlobalGet, d.granted), opLocalGet, saved), opI64Add)
	return append(left, d.set...)
}

// more returns the beginning of refill, which asks yield for more of the stack until the
// grants are enough for all open calls.
func (d *depth) more(yield uint32) []byte {
	total := index(nil, opGlobalGet, d.granted)
	grow := wasm.AppendSigned([]byte{opI64Const}, TooDeep)
	grow = index(grow, opCall, yield)
	// The grant is added to both globals, so that granted - left, the number of
	// bytes that are taken, does not change.
	ask := slices.Concat(total, d.get, []byte{opI64Sub}, total, grow, []byte{opI64Add}, index(nil, opGlobalSet, d.granted),
		index(nil, opLocalSet, 0), total, index(nil, opLocalGet, 0), []byte{opI64Sub}, d.set)
	ask = ifNegative(d.get, ask, index(nil, byte(wasm.OpBr), 1))
	return append(append([]byte{opLoop, noType}, ask...), opEnd)
}
