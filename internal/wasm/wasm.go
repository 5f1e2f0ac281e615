// Package wasm reads and writes core WebAssembly binaries.
//
// It answers what a host asks of a module before it gives it to an engine:
// what the module imports and exports and with which signatures, how much
// memory and how many tables, functions and segments it declares, and where a
// broken file is broken. [Parse] is safe on hostile input: it never panics, it
// allocates in proportion to the input and not to what the input claims, and
// every error names a byte offset. What it accepts is the structure of the
// WebAssembly 2.0 binary format with tail calls, exceptions, threads, extended
// constants, 64-bit memories and typed function references. What it knows and does
// not accept is an [*UnsupportedError], and what guests may not use is in
// [Module.Features] and found by [Module.CheckCode]. It does not check that code is well
// typed: that is the engine's part.
//
// [Module.Encode] writes a module back, with whatever the caller changed.
package wasm

// Module is a core module, section by section. Byte slices in it alias the
// input of [Parse], which must not be changed while the module is in use. A
// caller may replace, append and remove entries and encode the result.
type Module struct {
	Types     []FuncType
	Imports   []Import
	Functions []uint32 // type index of each function that the module defines
	Tables    []Table
	Memories  []Limits // in pages of 64 KiB
	Tags      []uint32 // type index of each tag that the module defines
	Globals   []Global
	Exports   []Export
	Start     *uint32 // function index, nil if there is none
	Elements  Segments
	DataCount *uint32 // nil if there is no such section
	Code      []Code  // as many as Functions
	Data      Segments
	Customs   []Custom
	Features  FeatureSet // that are used outside of code and guests may not use
}

// Kind is what an import or export stands for. Its values are the format's.
type Kind byte

const (
	KindFunc Kind = iota
	KindTable
	KindMemory
	KindGlobal
	KindTag
)

func (k Kind) String() string {
	return [...]string{"func", "table", "memory", "global", "tag"}[k]
}

// Import is one import. Kind says which of the last four fields is meant.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         uint32 // KindFunc, KindTag: index into Module.Types
	Table        Table
	Memory       Limits
	Global       GlobalType
}

// Export is one export. Index counts imports of the same kind first.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32
}

// Limits bound a memory, in pages of 64 KiB, or a table, in elements.
type Limits struct {
	Min, Max uint64 // Max counts only if HasMax is true
	HasMax   bool
	Shared   bool // between threads; memories only
	Is64     bool // indexed by i64
}

// Table is a table's type and, if Init is not nil, the constant expression
// that each element starts with.
type Table struct {
	Elem ValueType
	Limits
	Init []byte
}

// GlobalType is the type of a global.
type GlobalType struct {
	Value   ValueType
	Mutable bool
}

// Global is a global that the module defines. Init is its constant
// expression, the final end included.
type Global struct {
	Type GlobalType
	Init []byte
}

// Segments are the element or data segments: how many there are and their
// encoding, which was checked for structure and is otherwise left as it was.
type Segments struct {
	Count uint32
	Raw   []byte
}

// Code is the body of a function.
type Code struct {
	Groups uint32 // of locals: pairs of count and type
	Decls  []byte // the groups' encoding
	Locals uint32 // how many locals the groups declare, parameters not counted
	Expr   []byte // instructions, the final end included; not decoded
	Offset int    // of Expr in the input
}

// Custom is a custom section.
type Custom struct {
	Name  string
	Data  []byte
	After byte // id of the last other section before it, 0 if there is none
}

// Len returns how many functions, tables, memories, globals or tags the
// module has, imported ones included. It takes time in proportion to the
// number of imports.
func (m *Module) Len(k Kind) int {
	n := [...]int{len(m.Functions), len(m.Tables), len(m.Memories), len(m.Globals), len(m.Tags)}[k]
	for i := range m.Imports {
		if m.Imports[i].Kind == k {
			n++
		}
	}
	return n
}

// FuncTypes returns the type index of every function, imported ones first:
// the signature of function f is m.Types[m.FuncTypes()[f]].
func (m *Module) FuncTypes() []uint32 {
	types := make([]uint32, 0, len(m.Imports)+len(m.Functions))
	for i := range m.Imports {
		if m.Imports[i].Kind == KindFunc {
			types = append(types, m.Imports[i].Type)
		}
	}
	return append(types, m.Functions...)
}

// TableAt returns a table by its index, which counts imported ones first, and whether
// there is one.
func (m *Module) TableAt(index uint32) (Table, bool) {
	i := uint64(index)
	for j := range m.Imports {
		if m.Imports[j].Kind != KindTable {
			continue
		}
		if i == 0 {
			return m.Imports[j].Table, true
		}
		i--
	}
	if i >= uint64(len(m.Tables)) {
		return Table{}, false
	}
	return m.Tables[i], true
}
