package fuse

import "github.com/airhost/airhost/internal/wasm"

// trampoline is a function that passes its parameters on to the function at one place of
// a table. wit-component's shim has only such functions: it lets a module be instantiated
// before the functions that it imports exist.
type trampoline struct {
	function uint32 // index among those that the module defines
	table    uint32 // index of the table in the module
	slot     uint32
}

// trampoline reports whether a function is one, and which.
func (m *module) trampoline(defined uint32) (trampoline, bool) {
	code, own := &m.Code[defined], m.Functions[defined]
	params := len(m.Types[own].Params)
	const longest = 8 // bytes of an instruction with an index
	if code.Locals > 0 || len(code.Expr) > longest*(params+3) {
		return trampoline{}, false
	}
	t, at := trampoline{function: defined}, 0
	in := code.Instructions()
	for ; in.Next(); at++ {
		switch {
		case at < params && in.Op == wasm.OpLocalGet && in.Index == uint32(at):
		case at == params && in.Op == opI32Const:
			t.slot = uint32(wasm.Signed(code.Expr[in.Start+1 : in.End]))
		case at == params+1 && in.Op == wasm.OpCallIndirect && in.Index < uint32(len(m.Types)) && m.Types[in.Index].Equal(m.Types[own]):
			t.table = in.Second
		case at == params+2 && in.Op == wasm.OpEnd:
		default:
			return trampoline{}, false
		}
	}
	return t, in.Err() == nil && at == params+3
}
