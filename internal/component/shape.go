package component

import (
	"slices"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// wit-component makes components of one shape. The core module of the toolchain, which we
// call the main one, may import functions that are lowered with the memory of the main
// instance, which is not there yet. So it gets functions of a shim, each of which calls
// one place of a table. A module that we call the fix-up writes the functions to the
// table in the end, and may call a function of the main instance to start it. An adapter
// implements WASI preview 1 by WASI 0.2 for a main module that needs that.

// role is the part of a core instance in this shape.
type role byte

const (
	roleList    role = iota // of exports
	roleShim                // forwards calls by a table
	roleFixup               // fills tables of shims, and starts
	roleAdapter             // implements WASI preview 1
	roleOther
)

// bundle is a component with the roles of its core instances.
type bundle struct {
	*linked
	roles  []role
	shims  map[int]*shim
	fills  map[place]*coreItem
	starts []*coreItem // functions that are called in the end
	read   map[*wasm.Module]*reading
}

// reading is the work of a module as a shim and as a fix-up, read once for all its instances.
type reading struct {
	shim   *shim // nil if it is none
	writes []wasm.TableWrite
	plain  bool // it has no other element segments
}

// maxFills bounds the writes to tables of shims. A component with more of them is fused.
const maxFills = 100_000

// longestChain bounds the shims through which a call goes.
const longestChain = 16

// shim is a core instance that forwards calls.
type shim struct {
	slots map[string]uint32 // by export: the place in the table
	table string            // the export of the table
}

// place is a place in the table of a shim.
type place struct {
	instance int
	slot     uint32
}

// newBundle finds the roles of core instances.
func newBundle(l *linked) *bundle {
	b := &bundle{linked: l, roles: make([]role, len(l.instances)), shims: make(map[int]*shim), fills: make(map[place]*coreItem), read: make(map[*wasm.Module]*reading)}
	for i := range l.instances {
		c := &l.instances[i]
		if c.module == nil {
			continue
		}
		if s := b.reading(c.parsed).shim; s != nil {
			b.roles[i], b.shims[i] = roleShim, s
		} else if b.fixup(c) {
			b.roles[i] = roleFixup
		} else {
			b.roles[i] = roleOther
		}
	}
	for i := range l.instances {
		if b.roles[i] == roleOther && b.isAdapter(&l.instances[i]) {
			b.roles[i] = roleAdapter
		}
	}
	return b
}

// reading reads a module once.
func (b *bundle) reading(m *wasm.Module) *reading {
	r := b.read[m]
	if r == nil {
		r = &reading{shim: shimOf(m)}
		r.writes, r.plain = m.TableWrites()
		b.read[m] = r
	}
	return r
}

// others returns the core instances that have no role around the main one.
func (b *bundle) others() (others []int) {
	for i, r := range b.roles {
		if r == roleOther {
			others = append(others, i)
		}
	}
	return others
}

// resolve follows the tables of shims from an item to the one that is called in the end.
func (b *bundle) resolve(item *coreItem) *coreItem {
	for range longestChain {
		if item.canon != nil || item.sort != CoreFunc {
			return item
		}
		s := b.shims[item.instance]
		if s == nil {
			return item
		}
		slot, ok := s.slots[item.name]
		next := b.fills[place{item.instance, slot}]
		if !ok || next == nil {
			return item
		}
		item = next
	}
	return item
}

// shimOf returns the places to which a module's functions forward, or nil if it does
// anything else.
func shimOf(m *wasm.Module) *shim {
	empty := len(m.Imports)+len(m.Memories)+len(m.Globals)+len(m.Tags)+int(m.Elements.Count)+int(m.Data.Count) == 0
	if !empty || m.Start != nil || len(m.Tables) != 1 {
		return nil
	}
	slots := make([]uint32, len(m.Code))
	for i := range m.Code {
		slot, ok := forwards(m, i)
		if !ok {
			return nil
		}
		slots[i] = slot
	}
	s := &shim{slots: make(map[string]uint32, len(slots))}
	for _, e := range m.Exports {
		if e.Kind == wasm.KindTable {
			s.table = e.Name
		} else {
			s.slots[e.Name] = slots[e.Index]
		}
	}
	return s
}

// Opcodes of a forwarding function.
const opI32Const wasm.Opcode = 0x41

// forwards returns the place in the table that a function calls with its own parameters,
// if it does nothing else.
func forwards(m *wasm.Module, i int) (slot uint32, ok bool) {
	typ := m.Types[m.Functions[i]]
	code := &m.Code[i]
	in := code.Instructions()
	for p := range typ.Params {
		if !in.Next() || in.Op != wasm.OpLocalGet || in.Index != uint32(p) {
			return 0, false
		}
	}
	if !in.Next() || in.Op != opI32Const {
		return 0, false
	}
	slot = uint32(wasm.NewPartReader(code.Expr[in.Start+1 : in.End]).S33("a place"))
	if !in.Next() || in.Op != wasm.OpCallIndirect || in.Second != 0 || uint64(in.Index) >= uint64(len(m.Types)) || !m.Types[in.Index].Equal(typ) {
		return 0, false
	}
	return slot, in.Next() && in.Op == wasm.OpEnd && !in.Next() && in.Err() == nil && code.Locals == 0
}

// fixup notes the writes of a module to tables of shims, and its calls at start. It returns
// false if the module does anything else.
func (b *bundle) fixup(c *coreInstance) bool {
	m := c.parsed
	if len(m.Exports)+len(m.Tables)+len(m.Memories)+len(m.Globals)+len(m.Tags)+int(m.Data.Count) > 0 {
		return false
	}
	imports := make(map[wasm.Kind][]*coreItem)
	for i := range m.Imports {
		item, err := b.argument(c, m.Imports[i].Module, m.Imports[i].Name)
		if err != nil || m.Imports[i].Kind > wasm.KindTable {
			return false
		}
		imports[m.Imports[i].Kind] = append(imports[m.Imports[i].Kind], item)
	}
	starts, ok := startsOf(m, imports[wasm.KindFunc])
	read := b.reading(m)
	if !ok || !read.plain {
		return false
	}
	for _, w := range read.writes {
		if !b.fill(w, imports) {
			return false
		}
	}
	b.starts = append(b.starts, starts...)
	return true
}

// fill notes a write to the table of a shim.
func (b *bundle) fill(w wasm.TableWrite, imports map[wasm.Kind][]*coreItem) bool {
	tables, funcs := imports[wasm.KindTable], imports[wasm.KindFunc]
	if int(w.Table) >= len(tables) {
		return false
	}
	table := tables[w.Table]
	s := b.shims[table.instance]
	if s == nil || s.table != table.name || len(b.fills)+len(w.Funcs) > maxFills {
		return false
	}
	for i, f := range w.Funcs {
		if int(f) >= len(funcs) {
			return false
		}
		b.fills[place{table.instance, w.Offset + uint32(i)}] = funcs[f]
	}
	return true
}

// startsOf returns the imported functions that a module calls when it starts. ok is false
// if it has code that does anything else.
func startsOf(m *wasm.Module, funcs []*coreItem) (starts []*coreItem, ok bool) {
	switch {
	case m.Start == nil:
		return nil, len(m.Code) == 0
	case int(*m.Start) < len(funcs):
		return funcs[*m.Start : *m.Start+1], len(m.Code) == 0
	case len(m.Code) != 1:
		return nil, false
	}
	in := m.Code[0].Instructions()
	for in.Next() {
		if in.Op == wasm.OpEnd {
			break
		}
		if in.Op != wasm.OpCall || int(in.Index) >= len(funcs) {
			return nil, false
		}
		starts = append(starts, funcs[in.Index])
	}
	return starts, in.Err() == nil && !in.Next()
}

// preview1 are the functions of WASI preview 1.
var preview1 = func() map[string]bool {
	names := make(map[string]bool)
	for _, f := range abi.WASIImports() {
		names[f.Name] = true
	}
	return names
}()

// isAdapter reports whether a core instance implements WASI preview 1 in the memory of
// another instance. The host does that itself, so an adapter is left out.
func (b *bundle) isAdapter(c *coreInstance) bool {
	memory := false
	for i := range c.parsed.Imports {
		memory = memory || c.parsed.Imports[i].Kind == wasm.KindMemory
	}
	return memory && len(c.parsed.Memories) == 0 && slices.ContainsFunc(c.parsed.Exports, func(e wasm.Export) bool { return preview1[e.Name] })
}
