package abi

import (
	"github.com/airhost/airhost/internal/wasm"
)

// Names of a shim's exports and of its imports from the module [ShimHost].
const (
	ShimMessage  = "message"  // (sender len, message len)
	ShimCallback = "callback" // (request-id i64, tag, len)
	ShimHost     = "host"
	ShimFill     = "fill" // (ptr, ptr): the host writes the arguments there
	ShimTake     = "take" // (area): the host reads the result there
)

// FillType and TakeType are the types of the host functions that a shim imports.
var (
	FillType = signature("ii:")
	TakeType = signature("i:")
)

// Shim returns the code of a module that handles a message or an outcome within one
// call: the guest allocates the arguments, the host writes them, the guest handles
// them, the host reads the result, and the guest cleans up. It suits an engine where
// a call of a guest is expensive and a call of the host is cheap. exports are the
// guest's exports. The shim imports fill, take, and then the guest's functions in
// imports, in this order.
func Shim(exports map[string]bool) (code []byte, imports []string) {
	s := shim{m: &wasm.Module{}, functions: make(map[string]uint32)}
	s.importFunc(ShimHost, Func{ShimFill, FillType})
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
	s.message(exports[PostHandleMessage])
	if exports[HandleCallback] {
		s.callback(exports[PostHandleCallback])
	}
	return s.m.Encode(), imports
}

type shim struct {
	assembler
	m         *wasm.Module
	functions map[string]uint32
}

func (s *shim) call(name string, locals ...byte) {
	for _, local := range locals {
		s.get(local)
	}
	s.index(opCall, s.functions[name])
}

func (s *shim) importFunc(module string, f Func) {
	s.functions[f.Name] = uint32(len(s.m.Imports))
	s.m.Imports = append(s.m.Imports, wasm.Import{Module: module, Name: f.Name, Kind: wasm.KindFunc, Type: uint32(len(s.m.Types))})
	s.m.Types = append(s.m.Types, f.Type)
}

// message generates (sender len, message len), with the locals ptr, ptr and area.
func (s *shim) message(post bool) {
	const senderLen, messageLen, sender, message, area = 0, 1, 2, 3, 4
	s.allocate(senderLen, sender)
	s.allocate(messageLen, message)
	s.call(ShimFill, sender, message)
	s.call(HandleMessage, sender, senderLen, message, messageLen)
	s.finish(area, post, PostHandleMessage)
	s.export(Func{ShimMessage, signature("ii:")}, 3)
}

// callback generates (request-id, tag, len), with the locals ptr and area.
func (s *shim) callback(post bool) {
	const id, tag, size, ptr, area = 0, 1, 2, 3, 4
	s.allocate(size, ptr)
	s.call(ShimFill, ptr, ptr)
	s.call(HandleCallback, id, tag, ptr, size)
	s.finish(area, post, PostHandleCallback)
	s.export(Func{ShimCallback, signature("Iii:")}, 2)
}

// allocate sets the local to to a pointer to size bytes; to 1 if size is 0, since
// the pointer must not be 0.
func (s *shim) allocate(size, to byte) {
	s.emit(opLocalGet, size, opIf, typeI32)
	s.emit(opI32Const, 0, opI32Const, 0, opI32Const, 1, opLocalGet, size)
	s.call(Realloc)
	s.emit(opElse, opI32Const, 1, opEnd, opLocalSet, to)
}

// finish passes the handler's result area to the host and cleans up.
func (s *shim) finish(area byte, post bool, name string) {
	s.emit(opLocalSet, area)
	s.call(ShimTake, area)
	if post {
		s.call(name, area)
	}
	s.emit(opEnd)
}

// export ends a function that has this many i32 locals besides its parameters.
func (s *shim) export(f Func, locals byte) {
	index := uint32(s.m.Len(wasm.KindFunc))
	s.m.Functions = append(s.m.Functions, uint32(len(s.m.Types)))
	s.m.Types = append(s.m.Types, f.Type)
	s.m.Code = append(s.m.Code, wasm.Code{Groups: 1, Decls: []byte{locals, typeI32}, Expr: s.code})
	s.m.Exports = append(s.m.Exports, wasm.Export{Name: f.Name, Kind: wasm.KindFunc, Index: index})
	s.code = nil
}

// ExportStart turns a module's start function into an export, which the engine does
// not run by itself. It returns the export's name, or "" if the module has no start
// function. It replaces m's slices and does not change their elements.
func ExportStart(m *wasm.Module) string {
	if m.Start == nil {
		return ""
	}
	name := freeName(m, "airhost:start")
	m.ExportStart(name)
	return name
}
