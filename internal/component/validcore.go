package component

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// module returns the type of a core module.
func (v *validator) module(n *Module) (any, error) {
	if t := v.modules[n]; t != nil {
		return t, nil
	}
	m, err := wasm.Parse(n.Data)
	if err != nil {
		return nil, err
	}
	t := &moduleType{imports: make(map[[2]string]*coreType), exports: make(map[string]*coreType)}
	spaces := coreSpaces(m)
	var next [len(spaces)]int
	for i := range m.Imports {
		imp := &m.Imports[i]
		key := [2]string{imp.Module, imp.Name}
		c := spaces[imp.Kind](uint32(next[imp.Kind]))
		next[imp.Kind]++
		if t.imports[key] != nil {
			return nil, fmt.Errorf("a core module imports %.100q %.100q twice", imp.Module, imp.Name)
		}
		t.imports[key] = c
	}
	for _, e := range m.Exports {
		if t.exports[e.Name] != nil {
			return nil, fmt.Errorf("a core module exports %.100q twice", e.Name)
		}
		t.exports[e.Name] = spaces[e.Kind](e.Index)
	}
	v.modules[n] = t
	return t, nil
}

// coreSpaces returns, for each kind, a function that gives the type of an index.
func coreSpaces(m *wasm.Module) [5]func(uint32) *coreType {
	types, tags := m.FuncTypes(), []uint32(nil)
	var memories []wasm.Limits
	var globals []wasm.GlobalType
	for i := range m.Imports {
		switch imp := &m.Imports[i]; imp.Kind {
		case wasm.KindMemory:
			memories = append(memories, imp.Memory)
		case wasm.KindGlobal:
			globals = append(globals, imp.Global)
		case wasm.KindTag:
			tags = append(tags, imp.Type)
		}
	}
	memories, tags = append(memories, m.Memories...), append(tags, m.Tags...)
	for i := range m.Globals {
		globals = append(globals, m.Globals[i].Type)
	}
	return [...]func(uint32) *coreType{
		wasm.KindFunc: func(i uint32) *coreType { return &coreType{kind: wasm.KindFunc, fn: &m.Types[types[i]]} },
		wasm.KindTable: func(i uint32) *coreType {
			t, _ := m.TableAt(i)
			return &coreType{kind: wasm.KindTable, table: t}
		},
		wasm.KindMemory: func(i uint32) *coreType { return &coreType{kind: wasm.KindMemory, memory: memories[i]} },
		wasm.KindGlobal: func(i uint32) *coreType { return &coreType{kind: wasm.KindGlobal, global: globals[i]} },
		wasm.KindTag:    func(i uint32) *coreType { return &coreType{kind: wasm.KindTag, fn: &m.Types[tags[i]]} },
	}
}

