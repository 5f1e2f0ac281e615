package wasm

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Section ids.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	secTag
)

// sectionOrder is the order of the sections, without custom sections.
var sectionOrder = []byte{
	secType, secImport, secFunction, secTable, secMemory, secTag, secGlobal,
	secExport, secStart, secElement, secDataCount, secCode, secData,
}

// header is the beginning of every core module: a magic number and the version.
var header = []byte("\x00asm\x01\x00\x00\x00")

// Parse reads a module. The result aliases data. Errors are [ErrNotWasm],
// [ErrComponentModel], a [*FormatError], a [*LimitError] or an [*UnsupportedError].
func Parse(data []byte) (*Module, error) {
	if err := checkHeader(data); err != nil {
		return nil, err
	}
	m := &Module{}
	r := &reader{data: data, pos: len(header), end: len(data)}
	last := byte(secCustom)
	for r.err == nil && r.pos < len(data) {
		r.end = len(data)
		last = r.section(m, last)
	}
	if r.err == nil && len(m.Code) != len(m.Functions) {
		r.fail(len(data), "expected %d function bodies, got %d", len(m.Functions), len(m.Code))
	}
	r.checkUses(m)
	switch {
	case r.limit != nil:
		return nil, r.limit
	case r.feature != nil:
		return nil, r.feature
	case r.err != nil:
		return nil, r.err
	}
	m.Features = r.features
	return m, nil
}

// checkUses checks the indices that may come before the things to which they refer.
// Otherwise an index could be out of range in the guest's module, and become valid when
// the host adds to the module.
func (r *reader) checkUses(m *Module) {
	if n := uint64(len(m.Types)); r.valueTypes.count > n {
		r.fail(r.valueTypes.at, "expected a type index below %d, got %d", n, r.valueTypes.count-1)
	}
	for _, k := range []Kind{KindFunc, KindTable, KindGlobal} {
		if n := uint64(m.Len(k)); r.used[k].count > n {
			r.fail(r.used[k].at, "expected a %s index below %d, got %d", k, n, r.used[k].count-1)
		}
	}
}

func checkHeader(data []byte) error {
	if !bytes.HasPrefix(data, header[:4]) {
		return ErrNotWasm
	}
	if len(data) < len(header) {
		return &FormatError{len(data), "expected a version, got the end"}
	}
	if layer := binary.LittleEndian.Uint16(data[6:]); layer == 1 {
		return ErrComponentModel
	}
	if !bytes.HasPrefix(data, header) {
		return &FormatError{4, "expected version 1 of a core module"}
	}
	return nil
}

// section reads one section. last is the id of the last section that was not a custom
// section; so is the result.
func (r *reader) section(m *Module, last byte) byte {
	start := r.pos
	id := r.byte("section id")
	size := r.u32("section size")
	if uint64(size) > uint64(r.left()) {
		r.fail(start, "expected %d bytes of section %d, got %d", size, id, r.left())
		return last
	}
	r.end = r.pos + int(size)
	if id == secCustom {
		r.custom(m, last)
		return last
	}
	rank := bytes.IndexByte(sectionOrder, id)
	if rank < 0 || rank <= bytes.IndexByte(sectionOrder, last) {
		r.fail(start, "expected a section that may follow section %d, got id %d", last, id)
		return last
	}
	r.content(m, id)
	if r.pos != r.end {
		r.fail(r.pos, "expected the end of section %d, got %d more bytes", id, r.left())
	}
	return id
}

func (r *reader) custom(m *Module, last byte) {
	if r.atMost(len(m.Customs)+1, maxEntries, "custom sections") {
		name := r.name("custom section name")
		m.Customs = append(m.Customs, Custom{name, r.take(uint64(r.left()), name), last})
	}
}

