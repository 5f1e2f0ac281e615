package fuse

import (
	"errors"
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// ErrMemories is returned for instances that use more than one memory. A guest has one.
var ErrMemories = errors.New("a guest has one memory: link its modules as shared libraries, which have one, " +
	"or make components of its parts that send each other messages")

// pageSize is the size of a memory's page, in bytes.
const pageSize = 1 << 16

// segment is an active segment: a write to a table or memory while its instance is made.
type segment struct {
	target def
	at     uint64 // the offset
	fits   bool   // within the smallest size of the target
}

// segments finds the active segments of an instance, by their places in the module's
// lists. The others have no target.
func (in *instance) segments() (elements, data []segment, err error) {
	m := in.module
	elements, data = make([]segment, len(m.elements)), make([]segment, len(m.data))
	for i := range m.elements {
		if e := &m.elements[i]; e.Mode == wasm.SegmentActive {
			elements[i], err = in.segment(wasm.KindTable, e.Table, e.Offset, e.Len())
		}
		if err != nil {
			return nil, nil, fmt.Errorf("element segment %d: %w", i, err)
		}
	}
	for i := range m.data {
		if d := &m.data[i]; d.Mode == wasm.SegmentActive {
			data[i], err = in.segment(wasm.KindMemory, d.Memory, d.Offset, len(d.Content))
		}
		if err != nil {
			return nil, nil, fmt.Errorf("data segment %d: %w", i, err)
		}
	}
	return elements, data, nil
}

func (in *instance) segment(kind wasm.Kind, index uint32, offset []byte, length int) (segment, error) {
	if uint64(index) >= uint64(in.module.Len(kind)) {
		return segment{}, fmt.Errorf("expected a %s of the module, got %d", kind, index)
	}
	v, err := in.constant(offset, wasm.I32)
	if err != nil {
		return segment{}, fmt.Errorf("offset: %w", err)
	}
	s := segment{target: in.at(kind, index), at: v.bits}
	size := uint64(0)
	if from := s.target.owner.module; kind == wasm.KindTable {
		size = from.Tables[s.target.index].Min
	} else {
		size = from.Memories[s.target.index].Min * pageSize
	}
	s.fits = s.at+uint64(length) <= size
	return s, nil
}

// mark finds the instances that matter: those behind an export, those with a start
// function, those that may fail, those that write into one that matters, and those from
// which one that matters imports. The result leaves out the others.
func (f *fuser) mark() error {
	writers := make(map[*instance][]*instance)
	var roots []*instance
	for _, in := range f.instances {
		if in.module == nil {
			continue
		}
		elements, data, err := in.segments()
		if err != nil {
			return fmt.Errorf("%s: %w", in, err)
		}
		in.written = [2][]segment{elements, data}
		fails := false
		for _, list := range in.written {
			for _, s := range list {
				fails = fails || s.active() && !s.fits
				owner := s.target.owner
				if !s.active() || owner == in {
					continue
				}
				if w := writers[owner]; len(w) == 0 || w[len(w)-1] != in {
					writers[owner] = append(w, in)
				}
			}
		}
		if fails || in.module.Start != nil {
			roots = append(roots, in)
		}
	}
	f.spread(append(roots, f.owners(f.exports)...), writers)
	return nil
}

// spread marks instances, and those on which these depend.
func (f *fuser) spread(roots []*instance, writers map[*instance][]*instance) {
	for len(roots) > 0 {
		in := roots[len(roots)-1]
		roots = roots[:len(roots)-1]
		if in.live {
			continue
		}
		in.live = true
		roots = append(roots, writers[in]...)
		for kind := range in.imports {
			for _, owner := range f.owners(in.imports[kind]) {
				if !owner.live {
					roots = append(roots, owner)
				}
			}
		}
	}
}

// owners returns the instances on which the use of definitions depends.
func (f *fuser) owners(all []def) (owners []*instance) {
	for _, d := range all {
		if d.owner != nil {
			owners = append(owners, d.owner)
			continue
		}
		for _, needed := range f.foreign[d.index].needs {
			owners = append(owners, needed.owner)
		}
	}
	return owners
}

// chooseMemory finds the memory that the result has: the only one that is used.
func (f *fuser) chooseMemory() error {
	for _, d := range f.usedMemories() {
		if f.memory != nil && (f.memory.owner != d.owner || f.memory.index != d.index) {
			return fmt.Errorf("%s and %s have memories of their own: %w", f.memory.owner, d.owner, ErrMemories)
		}
		f.memory = &d
	}
	return nil
}

// usedMemories returns the memories that are exported, that functions of the host use, and
// that code and data use. It may return one several times.
func (f *fuser) usedMemories() (all []def) {
	add := func(defs []def) {
		for _, d := range defs {
			if d.kind == wasm.KindMemory {
				all = append(all, d)
			}
		}
	}
	add(f.exports)
	for i := range f.foreign {
		if f.foreign[i].used {
			add(f.foreign[i].needs)
		}
	}
	for _, in := range f.instances {
		if in.live && (in.module.facts.memory || slices.ContainsFunc(in.written[1], segment.active)) {
			all = append(all, in.at(wasm.KindMemory, 0))
		}
	}
	return all
}

func (s segment) active() bool { return s.target.owner != nil }
