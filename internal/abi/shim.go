package abi

import (
	"github.com/airhost/airhost/internal/wasm"
)

// Names of a shim's exports, and of its first import, from the module [ShimHost].
const (
	ShimMessage    = "message"    // (sender ptr, len, message ptr, len) -> both pointers for the next call, as of an entry
	ShimCallback   = "callback"   // (request-id i64, tag, ptr, len) -> the same
	ShimAllocating = "allocating" // an i32 global: not 0 while the guest allocates for the next call
	ShimHost       = "host"
	ShimTake       = "take" // (area): the host reads the result there
)

// TakeType is the type of the host function that a shim imports.
var TakeType = signature("i:")

// Shim returns the code of a module that runs a whole call of a guest, as an entry does
// (see [AddEntry]): the guest handles its arguments, the host reads the result, the guest
// cleans up and allocates its next arguments. It suits an engine where a call of the
// host is cheap, and a global of the guest dear. exports are the guest's exports. The
// shim imports take, and then the guest's functions in imports, in this order.
func Shim(exports map[string]bool) (code []byte, imports []string) {
	s := shim{moduleCode{m: &wasm.Module{}, functions: make(map[string]uint32)}}
	s.importFunc(ShimHost, Func{ShimTake, TakeType})
	for _, f := range Exports() {
		switch f.Name {
		case Realloc, HandleMessage, HandleCallback, PostHandleMessage, PostHandleCallback:
			if exports[f.Name] {
				s.importFunc("guest", f)
				imports = append(imports, f.Name)
			}
		}
	}
	s.m.Export(ShimAllocating, wasm.KindGlobal, s.m.AddGlobal(wasm.I32, []byte{opI32Const, 0}))
	s.message(exports[PostHandleMessage])
	if exports[HandleCallback] {
		s.callback(exports[PostHandleCallback])
	}
	return s.m.Encode(), imports
}

type shim struct{ moduleCode }

func (s *shim) importFunc(module string, f Func) {
	s.functions[f.Name] = uint32(len(s.m.Imports))
	s.m.Imports = append(s.m.Imports, wasm.Import{Module: module, Name: f.Name, Kind: wasm.KindFunc, Type: uint32(len(s.m.Types))})
	s.m.Types = append(s.m.Types, f.Type)
}

// message generates the function message, with the local area.
func (s *shim) message(post bool) {
	const sender, senderLen, message, messageLen, area = 0, 1, 2, 3, 4
	s.allocating(0)
	s.call(HandleMessage, sender, senderLen, message, messageLen)
	s.finish(area, post, PostHandleMessage)
	s.allocate(messageLen)
	s.i64(32)
	s.emit(opI64Shl)
	s.allocate(senderLen)
	s.emit(opI64Or)
	s.export(Func{ShimMessage, signature("iiii:I")})
}

// callback generates the function callback, with the local area.
func (s *shim) callback(post bool) {
	const id, tag, ptr, size, area = 0, 1, 2, 3, 4
	s.allocating(0)
	s.call(HandleCallback, id, tag, ptr, size)
	s.finish(area, post, PostHandleCallback)
	s.allocate(size)
	s.i64(32)
	s.emit(opI64Shl)
	s.export(Func{ShimCallback, signature("Iiii:I")})
}

func (s *shim) allocating(now int64) {
	s.i32(now)
	s.index(opGlobalSet, 0)
}

// finish generates code that passes the handler's result area to the host and cleans up.
func (s *shim) finish(area byte, post bool, name string) {
	s.set(area)
	s.call(ShimTake, area)
	if post {
		s.call(name, area)
	}
	s.allocating(1)
}

// allocate generates code that pushes a pointer to a new block of the size in a local, or
// 0 if that is 0 or above [MaxAdvance], as an i64.
func (s *shim) allocate(size byte) {
	s.get(size)
	s.i32(1)
	s.emit(opI32Sub)
	s.i32(MaxAdvance)
	s.emit(opI32LtU, opIf, typeI64, opI32Const, 0, opI32Const, 0, opI32Const, 1)
	s.call(Realloc, size)
	s.emit(opI64ExtendU)
	s.emit(opElse)
	s.i64(0)
	s.emit(opEnd)
}

// export ends a function that has an i32 local besides its parameters.
func (s *shim) export(f Func) {
	s.m.Export(f.Name, wasm.KindFunc, s.function(f.Type, typeI32))
}
