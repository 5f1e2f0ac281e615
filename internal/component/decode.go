package component

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Section ids.
const (
	secCustom = iota
	secModule
	secCoreInstance
	secCoreType
	secComponent
	secInstance
	secAlias
	secType
	secCanon
	secStart
	secImport
	secExport
	secValue
	numSections
)

var sectionNames = [numSections]string{
	"custom", "core module", "core instance", "core type", "component", "instance", "alias", "type", "canon", "start",
	"import", "export", "value",
}

// header is the beginning of every component: a magic number, the version, the layer.
var header = []byte("\x00asm\x0d\x00\x01\x00")

// Bounds of a component. They keep the memory for one as small as for a core module of the
// same size, which has at most a million of each kind of definition.
const (
	maxDepth  = 100       // of components and types in each other
	maxParts  = 1_000_000 // definitions, entries of lists, and what core modules import, export and define
	maxNested = 10_000    // core modules and components
)

// Is reports whether data begins like a component of any version.
func Is(data []byte) bool {
	return len(data) >= len(header) && bytes.HasPrefix(data, header[:4]) && binary.LittleEndian.Uint16(data[6:]) == 1
}

// Decode reads a component. The result aliases data. It checks the form of the binary,
// and not the references of definitions: see [Validate]. An error is a [*FormatError],
// [*UnsupportedError] or [*LimitError], or an [*wasm.UnsupportedError] about a core type.
func Decode(data []byte) (*Component, error) {
	if len(data) > math.MaxUint32 {
		return nil, &LimitError{"bytes", len(data), math.MaxUint32}
	}
	d := &decoder{PartReader: wasm.NewPartReader(data)}
	c := d.component()
	failed, limit, feature := d.Failed()
	switch {
	case d.unsupported != nil:
		return nil, d.unsupported
	case d.limit != nil:
		return nil, d.limit
	case limit != nil:
		return nil, &LimitError{limit.Limit, int(limit.Got), int(limit.Max)}
	case feature != nil:
		return nil, feature
	case failed != nil:
		return nil, &FormatError{failed.Offset, d.section, failed.Msg}
	}
	return c, nil
}

type decoder struct {
	*wasm.PartReader
	section     string // the innermost one, for errors
	depth       int    // of components and types
	parts       int
	nested      int
	unsupported *UnsupportedError
	limit       *LimitError
}

// fails reports whether there was a failure.
func (d *decoder) fails() bool {
	failed, _, _ := d.Failed()
	return failed != nil
}

// refuse ends the decoding because of a feature.
func (d *decoder) refuse(feature, instead string) {
	if !d.fails() {
		d.unsupported = &UnsupportedError{feature, instead}
	}
	d.Fail(d.Pos(), "%s", feature)
}

// add counts parts.
func (d *decoder) add(n int) {
	if d.parts += n; d.parts > maxParts {
		d.exceed("parts (definitions, entries of lists, functions of core modules)", d.parts, maxParts)
	}
}

// nest counts a core module or component in another component.
func (d *decoder) nest() {
	if d.nested++; d.nested > maxNested {
		d.exceed("core modules and components in it", d.nested, maxNested)
	}
}

// exceed ends the decoding because of a limit.
func (d *decoder) exceed(limit string, got, most int) {
	if !d.fails() {
		d.limit = &LimitError{limit, got, most}
	}
	d.Fail(d.Pos(), "at most %d %s", most, limit)
}

// readList reads a vector, each of whose elements has at least size bytes and is a part.
func readList[T any](d *decoder, size int, what string, read func() T) []T {
	return wasm.ReadList(d.PartReader, size, what, func() T { d.add(1); return read() })
}

// deeper enters a component or type in another. If it returns true, the caller must call
// d.depth-- in the end.
func (d *decoder) deeper() bool {
	if d.depth == maxDepth {
		d.Fail(d.Pos(), "expected at most %d components and types in each other", maxDepth)
		return false
	}
	d.depth++
	return true
}

