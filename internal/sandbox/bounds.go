package sandbox

import (
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// What a module may declare, beside what its component's limits bound. Engines
// take memory for each: 2^31 locals, declared in 6 bytes, cost wazero 18 GB.
const (
	maxLocals     = 50_000  // of a function, as in browsers
	maxParameters = 1000    // of a function, and the same number of results
	maxTables     = 100     // each as large as limits.table_elements
	maxSegments   = 100_000 // of data, and as many of elements; Wasmtime takes no more
)

// withinBounds returns an error for a module that declares more.
func withinBounds(m *wasm.Module) error {
	if n := m.Len(wasm.KindTable); n > maxTables {
		return &core.LimitError{Limit: "tables", Got: uint64(n), Max: maxTables}
	}
	if n := m.Data.Count; n > maxSegments {
		return &core.LimitError{Limit: "data segments", Got: uint64(n), Max: maxSegments}
	}
	if n := m.Elements.Count; n > maxSegments {
		return &core.LimitError{Limit: "element segments", Got: uint64(n), Max: maxSegments}
	}
	for i := range m.Types {
		if n := max(len(m.Types[i].Params), len(m.Types[i].Results)); n > maxParameters {
			return &core.LimitError{Limit: "parameters", Got: uint64(n), Max: maxParameters}
		}
	}
	for i := range m.Code {
		if n := m.Code[i].Locals; n > maxLocals {
			return &core.LimitError{Limit: "locals", Got: uint64(n), Max: maxLocals}
		}
	}
	return nil
}
