package wasm

import "slices"

// AddFuncImport adds an import of a function of the given type after all other imports
// and returns its index. The indices of defined functions become higher by one.
// AddFuncImport changes them in exports, the start function, element segments, constant
// expressions and names; the caller must change them in the code. If m shares memory
// with another module, that one does not change.
func (m *Module) AddFuncImport(module, name string, typ uint32) uint32 {
	f := uint32(m.Len(KindFunc) - len(m.Functions))
	imports := m.Imports[:len(m.Imports):len(m.Imports)]
	m.Imports = append(imports, Import{Module: module, Name: name, Kind: KindFunc, Type: typ})
	m.shift(f)
	return f
}

// ExportStart turns the start function, which m must have, into an export of the given
// name: the host calls it, and the engine does not. The export is a new function that
// calls the start function. An export of the start function itself would be a
// declaration for references to it, and could make invalid code valid. If m shares
// memory with another module, that one does not change.
func (m *Module) ExportStart(name string) {
	f := uint32(m.Len(KindFunc))
	call := append(AppendIndex([]byte{byte(OpCall)}, *m.Start), byte(OpEnd))
	m.Functions = append(slices.Clip(m.Functions), m.FuncTypes()[*m.Start])
	m.Code = append(slices.Clip(m.Code), Code{Expr: call})
	m.Exports = append(slices.Clip(m.Exports), Export{Name: name, Kind: KindFunc, Index: f})
	m.Start = nil
}

// shift adds one to the function indices from first on.
func (m *Module) shift(first uint32) {
	if m.Start != nil {
		start := shifted(*m.Start, first)
		m.Start = &start
	}
	m.Exports = append([]Export(nil), m.Exports...)
	for i := range m.Exports {
		if e := &m.Exports[i]; e.Kind == KindFunc {
			e.Index = shifted(e.Index, first)
		}
	}
	m.Elements.Raw = shiftRead(m.Elements.Raw, first, m.readElements)
	m.shiftInits(first)
	m.Customs = append([]Custom(nil), m.Customs...)
	for i := range m.Customs {
		if c := &m.Customs[i]; c.Name == "name" {
			c.Data = shiftNames(c.Data, first)
		}
	}
}

func (m *Module) shiftInits(first uint32) {
	constant := func(r *reader) { r.constExpr() }
	m.Globals = append([]Global(nil), m.Globals...)
	for i := range m.Globals {
		m.Globals[i].Init = shiftRead(m.Globals[i].Init, first, constant)
	}
	m.Tables = append([]Table(nil), m.Tables...)
	for i := range m.Tables {
		if m.Tables[i].Init != nil {
			m.Tables[i].Init = shiftRead(m.Tables[i].Init, first, constant)
		}
	}
}

func shifted(index, first uint32) uint32 {
	if index >= first {
		index++
	}
	return index
}

// shiftRead returns data with shifted function indices. read is the reader of data.
func shiftRead(data []byte, first uint32, read func(*reader)) []byte {
	r := &reader{data: data, end: len(data), noteFuncs: true}
	read(r)
	if len(r.funcs) == 0 {
		return data
	}
	out := make([]byte, 0, len(data)+len(r.funcs))
	done := 0
	for _, s := range r.funcs {
		out = append(out, data[done:s.start]...)
		out = appendU32(out, shifted(s.index, first))
		done = s.end
	}
	return append(out, data[done:]...)
}

func (m *Module) readElements(r *reader) {
	for i := uint32(0); i < m.Elements.Count; i++ {
		r.element()
	}
}

// RefersToImports reports whether code may have a reference to an imported function. It
// may if the function is exported, is the start function, or is named by an element
// segment or a constant expression.
func (m *Module) RefersToImports() bool {
	first := uint32(m.Len(KindFunc) - len(m.Functions))
	named := m.Start != nil && *m.Start < first
	for i := range m.Exports {
		named = named || m.Exports[i].Kind == KindFunc && m.Exports[i].Index < first
	}
	constant := func(r *reader) { r.constExpr() }
	named = named || names(m.Elements.Raw, first, m.readElements)
	for i := range m.Globals {
		named = named || names(m.Globals[i].Init, first, constant)
	}
	for i := range m.Tables {
		named = named || m.Tables[i].Init != nil && names(m.Tables[i].Init, first, constant)
	}
	return named
}

// names reports whether data names a function before first. read is the reader of data.
func names(data []byte, first uint32, read func(*reader)) bool {
	r := &reader{data: data, end: len(data), noteFuncs: true}
	read(r)
	return slices.ContainsFunc(r.funcs, func(s site) bool { return s.index < first })
}
