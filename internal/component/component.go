// Package component takes binaries of the component model apart.
//
// A component wraps core modules and says how they are linked with each other and with
// the host. [Decode] reads it as a tree of definitions. [Validate] checks the
// definitions and gives the types of the component's imports and exports. [Core]
// takes the guest's core module out of the component, by the names that the contract has
// for its imports and exports, so that every engine loads it like a core module.
//
// All functions are safe on hostile input. They never panic. Decode takes at most 64 times
// the memory of the input, and 1 MiB; the steps and the values of the others are counted, and
// bounded. Every error of Decode and Validate names an offset in the file and the section.
package component

import "github.com/airhost/airhost/internal/wasm"

// Component is a component: definitions in the order of the binary. A definition refers
// to earlier ones by index, and each sort of definition has its own indices.
type Component struct {
	Defs    []Def
	Customs []wasm.Custom // After is 0
}

// Def is a definition and its place in the file.
type Def struct {
	At   uint32
	Node Node
}

// Node is the content of a definition: a [*Module], [*CoreInstance], [*CoreFuncType],
// [*ModuleType], [*Component], [*Instance], [*Alias], [Prim], [*Defined], [*FuncType],
// [*ComponentType], [*InstanceType], [*Resource], [*Canon], [*Start], [*Import] or
// [*Export].
type Node interface {
	// sort returns the index space that the definition extends. ok is false if it
	// extends none.
	sort() (s Sort, ok bool)
}

// Sort is a sort of definition, which has an index space.
type Sort byte

// The sorts. The first five have the values of [wasm.Kind].
const (
	CoreFunc Sort = iota
	CoreTable
	CoreMemory
	CoreGlobal
	CoreTag
	CoreType
	CoreModule
	CoreInst
	Func
	Value
	Type
	Comp
	Inst
	numSorts
)

// String returns the sort as the text format writes it.
func (s Sort) String() string {
	return [...]string{
		"core func", "core table", "core memory", "core global", "core tag", "core type", "core module", "core instance",
		"func", "value", "type", "component", "instance",
	}[s]
}
