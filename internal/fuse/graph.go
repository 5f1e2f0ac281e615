// Package fuse makes one core module of several that a component links with each other.
//
// A component has core modules, and a list of core instances: which module each is made
// of, and which earlier instances its imports come from. [Fuse] returns a module that
// does the same as the instances together. The host then takes it like every guest's module:
// one check, one meter, one memory, on every engine.
package fuse

import "github.com/airhost/airhost/internal/wasm"

// Graph is the task of [Fuse]: the core modules of a component, its core instances in the order
// in which they are made, and the exports of the module that [Fuse] returns.
type Graph struct {
	Modules   [][]byte // binaries of core modules; those of no instance are not read
	Instances []Instance
	Exports   []Export

	// Realloc is the name of the export by which the host allocates the guest's memory,
	// or "". If functions of the host come with another one, see [Item], the result calls
	// that while such a function runs.
	Realloc string

	// MaxSize bounds the sum of the sizes of all instances' modules, in bytes: a module
	// counts once for each of its instances. 0 stands for [DefaultMaxSize].
	MaxSize int64
}

// DefaultMaxSize is the usual bound of a module, in bytes.
const DefaultMaxSize = 64 << 20

// MaxInstances is the largest number of core instances of a graph.
const MaxInstances = 1000

// Synthesized is the module of an instance that is a list of exports.
const Synthesized = -1

// Instance is one core instance. It is made of a module, or it is a list of exports
// (core:inlineexport).
type Instance struct {
	// Name is for people: errors have it, and it comes before the names of the instance's
	// functions in a trap. It may be "", and need not be unique.
	Name string

	// Module is an index into [Graph.Modules], or [Synthesized].
	Module int

	// Arguments, of an instance of a module, say from which instance the imports of each
	// module name come.
	Arguments []Argument

	// Exports are the exports of a synthesized instance.
	Exports []Export
}

// Argument is the instance that has the imports of a module name as exports.
type Argument struct {
	Module   string // the module name of imports
	Instance int    // an index into [Graph.Instances], lower than that of the importer
}

// Export is a named item: an export of a synthesized instance, or of the result.
type Export struct {
	Name string
	Item Item
}

// Item is a function, table, memory or global. Of makes one of an instance, Host and Trap
// make functions.
type Item struct {
	Source Source
	Kind   wasm.Kind // KindFunc unless the item is of an instance

	Instance int    // SourceInstance: an index into [Graph.Instances], of an earlier one
	Module   string // SourceHost: the module name of the import in the result
	Name     string // the export's name in the instance, the import's name, or of a trap for people

	// Type is the signature of a function of the host, or of one that traps. It is nil if
	// the importers know better: then the function has the type of each import of it.
	Type *wasm.FuncType

	// Memory and Realloc are those with which a function of the host is lowered, or nil:
	// the memory that it reads and writes, and the function by which it allocates memory
	// for its results. They are of earlier instances.
	Memory, Realloc *Item
}

// Source says where an item comes from.
type Source byte

// The sources.
const (
	SourceInstance Source = iota // an export of an earlier instance
	SourceHost                   // the result imports it
	SourceTrap                   // a function that traps when it is called
)

// Of returns the item that an instance exports.
func Of(instance int, kind wasm.Kind, name string) Item {
	return Item{Source: SourceInstance, Kind: kind, Instance: instance, Name: name}
}

// Host returns a function that the result imports from the host: a lowered function or a
// built-in one. typ may be nil, see [Item].
func Host(module, name string, typ *wasm.FuncType) Item {
	return Item{Source: SourceHost, Module: module, Name: name, Type: typ}
}

// Trap returns a function that traps when it is called: one that is imported and that the
// host does not have. typ may be nil, see [Item].
func Trap(name string, typ *wasm.FuncType) Item {
	return Item{Source: SourceTrap, Name: name, Type: typ}
}
