// Package wit knows the interfaces of WASI 0.2 that a core module may import from: their
// functions with their types, and how the component model's canonical ABI passes a value
// of a type, in core values and in memory.
package wit

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Kind is the kind of a type.
type Kind uint8

// The kinds of types.
const (
	Bool Kind = iota
	U8
	U16
	U32
	U64
	String
	List
	Tuple   // also a record
	Variant // also an option, a result and an enum
	Flags
	Own
	Borrow
)

// Type is a type of WIT, and its form in the canonical ABI.
type Type struct {
	Kind     Kind
	Of       []*Type // a list's element, a tuple's fields, the values of a variant's cases: nil for none
	Count    int     // of flags
	Resource string  // of a handle

	Size, Align uint32           // in memory
	Flat        []wasm.ValueType // as core values
}

// maxFlatParams is the most core values that a function takes as its parameters. It takes
// more in memory.
const maxFlatParams = 16

// Func is a function, or the end of an own handle: "[resource-drop]pollable".
type Func struct {
	Interface string // "wasi:io/poll", without a version
	Name      string // as a core module imports it: "[method]pollable.ready"
	Params    []*Type
	Result    *Type // nil: none
	Core      wasm.FuncType
	InMemory  bool // the last core parameter is the address of the result
}

// Interface is an interface with all functions that a core module may import.
type Interface struct {
	Name  string // without a version
	Funcs []*Func
}

var words = map[string]Type{
	"bool": {Kind: Bool, Size: 1, Align: 1}, "u8": {Kind: U8, Size: 1, Align: 1}, "u16": {Kind: U16, Size: 2, Align: 2},
	"u32": {Kind: U32, Size: 4, Align: 4}, "u64": {Kind: U64, Size: 8, Align: 8}, "string": {Kind: String, Size: 8, Align: 4},
}

// word returns the type that a word of WIT names, or nil.
func word(name string) *Type {
	t, ok := words[name]
	switch {
	case !ok:
		return nil
	case t.Kind == String:
		t.Flat = []wasm.ValueType{wasm.I32, wasm.I32}
	case t.Kind == U64:
		t.Flat = []wasm.ValueType{wasm.I64}
	default:
		t.Flat = []wasm.ValueType{wasm.I32}
	}
	return &t
}

func list(of *Type) *Type {
	return &Type{Kind: List, Of: []*Type{of}, Size: 8, Align: 4, Flat: []wasm.ValueType{wasm.I32, wasm.I32}}
}

func handle(kind Kind, resource string) *Type {
	return &Type{Kind: kind, Resource: resource, Size: 4, Align: 4, Flat: []wasm.ValueType{wasm.I32}}
}

// flags returns the type of up to 32 flags.
func flags(count int) *Type {
	size := sizeFor(count, 8, 16)
	return &Type{Kind: Flags, Count: count, Size: size, Align: size, Flat: []wasm.ValueType{wasm.I32}}
}

// sizeFor returns 1, 2 or 4 bytes, for up to one, up to two, or more.
func sizeFor(n, one, two int) uint32 {
	switch {
	case n <= one:
		return 1
	case n <= two:
		return 2
	}
	return 4
}

func tuple(fields []*Type) *Type {
	t := &Type{Kind: Tuple, Of: fields, Align: 1}
	for _, f := range fields {
		t.Size = AlignTo(t.Size, f.Align) + f.Size
		t.Align = max(t.Align, f.Align)
		t.Flat = append(t.Flat, f.Flat...)
	}
	t.Size = AlignTo(t.Size, t.Align)
	return t
}

func variant(cases []*Type) *Type {
	t := &Type{Kind: Variant, Of: cases, Align: 1}
	var most uint32
	var flat []wasm.ValueType
	for _, c := range cases {
		if c == nil {
			continue
		}
		most, t.Align = max(most, c.Size), max(t.Align, c.Align)
		for i, f := range c.Flat {
			if i == len(flat) {
				flat = append(flat, f)
			} else if flat[i] != f {
				flat[i] = wasm.I64 // holds either
			}
		}
	}
	t.Align = max(t.Align, t.Discriminant())
	t.Size = AlignTo(t.Payload()+most, t.Align)
	t.Flat = append([]wasm.ValueType{wasm.I32}, flat...)
	return t
}

// Discriminant is the size of a variant's number of its case.
func (t *Type) Discriminant() uint32 { return sizeFor(len(t.Of), 1<<8, 1<<16) }

// Payload is the offset of a case's value in a variant.
func (t *Type) Payload() uint32 {
	at := t.Discriminant()
	for _, c := range t.Of {
		if c != nil {
			at = max(at, AlignTo(t.Discriminant(), c.Align))
		}
	}
	return at
}

// AlignTo returns the first multiple of align, a power of 2, from at on.
func AlignTo(at, align uint32) uint32 { return (at + align - 1) &^ (align - 1) }

// lower sets the function's form in the canonical ABI.
func (f *Func) lower() {
	for _, p := range f.Params {
		f.Core.Params = append(f.Core.Params, p.Flat...)
	}
	if len(f.Core.Params) > maxFlatParams {
		f.Core.Params = []wasm.ValueType{wasm.I32}
	}
	switch {
	case f.Result == nil:
	case len(f.Result.Flat) == 1:
		f.Core.Results = slices.Clone(f.Result.Flat)
	default:
		f.InMemory = true
		f.Core.Params = append(f.Core.Params, wasm.I32)
	}
}
