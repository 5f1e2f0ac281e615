package fuse

import (
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// Fuse returns one module that does the same as the instances of g together. Its errors
// name the instance and the import or export that they are about. They may wrap those of [wasm.Parse], an
// [*wasm.LimitError], an [*wasm.UnsupportedError] for a feature that guests may not use,
// and [ErrMemories].
//
// The result shares memory with the binaries of g. As with every module, the engine must
// still check the types of its code.
func Fuse(g Graph) (*wasm.Module, error) {
	f := &fuser{graph: &g, modules: make([]*module, len(g.Modules)), foreignAt: make(map[string]uint32), types: make(map[string]uint32)}
	for _, step := range []func() error{f.link, f.resolveExports, f.mark, f.scan, f.chooseMemory, f.checkRealloc} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	f.countStarts()
	f.dissolve()
	f.number()
	if err := f.emit(); err != nil {
		return nil, err
	}
	return &f.out, nil
}

// fuser makes one module.
type fuser struct {
	graph     *Graph
	modules   []*module // by their places in the graph; nil for one that is not decoded
	instances []*instance
	exports   []def // of the result
	all       total // of the modules of all instances so far
	distinct  total // with each module once

	foreign   []foreign
	foreignAt map[string]uint32 // the place in foreign
	memory    *def              // that the result has, or nil
	starts    []int             // for each instance, how many earlier ones have a start function

	aliases      map[alias]def  // functions to name in place of others
	withoutTable map[alias]bool // tables that the result does not have

	allocators []uint32          // that the host's functions need in place of the export
	dispatcher uint32            // the function that is exported in place of an allocating one
	types      map[string]uint32 // of the result, by typeKey
	names      []wasm.FuncName
	countData  bool // the code names data segments
	out        wasm.Module

	startCode  []byte // of the result's start function, without an end
	startCalls int    // of start functions
	startInits int    // of segments
	lastStart  uint32
}

// resolveExports finds the definitions of the result's exports.
func (f *fuser) resolveExports() error {
	names := make(map[string]bool, len(f.graph.Exports))
	for i := range f.graph.Exports {
		e := &f.graph.Exports[i]
		if names[e.Name] {
			return fmt.Errorf("there are two exports %s", clip(e.Name))
		}
		names[e.Name] = true
		d, err := f.item(&e.Item)
		if err == nil && d.open != nil {
			err = fmt.Errorf("a function of the host has no type here")
		}
		if err != nil {
			return fmt.Errorf("export %s: %w", clip(e.Name), err)
		}
		f.exports = append(f.exports, d)
	}
	return nil
}

// checkRealloc finds the export by which the host allocates memory.
func (f *fuser) checkRealloc() error {
	for i := range f.graph.Exports {
		if f.graph.Exports[i].Name != f.graph.Realloc {
			continue
		}
		if d := f.exports[i]; d.kind != wasm.KindFunc || d.owner == nil || !f.typeOf(d).Equal(reallocType) {
			return fmt.Errorf("export %s: expected a function of an instance, of type %s", clip(f.graph.Realloc), reallocType)
		}
		return nil
	}
	if f.graph.Realloc != "" {
		return fmt.Errorf("there is no export %s, by which the host allocates memory", clip(f.graph.Realloc))
	}
	return nil
}

// scan reads the code of all modules that matter.
func (f *fuser) scan() error {
	f.useForeign()
	for _, in := range f.instances {
		if !in.live {
			continue
		}
		if err := in.module.scan(); err != nil {
			return fmt.Errorf("%s: %w", in, err)
		}
	}
	return nil
}