// content reads the content of a section. The numbers are the smallest sizes of an
// entry, in bytes.
func (r *reader) content(m *Module, id byte) {
	switch id {
	case secType:
		r.types(m)
	case secImport:
		m.Imports = list(r, 4, "imports", func(r *reader) Import { return r.importEntry(m) })
	case secFunction:
		m.Functions = shortList(r, 1, maxFunctions, "functions", func(r *reader) uint32 { return r.index(len(m.Types), "type") })
	case secTable:
		m.Tables = list(r, 3, "tables", (*reader).table)
	case secMemory:
		m.Memories = list(r, 2, "memories", (*reader).memory)
	case secTag:
		m.Tags = list(r, 2, "tags", func(r *reader) uint32 { return r.tag(m) })
	case secGlobal:
		m.Globals = shortList(r, 3, maxGlobals, "globals", (*reader).global)
	case secExport:
		r.exports(m)
	case secStart:
		r.start(m)
	case secElement:
		m.Elements = r.segments(3, "element segments", (*reader).element)
	case secDataCount:
		n := r.u32("number of data segments")
		m.DataCount = &n
	case secCode:
		m.Code = shortList(r, 3, maxFunctions, "function bodies", (*reader).code)
	case secData:
		m.Data = r.segments(2, "data segments", (*reader).dataSegment)
	}
}

// start reads the index of the start function, and checks the type of the function.
// All other uses of a function name its type.
func (r *reader) start(m *Module) {
	at := r.pos
	f := r.index(m.Len(KindFunc), "function")
	if r.err != nil {
		return
	}
	if t := m.Types[m.FuncTypes()[f]]; len(t.Params)+len(t.Results) > 0 {
		r.fail(at, "expected a start function of type () -> (), got %s", t)
	}
	m.Start = &f
}

// types reads the type section. A recursive group is one entry with several types.
func (r *reader) types(m *Module) {
	const groupForm = 0x4e
	n := r.count(2, "types")
	if !r.atMost(n, maxEntries, "types") {
		return
	}
	m.Types = make([]FuncType, 0, n)
	for ; n > 0 && r.err == nil; n-- {
		if r.left() == 0 || r.data[r.pos] != groupForm {
			m.Types = append(m.Types, r.funcType())
			continue
		}
		r.pos++
		r.uses(GC)
		r.group(m)
	}
}

// group reads the types of a recursive group. Each counts as a type.
func (r *reader) group(m *Module) {
	first, n := len(m.Types), r.count(3, "types of a group")
	if n == 0 || !r.atMost(first+n, maxEntries, "types") {
		return
	}
	for range n {
		m.Types = append(m.Types, r.funcType())
		if r.err != nil {
			return
		}
	}
	m.Types[first].Rec = uint32(n)
}

func (r *reader) funcType() FuncType {
	start := r.pos
	if form := r.byte("a type"); r.err == nil && form != 0x60 {
		if f, ok := featureOfType(form); ok {
			r.unsupported(start, f)
		}
		r.fail(start, "expected a function type 0x60, got %#x", form)
	}
	return FuncType{
		Params:  r.signature("parameters"),
		Results: r.signature("results"),
	}
}

func (r *reader) valueType() ValueType {
	start := r.pos
	t := ValueType{Code: r.byte("a value type")}
	switch {
	case t.Code == RefNull, t.Code == Ref:
		r.uses(TypedReferences)
		t.Heap = r.heapType()
	case t == ExnRef:
		r.uses(Exceptions)
	case r.err == nil && valueNames[t.Code] == "":
		if f, ok := featureOfType(t.Code); ok {
			r.unsupported(start, f)
		}
		r.fail(start, "expected a value type, got %#x", t.Code)
	}
	return t
}

func (r *reader) refType() ValueType {
	start := r.pos
	t := r.valueType()
	if r.err == nil && t.Code >= V128.Code {
		r.fail(start, "expected a reference type, got %s", t)
	}
	return t
}

