package fuse

import (
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// module is a core module of the graph, decoded.
type module struct {
	*wasm.Module
	exports   map[string]wasm.Export
	funcTypes []uint32
	elements  []wasm.ElementSegment
	data      []wasm.DataSegment
	entries   int
	facts     *facts // set by scan
}

// load decodes a module once, however many instances it has. first is true that time.
func (f *fuser) load(index int) (m *module, first bool, err error) {
	if index < 0 || index >= len(f.graph.Modules) {
		return nil, false, fmt.Errorf("expected a core module below %d, got %d", len(f.graph.Modules), index)
	}
	if m := f.modules[index]; m != nil {
		return m, false, nil
	}
	parsed, err := wasm.Parse(f.graph.Modules[index])
	if err == nil {
		err = parsed.Features.Err()
	}
	if err != nil {
		return nil, false, fmt.Errorf("core module %d: %w", index, err)
	}
	m = &module{Module: parsed, exports: make(map[string]wasm.Export, len(parsed.Exports)), funcTypes: parsed.FuncTypes()}
	if err := m.check(); err != nil {
		return nil, false, fmt.Errorf("core module %d: %w", index, err)
	}
	m.elements, m.data = parsed.ElementSegments(), parsed.DataSegments()
	for _, list := range []int{
		len(m.Types), len(m.Imports), len(m.Functions), len(m.Tables), len(m.Globals), len(m.Exports), len(m.elements), len(m.data),
	} {
		m.entries += list
	}
	f.modules[index] = m
	return m, true, nil
}

// check refuses a module that is not valid, if its parts could become valid within a
// larger module.
func (m *module) check() error {
	for _, e := range m.Exports {
		if _, twice := m.exports[e.Name]; twice {
			return fmt.Errorf("it has two exports %q", e.Name)
		}
		m.exports[e.Name] = e
	}
	if m.Len(wasm.KindMemory) > 1 {
		return &wasm.UnsupportedError{Feature: wasm.MultiMemory}
	}
	if m.DataCount != nil && *m.DataCount != m.Data.Count {
		return fmt.Errorf("expected %d data segments, got %d", *m.DataCount, m.Data.Count)
	}
	return nil
}

// facts are about the code of a module, as far as fusing must know them.
type facts struct {
	memory bool                // uses a memory
	bulk   bool                // names data segments
	refs   []uint32            // functions to which code takes references
	tables map[uint32]struct{} // used by code that is not a trampoline
	calls  []trampoline        // the functions that only call through a table
}

// limits are the sizes of a module's index spaces.
func (m *module) limits() [wasm.SpaceLocal]int {
	var n [wasm.SpaceLocal]int
	n[wasm.SpaceFunc], n[wasm.SpaceTable] = len(m.funcTypes), m.Len(wasm.KindTable)
	n[wasm.SpaceGlobal], n[wasm.SpaceType] = m.Len(wasm.KindGlobal), len(m.Types)
	n[wasm.SpaceElements] = len(m.elements)
	if m.DataCount != nil {
		n[wasm.SpaceData] = len(m.data)
	}
	return n
}

// scan reads the code of a module once, and refuses mistakes that nobody would notice
// within a larger module: indices beyond the module's own lists, and a memory that it lacks.
func (m *module) scan() error {
	if m.facts != nil {
		return nil
	}
	m.facts = &facts{tables: make(map[uint32]struct{})}
	s := scanner{module: m, limits: m.limits(), refs: make(map[uint32]bool), hasMemory: m.Len(wasm.KindMemory) > 0}
	for i := range m.Code {
		if err := s.function(uint32(i)); err != nil {
			return err
		}
	}
	if len(m.facts.refs) > 0 {
		return m.declared()
	}
	return nil
}

// scanner reads code.
type scanner struct {
	*module
	limits    [wasm.SpaceLocal]int
	refs      map[uint32]bool
	hasMemory bool
}

func (s *scanner) function(defined uint32) error {
	code := &s.Code[defined]
	call, isTrampoline := s.trampoline(defined)
	if isTrampoline {
		s.facts.calls = append(s.facts.calls, call)
	}
	in := code.Instructions()
	for in.Next() && in.Features() == 0 {
		if err := s.instruction(&in, isTrampoline); err != nil {
			return &wasm.FormatError{Offset: code.Offset + in.Start, Msg: err.Error()}
		}
	}
	if err := in.Features().Err(); err != nil {
		return err
	}
	return in.Err()
}

// instruction checks one instruction, and notes its memory, tables and references.
func (s *scanner) instruction(in *wasm.Instructions, trampoline bool) error {
	if in.Op.UsesMemory() {
		if !s.hasMemory {
			return fmt.Errorf("expected no instruction for a memory in a module without one")
		}
		s.facts.memory = true
	}
	if in.IndexAt == 0 {
		return nil
	}
	first, second := in.Op.Spaces()
	for _, named := range []struct {
		space wasm.Space
		index uint32
	}{{first, in.Index}, {second, in.Second}} {
		if named.space == wasm.SpaceNone || named.space == wasm.SpaceLocal {
			continue
		}
		if most := s.limits[named.space]; uint64(named.index) >= uint64(most) {
			return fmt.Errorf("%s index: expected one below %d, got %d", named.space, most, named.index)
		}
		if named.space == wasm.SpaceTable && !trampoline {
			s.facts.tables[named.index] = struct{}{}
		}
	}
	switch {
	case first == wasm.SpaceData:
		s.facts.bulk = true
	case in.Op == wasm.OpRefFunc && !s.refs[in.Index]:
		s.refs[in.Index] = true
		s.facts.refs = append(s.facts.refs, in.Index)
	}
	return nil
}

// declared checks that code takes references only to functions that the module names
// elsewhere, as the format wants. In the result they are declared in any case.
func (m *module) declared() error {
	named := make(map[uint32]bool)
	for _, e := range m.Exports {
		if e.Kind == wasm.KindFunc {
			named[e.Index] = true
		}
	}
	constant := func(expr []byte) {
		c := wasm.Code{Expr: expr}
		for in := c.Instructions(); in.Next(); {
			if in.Op == wasm.OpRefFunc {
				named[in.Index] = true
			}
		}
	}
	for i := range m.elements {
		for _, function := range m.elements[i].Functions {
			named[function] = true
		}
		for _, expr := range m.elements[i].Exprs {
			constant(expr)
		}
	}
	for i := range m.Globals {
		constant(m.Globals[i].Init)
	}
	for _, function := range m.facts.refs {
		if !named[function] {
			return fmt.Errorf("expected function %d to be exported or in an element segment, since code refers to it", function)
		}
	}
	return nil
}