// moduleType resolves the type of a core module. It has core types of its own.
func (v *validator) moduleType(e *env, n *ModuleType) (any, error) {
	t := &moduleType{imports: make(map[[2]string]*coreType), exports: make(map[string]*coreType)}
	inner := &env{kind: ofInstanceType, outer: e}
	for i := range n.Decls {
		d := &n.Decls[i]
		switch d.Kind {
		case DeclType:
			inner.spaces[CoreType] = append(inner.spaces[CoreType], &d.Type.(*CoreFuncType).Type)
		case DeclAlias:
			from, err := inner.outward(d.Count)
			if err != nil {
				return nil, err
			}
			f, err := lookup[*wasm.FuncType](from, CoreType, d.Index)
			if err != nil {
				return nil, err
			}
			inner.spaces[CoreType] = append(inner.spaces[CoreType], f)
		default:
			if err := t.declare(inner, d); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

// declare adds an import or export.
func (t *moduleType) declare(inner *env, d *ModuleDecl) error {
	c := &coreType{kind: d.Extern.Kind, table: d.Extern.Table, memory: d.Extern.Memory, global: d.Extern.Global}
	if c.kind == wasm.KindFunc || c.kind == wasm.KindTag {
		f, err := lookup[*wasm.FuncType](inner, CoreType, d.Extern.Type)
		if err != nil {
			return err
		}
		c.fn = f
	}
	if d.Kind == DeclExport {
		if t.exports[d.Name] != nil {
			return fmt.Errorf("a core module exports %.100q twice", d.Name)
		}
		t.exports[d.Name] = c
		return nil
	}
	key := [2]string{d.Module, d.Name}
	if t.imports[key] != nil {
		return fmt.Errorf("a core module imports %.100q %.100q twice", d.Module, d.Name)
	}
	t.imports[key] = c
	return nil
}

// outward returns the scope that is count scopes further out.
func (e *env) outward(count uint32) (*env, error) {
	from := e
	for range count {
		if from = from.outer; from == nil {
			return nil, fmt.Errorf("an alias goes %d scopes out, and there are fewer", count)
		}
	}
	return from, nil
}

func (v *validator) coreInstance(e *env, n *CoreInstance) (any, error) {
	if n.Inline {
		return e.coreList(n)
	}
	m, err := lookup[*moduleType](e, CoreModule, n.Module)
	if err != nil {
		return nil, err
	}
	args := make(map[string]map[string]*coreType, len(n.Args))
	for _, a := range n.Args {
		if args[a.Name] != nil {
			return nil, fmt.Errorf("the argument %.100q is given twice", a.Name)
		}
		if args[a.Name], err = lookup[map[string]*coreType](e, CoreInst, a.Instance); err != nil {
			return nil, err
		}
	}
	for key, want := range m.imports {
		if args[key[0]] == nil {
			return nil, fmt.Errorf("a core module imports from %.100q, for which there is no argument", key[0])
		}
		got := args[key[0]][key[1]]
		if got == nil {
			return nil, fmt.Errorf("a core module imports %.100q %.100q, which the argument does not export", key[0], key[1])
		}
		if err := v.fits(got, want); err != nil {
			return nil, fmt.Errorf("the argument for %.100q %.100q: %w", key[0], key[1], err)
		}
	}
	return m.exports, nil
}

// coreList resolves a core instance that is a list of exports.
func (e *env) coreList(n *CoreInstance) (any, error) {
	exports := make(map[string]*coreType, len(n.Exports))
	for _, x := range n.Exports {
		if x.Sort > CoreTag {
			return nil, fmt.Errorf("a core instance exports a %s", x.Sort)
		}
		c, err := lookup[*coreType](e, x.Sort, x.Index)
		if err != nil {
			return nil, err
		}
		if exports[x.Name] != nil {
			return nil, fmt.Errorf("a core instance exports %.100q twice", x.Name)
		}
		exports[x.Name] = c
	}
	return exports, nil
}

// fits checks that an export of a core module may be used as an import.
func (v *validator) fits(got, want *coreType) error {
	if err := v.stepped(4 + want.length()/8); err != nil {
		return err
	}
	if got.kind != want.kind {
		return fmt.Errorf("it is a %s, want a %s", got.kind, want.kind)
	}
	same := true
	switch got.kind {
	case wasm.KindFunc, wasm.KindTag:
		if !got.fn.Equal(*want.fn) {
			return fmt.Errorf("it has the type %s, want %s", got.fn, want.fn)
		}
	case wasm.KindTable:
		same = got.table.Elem == want.table.Elem && within(got.table.Limits, want.table.Limits)
	case wasm.KindMemory:
		same = within(got.memory, want.memory)
	case wasm.KindGlobal:
		same = got.global == want.global
	}
	if !same {
		return fmt.Errorf("it is a %s of another type", got.kind)
	}
	return nil
}

// length returns the number of a function's parameters and results.
func (c *coreType) length() int {
	if c.fn == nil {
		return 0
	}
	return len(c.fn.Params) + len(c.fn.Results)
}

func within(got, want wasm.Limits) bool {
	most := !want.HasMax || got.HasMax && got.Max <= want.Max
	return got.Min >= want.Min && most && got.Shared == want.Shared && got.Is64 == want.Is64
}

// alias resolves an alias.
func (v *validator) alias(e *env, n *Alias) (any, error) {
	switch n.Target {
	case TargetOuter:
		return v.outer(e, n)
	case TargetCoreExport:
		if e.kind != ofComponent {
			return nil, errors.New("an alias in a type is of a type or an instance")
		}
		exports, err := lookup[map[string]*coreType](e, CoreInst, n.Of)
		if err != nil {
			return nil, err
		}
		c := exports[n.Name]
		if c == nil || Sort(c.kind) != n.Sort {
			return nil, fmt.Errorf("core instance %d has no export %.100q that is a %s", n.Of, n.Name, n.Sort)
		}
		return c, nil
	}
	if e.kind != ofComponent && n.Sort != Type && n.Sort != Inst {
		return nil, errors.New("an alias in a type is of a type or an instance")
	}
	i, err := lookup[*instanceType](e, Inst, n.Of)
	if err != nil {
		return nil, err
	}
	at, ok := i.byName[n.Name]
	if !ok || i.exports[at].sort != n.Sort {
		return nil, fmt.Errorf("instance %d has no export %.100q that is a %s", n.Of, n.Name, n.Sort)
	}
	return i.exports[at].is, nil
}

// outer resolves an alias of something in an outer scope. Through the border of a
// component, no resource may come along.
func (v *validator) outer(e *env, n *Alias) (any, error) {
	from, err := e.outward(n.Of)
	if err != nil {
		return nil, err
	}
	if e.kind != ofComponent && n.Sort != Type && n.Sort != CoreType {
		return nil, errors.New("an outer alias in a type is of a type")
	}
	is, err := lookup[any](from, n.Sort, n.Index)
	if err != nil || n.Sort != Type {
		return is, err
	}
	for s := e; s != from; s = s.outer {
		if s.kind != ofComponent {
			continue
		}
		free := make(map[*identity]bool)
		if err := v.freeIn(is, free, make(map[any]bool)); err != nil {
			return nil, err
		}
		if t, ok := is.(*instanceType); ok {
			for _, id := range t.fresh {
				delete(free, id)
			}
		}
		if t, ok := is.(*componentType); ok {
			for _, id := range append(t.imported[:len(t.imported):len(t.imported)], t.defined...) {
				delete(free, id)
			}
		}
		if len(free) > 0 {
			return nil, errors.New("an outer alias leads to a type with a resource of the outer component")
		}
	}
	return is, nil
}