func (r *reader) heapType() int32 {
	start := r.pos
	h := r.sleb(33, "a heap type")
	known := h == heapFunc || h == heapExtern || h == heapExn
	if f, ok := featureOfType(byte(h) & 0x7f); ok && h < 0 && h >= -64 {
		r.unsupported(start, f)
	}
	if h == heapExn {
		r.uses(Exceptions)
	}
	if h > math.MaxInt32 || h < 0 && !known {
		r.fail(start, "expected a heap type, got %d", h)
	}
	if h >= 0 {
		r.uses(TypedReferences)
		r.valueTypes.note(uint32(h), start)
	}
	return int32(h)
}

func (r *reader) importEntry(m *Module) Import {
	i := Import{Module: r.name("import module"), Name: r.name("import name")}
	i.Kind = r.kind()
	switch i.Kind {
	case KindFunc:
		i.Type = r.index(len(m.Types), "type")
	case KindTable:
		i.Table = r.tableType()
	case KindMemory:
		i.Memory = r.memory()
	case KindGlobal:
		i.Global = r.globalType()
	case KindTag:
		i.Type = r.tag(m)
	}
	return i
}

func (r *reader) kind() Kind {
	start := r.pos
	k := Kind(r.byte("a kind of import or export"))
	if k > KindTag {
		r.fail(start, "expected a kind of import or export, got %#x", byte(k))
		return KindFunc
	}
	return k
}

func (r *reader) limits() Limits {
	start := r.pos
	flags := r.byte("limits")
	switch {
	case flags&^7 == 8:
		r.unsupported(start, PageSizes)
	case flags > 7:
		r.fail(start, "expected limits, got flags %#x", flags)
	}
	l := Limits{HasMax: flags&1 != 0, Shared: flags&2 != 0, Is64: flags&4 != 0}
	if l.Shared {
		r.uses(Threads)
	}
	bits := 32
	if l.Is64 {
		r.uses(Memory64)
		bits = 64
	}
	l.Min = r.uleb(bits, "a minimum")
	if l.HasMax {
		l.Max = r.uleb(bits, "a maximum")
	}
	return l
}

// The largest memories of the format, in pages. The host may lower a memory's maximum.
// That must not make an invalid memory valid, so that Parse checks the maximum first.
const (
	mostPages   = 1 << 16
	mostPages64 = 1 << 48
)

func (r *reader) memory() Limits {
	start := r.pos
	l := r.limits()
	most := uint64(mostPages)
	if l.Is64 {
		most = mostPages64
	}
	if got := max(l.Min, l.Max); got > most {
		r.fail(start, "expected a memory of at most %d pages, got %d", most, got)
	}
	return l
}

func (r *reader) tableType() Table { return Table{Elem: r.refType(), Limits: r.limits()} }

// table reads a table of the table section. After the bytes 0x40 0x00 it is a type and
// an initial value, otherwise a type only.
func (r *reader) table() Table {
	if r.left() < 2 || r.data[r.pos] != 0x40 || r.data[r.pos+1] != 0 {
		return r.tableType()
	}
	r.pos += 2
	r.uses(TypedReferences)
	t := r.tableType()
	t.Init = r.constExpr()
	return t
}

func (r *reader) tag(m *Module) uint32 {
	r.uses(Exceptions)
	start := r.pos
	if a := r.byte("a tag attribute"); a != 0 {
		r.fail(start, "expected tag attribute 0, got %#x", a)
	}
	return r.index(len(m.Types), "type")
}

func (r *reader) globalType() GlobalType {
	t := GlobalType{Value: r.valueType()}
	start := r.pos
	mutable := r.byte("mutability")
	if mutable > 1 {
		r.fail(start, "expected mutability 0 or 1, got %#x", mutable)
	}
	t.Mutable = mutable == 1
	return t
}

func (r *reader) global() Global { return Global{Type: r.globalType(), Init: r.constExpr()} }

func (r *reader) exports(m *Module) {
	var lens [KindTag + 1]int
	for k := range lens {
		lens[k] = m.Len(Kind(k))
	}
	m.Exports = list(r, 3, "exports", func(r *reader) Export {
		e := Export{Name: r.name("export name"), Kind: r.kind()}
		e.Index = r.index(lens[e.Kind], e.Kind.String())
		return e
	})
}
