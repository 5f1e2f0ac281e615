package wasm

import (
	"fmt"
	"slices"
)

// AddGlobal adds a mutable global and returns its index. init pushes its initial value,
// without an end. If m shares memory with another module, that one does not change.
func (m *Module) AddGlobal(typ ValueType, init []byte) uint32 {
	m.Globals = append(slices.Clip(m.Globals), Global{
		Type: GlobalType{Value: typ, Mutable: true}, Init: append(init, opEnd),
	})
	return uint32(m.Len(KindGlobal)) - 1
}

// Export exports a function, global or memory that m has. It returns the export's name:
// see [Module.FreeName]. If m shares memory with another module, that one does not change.
func (m *Module) Export(want string, kind Kind, index uint32) string {
	name := m.FreeName(want)
	m.Exports = append(slices.Clip(m.Exports), Export{Name: name, Kind: kind, Index: index})
	return name
}

// FreeName returns want, or a similar name if m has an export of that name.
func (m *Module) FreeName(want string) string {
	taken := make(map[string]bool, len(m.Exports))
	for _, e := range m.Exports {
		taken[e.Name] = true
	}
	name := want
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s-%d", want, i)
	}
	return name
}
