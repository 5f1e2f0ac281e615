// Package wasm reads and writes core WebAssembly binaries.
//
// A host reads a module before it gives the module to an engine: its imports and
// exports with their signatures, the number of its memories, tables, functions and
// segments, and the place of the error in a malformed file.
//
// [Parse] is safe on hostile input. It never panics, it allocates memory in proportion
// to the input and not to the sizes that the input claims, and every error names a byte
// offset. It accepts the structure of the WebAssembly 2.0 binary format with tail calls,
// exceptions, threads, extended constants, 64-bit memories and typed function
// references. A feature that Parse does not accept is an [*UnsupportedError]. A feature
// that Parse accepts and guests may not use is in [Module.Features], or [Module.CheckCode]
// finds it in the code. The package does not check the types of code: the engine does.
//
// [Module.Encode] writes a module back, with the changes of the caller.
package wasm

// Module is a core module, section by section. Its byte slices alias the input of
// [Parse], which must not be changed while the module is in use. A caller may replace,
// append and remove entries, and encode the result.
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
	Features  FeatureSet // used outside of code
}

// Kind is the kind of an import or export. Its values are the format's.
type Kind byte

// The kinds.
const (
	KindFunc Kind = iota
	KindTable
	KindMemory
	KindGlobal
	KindTag
)

// String returns the name in the text format.
func (k Kind) String() string {
	return [...]string{"func", "table", "memory", "global", "tag"}[k]
}

// Import is one import. Kind selects one of the last four fields.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         uint32 // KindFunc, KindTag: index into Module.Types
	Table        Table
	Memory       Limits
	Global       GlobalType
}

// Export is one export. Index counts the imports of the same kind first.
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

// Table is a table's type. Init, if not nil, is the constant expression for the initial
// value of each element.
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

// Global is a global that the module defines. Init is its constant expression, with
// the final end.
type Global struct {
	Type GlobalType
	Init []byte
}

// Segments are the element or data segments: their number, and their encoding, in
// which Parse has checked the structure.
type Segments struct {
	Count uint32
	Raw   []byte
}

// Code is the body of a function.
type Code struct {
	Groups uint32 // of locals: pairs of count and type
	Decls  []byte // the groups' encoding
	Locals uint32 // the number of locals in the groups, without parameters
	Expr   []byte // the instructions with the final end, not decoded
	Offset int    // of Expr in the input
}

// Custom is a custom section.
type Custom struct {
	Name  string
	Data  []byte
	After byte // id of the last section before it that is not custom, or 0
}

// Len returns the number of functions, tables, memories, globals or tags that the
// module imports and defines. It takes time in proportion to the number of imports.
func (m *Module) Len(k Kind) int {
	n := [...]int{len(m.Functions), len(m.Tables), len(m.Memories), len(m.Globals), len(m.Tags)}[k]
	for i := range m.Imports {
		if m.Imports[i].Kind == k {
			n++
		}
	}
	return n
}

// FuncTypes returns the type index of every function, imported functions first: the
// signature of function f is m.Types[m.FuncTypes()[f]].
func (m *Module) FuncTypes() []uint32 {
	types := make([]uint32, 0, len(m.Imports)+len(m.Functions))
	for i := range m.Imports {
		if m.Imports[i].Kind == KindFunc {
			types = append(types, m.Imports[i].Type)
		}
	}
	return append(types, m.Functions...)
}

// TableAt returns a table by its index, which counts imported tables first. ok is false
// if the module has no such table.
func (m *Module) TableAt(index uint32) (table Table, ok bool) {
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