// component reads a component up to the end.
func (d *decoder) component() *Component {
	start := d.Pos()
	c := &Component{}
	h := d.Take(min(len(header), d.Left()), "a header")
	if !bytes.Equal(h, header) {
		d.Fail(start, "expected the header of a component (\\0asm, version 0x0d, layer 1), got % x", h)
	}
	if !d.deeper() {
		return c
	}
	for d.Left() > 0 {
		d.oneSection(c)
	}
	d.depth--
	return c
}

// oneSection reads a section. After a failure, section stays that of the failure.
func (d *decoder) oneSection(c *Component) {
	start, outer := d.Pos(), d.section
	id := d.Byte("a section id")
	if id >= numSections {
		d.Fail(start, "expected a section id below %d, got %d", numSections, id)
		return
	}
	size := d.U32("the size of a section")
	if uint64(size) > uint64(d.Left()) {
		d.Fail(start, "expected %d bytes of the %s section, got %d", size, sectionNames[id], d.Left())
	}
	if d.fails() {
		return
	}
	d.section = sectionNames[id]
	end := d.Narrow(int(size))
	d.content(c, id)
	if d.Left() > 0 {
		d.Fail(d.Pos(), "expected the end of the section, got %d more bytes", d.Left())
	}
	d.Widen(end)
	if !d.fails() {
		d.section = outer
	}
}

// content reads the content of a section. The numbers are the smallest sizes of a
// definition, in bytes.
func (d *decoder) content(c *Component, id byte) {
	switch id {
	case secCustom:
		d.add(1)
		name := d.Name("the name of a custom section")
		if len(c.Customs) == cap(c.Customs) {
			c.Customs = slices.Grow(c.Customs, len(c.Customs)+1) // twice as many: there may be one for each 3 bytes
		}
		c.Customs = append(c.Customs, wasm.Custom{Name: name, Data: d.Take(d.Left(), name)})
	case secModule:
		c.Defs = append(c.Defs, Def{uint32(d.Pos()), d.module()})
	case secComponent:
		d.nest()
		at := uint32(d.Pos())
		c.Defs = append(c.Defs, Def{at, d.component()})
	case secCoreInstance:
		d.defs(c, 2, "core instances", d.coreInstance)
	case secCoreType:
		d.defs(c, 2, "core types", func() Node { return d.coreType(true) })
	case secInstance:
		d.defs(c, 2, "instances", d.instance)
	case secAlias:
		d.defs(c, 4, "aliases", d.alias)
	case secType:
		d.defs(c, 1, "types", d.typeDef)
	case secCanon:
		d.defs(c, 1, "canonical definitions", d.canon)
	case secStart:
		c.Defs = append(c.Defs, Def{uint32(d.Pos()), d.start()})
	case secImport:
		d.defs(c, 4, "imports", func() Node { return d.importDef() })
	case secExport:
		d.defs(c, 5, "exports", d.export)
	case secValue:
		d.refuse("values", "build without the proposal of values")
	}
}

// defs reads a vector of definitions.
func (d *decoder) defs(c *Component, size int, what string, read func() Node) {
	c.Defs = d.appendDefs(c.Defs, size, what, read)
}

// appendDefs reads a vector of definitions, each of at least size bytes.
func (d *decoder) appendDefs(defs []Def, size int, what string, read func() Node) []Def {
	n := d.Count(size, what)
	d.add(n)
	defs = slices.Grow(defs, n)
	for ; n > 0 && !d.fails(); n-- {
		at := uint32(d.Pos())
		defs = append(defs, Def{at, read()})
	}
	return defs
}

// module reads a core module, and checks its form apart from code.
func (d *decoder) module() Node {
	at := d.Pos()
	data := d.Take(d.Left(), "a core module")
	if d.nest(); d.fails() {
		return &Module{}
	}
	m, err := wasm.Parse(data)
	if err != nil {
		d.moduleError(at, err)
		return &Module{}
	}
	d.add(len(m.Imports) + len(m.Exports) + len(m.Functions))
	return &Module{data}
}

func (d *decoder) start() Node {
	s := &Start{Func: d.U32("a function index")}
	s.Args = readList(d, 1, "arguments", func() uint32 { return d.U32("a value index") })
	s.Results = d.U32("the number of results")
	return s
}
