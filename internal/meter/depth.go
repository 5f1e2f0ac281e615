package meter

import (
	"math"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// TooDeep is what yield is given instead of the counter if open calls need more of
// the stack than they were granted. Yield returns how many more bytes they get, or
// panics.
const TooDeep = math.MinInt64

// StackSlice is how many bytes of the stack open calls get at first, and yield should
// grant at once: a host sees by how often it is asked how deep the stack is.
const StackSlice = 64 << 10

// depth adds the counting of what open calls take of the stack. A function takes the
// bytes of its frame from a global, which says how many are left of what was granted,
// when it is entered, and gives them back when it is left. One that catches exceptions,
// which leave functions without their doing, keeps in a local what was
// taken, and restores that. The body is in a block, the end of which branches out of the
// function reach.
type depth struct {
	global   uint32
	get, set []byte            // push and pop the global
	granted  uint32            // a global: all that was ever granted
	blocks   map[uint32][]byte // how the block starts, by function type
}

// newDepth adds to m the global, and the types that blocks need, and returns what
// counts open calls with them.
func newDepth(m *wasm.Module) *depth {
	first := wasm.AppendSigned([]byte{opI64Const}, StackSlice)
	n, granted := addGlobal(m, wasm.I64, slices.Clone(first)), addGlobal(m, wasm.I64, slices.Clone(first))
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

// enter appends what a function of type typ starts with. The bytes that it takes are
// known at its end, and written at weightAt from the beginning.
func (d *depth) enter(out []byte, typ uint32) []byte {
	return append(d.add(out, opI64Sub, 0), d.blocks[typ]...)
}

func (d *depth) weightAt() int { return len(d.get) + 1 }

// leave returns what comes before instructions that leave a function.
func (d *depth) leave(bytes int64) []byte { return d.add(nil, opI64Add, bytes) }

func (d *depth) add(out []byte, op byte, bytes int64) []byte {
	out = append(append(append(out, d.get...), opI64Const), weight(bytes)...)
	return append(append(out, op), d.set...)
}

// weight returns the bytes of a frame as four bytes of signed LEB128.
func weight(bytes int64) []byte {
	return []byte{byte(bytes) | 0x80, byte(bytes>>7) | 0x80, byte(bytes>>14) | 0x80, byte(bytes>>21) & 0x3f}
}

// keep returns what comes after enter in functions that catch exceptions, and
// restore what comes where they may have been caught.
func (d *depth) keep(saved uint32) []byte {
	taken := append(slices.Concat(d.get, index(nil, opGlobalGet, d.granted)), opI64Sub)
	return index(taken, opLocalSet, saved)
}

func (d *depth) restore(saved uint32) []byte {
	left := append(index(index(nil, opGlobalGet, d.granted), opLocalGet, saved), opI64Add)
	return append(left, d.set...)
}

// more is where refill begins: it asks yield for more of the stack until what open
// calls take is granted.
func (d *depth) more(yield uint32) []byte {
	total := index(nil, opGlobalGet, d.granted)
	grow := wasm.AppendSigned([]byte{opI64Const}, TooDeep)
	grow = index(grow, opCall, yield)
	// The grant goes to both globals: granted - left, that is to say what is taken,
	// stays as it was.
	ask := slices.Concat(total, d.get, []byte{opI64Sub}, total, grow, []byte{opI64Add}, index(nil, opGlobalSet, d.granted),
		index(nil, opLocalSet, 0), total, index(nil, opLocalGet, 0), []byte{opI64Sub}, d.set)
	ask = ifNegative(d.get, ask, index(nil, byte(wasm.OpBr), 1))
	return append(append([]byte{opLoop, noType}, ask...), opEnd)
}
