package fuse

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// The host allocates a guest's memory by one export. A component may lower a function of
// the host with an allocating function of its own for the results: wit-component's adapters
// do, which place them in memory of their callers. Such a function gets a wrapper, which
// sets a global, the mode, while the host's function runs. The export calls the allocating
// function of the mode.

// numberWrappers finds the functions of the host that need a wrapper, and gives numbers
// from next on to the wrappers and to the function that is exported.
func (f *fuser) numberWrappers(next uint32) {
	i := slices.IndexFunc(f.graph.Exports, func(e Export) bool { return e.Name == f.graph.Realloc })
	if f.graph.Realloc == "" || i < 0 {
		return
	}
	exported, modes := f.index(f.exports[i]), make(map[uint32]uint32)
	for i := range f.foreign {
		to := &f.foreign[i]
		if !to.used || to.realloc == nil {
			continue
		}
		own := f.index(*to.realloc)
		if own == exported {
			continue
		}
		if modes[own] == 0 {
			f.allocators = append(f.allocators, own)
			modes[own] = uint32(len(f.allocators))
		}
		to.wrapped, to.wrapper, to.mode = true, next, modes[own]
		next++
	}
	f.dispatcher = next
}

// addWrappers adds the functions that numberWrappers has numbered, and the mode.
func (f *fuser) addWrappers() {
	if len(f.allocators) == 0 {
		return
	}
	mode := uint32(len(f.out.Globals))
	f.out.Globals = append(f.out.Globals, wasm.Global{
		Type: wasm.GlobalType{Value: wasm.I32, Mutable: true}, Init: f.expression(value{typ: wasm.I32}),
	})
	for i := range f.foreign {
		to := &f.foreign[i]
		if !to.wrapped {
			continue
		}
		f.addFunc(to.typ, f.wrapper(to, mode))
		f.name(to.wrapper, to.module, to.name)
	}
	f.addDispatcher(mode)
}

// wrapper returns the code of a wrapper. It leaves the mode as it was: an allocating
// function may call the host, too.
func (f *fuser) wrapper(to *foreign, mode uint32) wasm.Code {
	before := uint32(len(to.typ.Params))
	code := wasm.AppendIndex([]byte{byte(wasm.OpGlobalGet)}, mode)
	code = wasm.AppendIndex(append(code, byte(wasm.OpLocalSet)), before)
	code = f.push(code, value{typ: wasm.I32, bits: uint64(to.mode)})
	code = wasm.AppendIndex(append(code, byte(wasm.OpGlobalSet)), mode)
	code = wasm.AppendIndex(append(pushParams(code, to.typ), byte(wasm.OpCall)), to.number)
	code = wasm.AppendIndex(append(code, byte(wasm.OpLocalGet)), before)
	code = wasm.AppendIndex(append(code, byte(wasm.OpGlobalSet)), mode)
	return wasm.Code{Groups: 1, Decls: []byte{1, wasm.I32.Code}, Locals: 1, Expr: append(code, byte(wasm.OpEnd))}
}

// addDispatcher adds the function that is exported for allocating.
func (f *fuser) addDispatcher(mode uint32) {
	const opI32Eq, noType = 0x46, 0x40
	var code []byte
	for i, allocator := range f.allocators {
		code = wasm.AppendIndex(append(code, byte(wasm.OpGlobalGet)), mode)
		code = f.push(code, value{typ: wasm.I32, bits: uint64(i) + 1})
		code = append(code, opI32Eq, byte(wasm.OpIf), noType)
		code = wasm.AppendIndex(append(pushParams(code, reallocType), byte(wasm.OpCall)), allocator)
		code = append(code, byte(wasm.OpReturn), byte(wasm.OpEnd))
	}
	i := slices.IndexFunc(f.graph.Exports, func(e Export) bool { return e.Name == f.graph.Realloc })
	code = wasm.AppendIndex(append(pushParams(code, reallocType), byte(wasm.OpCall)), f.index(f.exports[i]))
	f.addFunc(reallocType, wasm.Code{Expr: append(code, byte(wasm.OpEnd))})
	f.name(f.dispatcher, "", "realloc")
}

// pushParams adds the instructions that push a function's parameters.
func pushParams(code []byte, typ wasm.FuncType) []byte {
	for i := range typ.Params {
		code = wasm.AppendIndex(append(code, byte(wasm.OpLocalGet)), uint32(i))
	}
	return code
}
