package wasm

// TableWrite is an active element segment at a constant offset: it writes functions to a
// table when the module is instantiated.
type TableWrite struct {
	Table, Offset uint32
	Funcs         []uint32
}

// TableWrites returns the module's element segments. ok is false if one is not active,
// not of function indices, or not at a constant offset.
func (m *Module) TableWrites() (writes []TableWrite, ok bool) {
	r := &reader{data: m.Elements.Raw, end: len(m.Elements.Raw)}
	for range m.Elements.Count {
		var w TableWrite
		flags := r.u32("flags of an element segment")
		if flags&^elemExplicit != 0 {
			return nil, false
		}
		if flags != 0 {
			w.Table = r.u32("table index")
		}
		if r.byte("an offset") != opI32Const {
			return nil, false
		}
		w.Offset = uint32(r.sleb(32, "an offset"))
		if r.byte("an end") != opEnd {
			return nil, false
		}
		if flags != 0 {
			r.elementType(flags)
		}
		r.each("function indices", func() { w.Funcs = append(w.Funcs, r.u32("function index")) })
		writes = append(writes, w)
	}
	return writes, r.err == nil
}
