package abi

import "github.com/airhost/airhost/internal/wasm"

// ExportStart turns a module's start function into an export, which the engine does
// not run by itself. It returns the export's name, or "" if the module has no start
// function. It replaces m's slices and does not change their elements.
func ExportStart(m *wasm.Module) string {
	if m.Start == nil {
		return ""
	}
	name := m.FreeName("airhost:start")
	m.ExportStart(name)
	return name
}
