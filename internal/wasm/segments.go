package wasm

// SegmentMode says when the content of a segment is written.
type SegmentMode byte

// The modes.
const (
	SegmentActive   SegmentMode = iota // when the module is instantiated
	SegmentPassive                     // by an instruction
	SegmentDeclares                    // never: its functions may be referred to; elements only
)

// ElementSegment is a segment of a table. It has Functions, or Exprs if it was written
// with expressions.
type ElementSegment struct {
	Mode      SegmentMode
	Table     uint32 // active only
	Offset    []byte // active only: a constant expression with its end
	Type      ValueType
	Functions []uint32
	Exprs     [][]byte // constant expressions with their ends
}

// Len returns the number of elements.
func (s *ElementSegment) Len() int { return len(s.Functions) + len(s.Exprs) }

// DataSegment is a segment of memory 0.
type DataSegment struct {
	Mode    SegmentMode
	Memory  uint32 // active only
	Offset  []byte // active only: a constant expression with its end
	Content []byte
}

// ElementSegments decodes the element segments. The module must be one that Parse
// returned. The result aliases m.Elements.Raw.
func (m *Module) ElementSegments() []ElementSegment {
	r := &reader{data: m.Elements.Raw, end: len(m.Elements.Raw)}
	all := make([]ElementSegment, 0, m.Elements.Count)
	for range m.Elements.Count {
		all = append(all, r.elementSegment())
	}
	return all
}

// elementSegment decodes a segment that element has checked.
func (r *reader) elementSegment() ElementSegment {
	flags := r.u32("flags of an element segment")
	s := ElementSegment{Type: FuncRef}
	switch {
	case flags&elemNotActive == 0:
		if flags&elemExplicit != 0 {
			s.Table = r.u32("table index")
		}
		s.Offset = r.constExpr()
	case flags&elemExplicit != 0:
		s.Mode = SegmentDeclares
	default:
		s.Mode = SegmentPassive
	}
	exprs := flags&elemExprs != 0
	switch {
	case flags&(elemNotActive|elemExplicit) == 0:
	case exprs:
		s.Type = r.refType()
	default:
		r.byte("an element kind")
	}
	n := r.count(1, "elements")
	if exprs {
		s.Exprs = make([][]byte, n)
		for i := range s.Exprs {
			s.Exprs[i] = r.constExpr()
		}
		return s
	}
	s.Functions = make([]uint32, n)
	for i := range s.Functions {
		s.Functions[i] = r.u32("function index")
	}
	return s
}

// appended makes raw, with one segment more than before, the encoding.
func (s *Segments) appended(raw []byte) { s.Count, s.Raw = s.Count+1, raw }

// AddElements appends an element segment, and returns its index.
func (m *Module) AddElements(s ElementSegment) uint32 {
	raw, exprs := m.Elements.Raw, s.Exprs != nil
	flags := byte(elemNotActive)
	switch s.Mode {
	case SegmentActive:
		flags = elemExplicit
	case SegmentDeclares:
		flags |= elemExplicit
	}
	if exprs {
		flags |= elemExprs
	}
	if s.Mode == SegmentActive && s.Table == 0 && s.Type == FuncRef {
		raw = append(append(raw, flags&^elemExplicit), s.Offset...)
	} else {
		raw = append(raw, flags)
		if s.Mode == SegmentActive {
			raw = append(appendU32(raw, s.Table), s.Offset...)
		}
		if exprs {
			raw = AppendValueType(raw, s.Type)
		} else {
			raw = append(raw, 0)
		}
	}
	raw = appendU32(raw, uint32(s.Len()))
	for _, f := range s.Functions {
		raw = appendU32(raw, f)
	}
	for _, e := range s.Exprs {
		raw = append(raw, e...)
	}
	m.Elements.appended(raw)
	return m.Elements.Count - 1
}

// DataSegments decodes the data segments. The module must be one that Parse returned.
// The result aliases m.Data.Raw.
func (m *Module) DataSegments() []DataSegment {
	r := &reader{data: m.Data.Raw, end: len(m.Data.Raw)}
	all := make([]DataSegment, 0, m.Data.Count)
	for range m.Data.Count {
		var s DataSegment
		flags := r.u32("flags of a data segment")
		if flags == dataExplicit {
			s.Memory = r.u32("memory index")
		}
		if flags == dataPassive {
			s.Mode = SegmentPassive
		} else {
			s.Offset = r.constExpr()
		}
		s.Content = r.take(uint64(r.u32("size of a data segment")), "a data segment")
		all = append(all, s)
	}
	return all
}

// AddData appends a data segment of memory 0, and returns its index.
func (m *Module) AddData(s DataSegment) uint32 {
	raw := m.Data.Raw
	if s.Mode == SegmentActive {
		raw = append(append(raw, 0), s.Offset...)
	} else {
		raw = append(raw, dataPassive)
	}
	raw = append(appendU32(raw, uint32(len(s.Content))), s.Content...)
	m.Data.appended(raw)
	return m.Data.Count - 1
}

// Signed decodes the constant of an i32.const or i64.const instruction, that
// [Instructions] has read.
func Signed(constant []byte) int64 {
	r := &reader{data: constant, end: len(constant)}
	return r.sleb(64, "a constant")
}
