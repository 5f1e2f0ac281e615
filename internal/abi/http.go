package abi

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// HandlesHTTP reports whether a module that meets the contract handles requests of HTTP in place of
// messages.
func HandlesHTTP(m *wasm.Module) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(m.Exports, func(e wasm.Export) bool { return ExportName(e.Name) == name })
	}
	return has(HandleHTTP) && !has(HandleMessage)
}

// AddHandler reports whether a module [HandlesHTTP], and adds a handle-message that traps to it, so that
// engines link it like every other one. They call the guest's own handler in its place. It
// replaces m's slices and does not change their elements.
func AddHandler(m *wasm.Module) bool {
	if !HandlesHTTP(m) {
		return false
	}
	m.Types = append(slices.Clip(m.Types), signature("iiii:i"))
	index := uint32(m.Len(wasm.KindFunc))
	m.Functions = append(slices.Clip(m.Functions), uint32(len(m.Types)-1))
	m.Code = append(slices.Clip(m.Code), wasm.Code{Expr: []byte{opUnreachable, opEnd}})
	m.Export(HandleMessage, wasm.KindFunc, index)
	return true
}
