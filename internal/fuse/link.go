package fuse

import (
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// kinds is the number of kinds of imports that are fused. Tags belong to a feature that
// guests may not use.
const kinds = wasm.KindGlobal + 1

// def is the definition that a name stands for.
type def struct {
	kind  wasm.Kind
	owner *instance // with the module that defines it, or nil for a function of fuser.foreign
	index uint32    // among those that owner's module defines, or in fuser.foreign
	open  *Item     // a foreign function that has the type of its importer, or nil
}

// instance is a core instance, linked.
type instance struct {
	index   int
	name    string
	module  *module        // nil for a list of exports
	exports map[string]def // of a list of exports
	imports [kinds][]def
	globals []value // the initial values of those that the module defines

	live    bool
	written [2][]segment    // of elements and of data, by their places in the module
	numbers [kinds][]uint32 // the result's indices of the module's definitions
}

// String names the instance in errors.
func (in *instance) String() string {
	if in.name == "" {
		return fmt.Sprintf("core instance %d", in.index)
	}
	return fmt.Sprintf("core instance %d (%s)", in.index, clip(in.name))
}

// clip shortens a name that a stranger has chosen.
func clip(name string) string { return fmt.Sprintf("%.100q", name) }

// at returns the definition that an index of the instance's module stands for.
func (in *instance) at(kind wasm.Kind, index uint32) def {
	imported := in.imports[kind]
	if uint64(index) < uint64(len(imported)) {
		return imported[index]
	}
	return def{kind: kind, owner: in, index: index - uint32(len(imported))}
}

// export returns the definition that the instance exports by a name.
func (in *instance) export(name string) (def, bool) {
	if in.module == nil {
		d, ok := in.exports[name]
		return d, ok
	}
	e, ok := in.module.exports[name]
	if !ok {
		return def{}, false
	}
	return in.at(e.Kind, e.Index), true
}

// foreign is a function that no module of the graph defines.
type foreign struct {
	source       Source
	module, name string
	typ          wasm.FuncType
	needs        []def // the memory and the allocating function with which it is lowered
	realloc      *def  // of needs

	used    bool
	number  uint32 // in the result; of the import, if wrapped is true
	wrapped bool   // wrapper is called in its place
	wrapper uint32
	mode    uint32 // of allocating while it runs
}

// link makes all instances, in order.
func (f *fuser) link() error {
	if n := len(f.graph.Instances); n > MaxInstances {
		return &wasm.LimitError{Limit: "core instances", Got: uint64(n), Max: MaxInstances}
	}
	for i := range f.graph.Instances {
		in := &instance{index: i, name: f.graph.Instances[i].Name}
		if err := f.instantiate(in, &f.graph.Instances[i]); err != nil {
			return fmt.Errorf("%s: %w", in, err)
		}
		f.instances = append(f.instances, in)
	}
	return nil
}

func (f *fuser) instantiate(in *instance, from *Instance) (err error) {
	if from.Module == Synthesized {
		return f.synthesize(in, from)
	}
	var first bool
	if in.module, first, err = f.load(from.Module); err != nil {
		return err
	}
	if err := f.count(in.module.entries, int64(len(f.graph.Modules[from.Module])), first); err != nil {
		return err
	}
	arguments := make(map[string]*instance, len(from.Arguments))
	for _, a := range from.Arguments {
		if arguments[a.Module] != nil {
			return fmt.Errorf("it gets two instances for %s", clip(a.Module))
		}
		if arguments[a.Module], err = f.earlier(a.Instance); err != nil {
			return fmt.Errorf("imports from %s: %w", clip(a.Module), err)
		}
	}
	for i := range in.module.Imports {
		if err := f.resolve(in, &in.module.Imports[i], arguments); err != nil {
			return fmt.Errorf("import %s %s: %w", clip(in.module.Imports[i].Module), clip(in.module.Imports[i].Name), err)
		}
	}
	return in.initGlobals()
}

// Bounds of all instances together, since each takes a copy of its module. Copies are
// bounded by the modules of which they are, so that a small component takes little memory.
const (
	maxEntries  = 1_000_000
	leastCopies = 10_000  // parts that all copies may have in any case
	leastSize   = 1 << 20 // bytes, likewise
	maxCopies   = 4       // for each part and byte of a module with instances
)

// total counts parts and bytes.
type total struct{ entries, size int64 }

// count adds an instance with a copy of a module to the sums, and refuses sums that are too
// large. first says that it is the first copy of its module.
func (f *fuser) count(entries int, size int64, first bool) error {
	f.all.entries, f.all.size = f.all.entries+int64(entries), f.all.size+size
	if first {
		f.distinct.entries, f.distinct.size = f.distinct.entries+int64(entries), f.distinct.size+size
	}
	most := f.graph.MaxSize
	if most <= 0 {
		most = DefaultMaxSize
	}
	most = min(most, leastSize+maxCopies*f.distinct.size)
	if f.all.size > most {
		return &wasm.LimitError{Limit: "bytes of the modules of all core instances", Got: uint64(f.all.size), Max: uint64(most)}
	}
	if most := min(maxEntries, leastCopies+maxCopies*f.distinct.entries); f.all.entries > most {
		return &wasm.LimitError{Limit: "parts of the modules of all core instances", Got: uint64(f.all.entries), Max: uint64(most)}
	}
	return nil
}

// earlier returns an instance that exists already.
func (f *fuser) earlier(index int) (*instance, error) {
	if index < 0 || index >= len(f.instances) {
		return nil, fmt.Errorf("expected an earlier core instance, below %d, got %d", len(f.instances), index)
	}
	return f.instances[index], nil
}

func (f *fuser) synthesize(in *instance, from *Instance) error {
	if err := f.count(len(from.Exports), 0, true); err != nil {
		return err
	}
	in.exports = make(map[string]def, len(from.Exports))
	for i := range from.Exports {
		e := &from.Exports[i]
		if _, twice := in.exports[e.Name]; twice {
			return fmt.Errorf("it has two exports %s", clip(e.Name))
		}
		d, err := f.item(&e.Item)
		if err != nil {
			return fmt.Errorf("export %s: %w", clip(e.Name), err)
		}
		in.exports[e.Name] = d
	}
	return nil
}

// item returns the definition of an item.
func (f *fuser) item(item *Item) (def, error) {
	if item.Source != SourceInstance {
		if item.Kind != wasm.KindFunc {
			return def{}, fmt.Errorf("expected a func of the host, got a %s", item.Kind)
		}
		if item.Type == nil {
			return def{kind: wasm.KindFunc, open: item}, nil
		}
		return f.foreignFunc(item, *item.Type)
	}
	in, err := f.earlier(item.Instance)
	if err != nil {
		return def{}, err
	}
	d, ok := in.export(item.Name)
	if !ok {
		return def{}, fmt.Errorf("%s has no export %s", in, clip(item.Name))
	}
	if d.kind != item.Kind {
		return def{}, fmt.Errorf("expected that %s of %s is a %s, got a %s", clip(item.Name), in, item.Kind, d.kind)
	}
	return d, nil
}

// foreignFunc returns the definition of a function that no module defines. The same
// function with the same type is one.
func (f *fuser) foreignFunc(item *Item, typ wasm.FuncType) (def, error) {
	to := foreign{source: item.Source, module: item.Module, name: item.Name, typ: typ}
	key := string(item.Source) + "\x00" + item.Module + "\x00" + item.Name + "\x00" + typeKey(typ)
	for kind, of := range map[wasm.Kind]*Item{wasm.KindMemory: item.Memory, wasm.KindFunc: item.Realloc} {
		if of == nil || item.Source != SourceHost {
			continue
		}
		d, err := f.lowering(of, kind)
		if err != nil {
			return def{}, fmt.Errorf("the %s with which it is lowered: %w", kind, err)
		}
		if to.needs = append(to.needs, d); kind == wasm.KindFunc {
			to.realloc = &d
		}
	}
	slices.SortFunc(to.needs, func(a, b def) int { return int(a.kind) - int(b.kind) })
	for _, d := range to.needs {
		key += fmt.Sprintf("\x00%d %d %d", d.kind, d.owner.index, d.index)
	}
	index, ok := f.foreignAt[key]
	if !ok {
		index = uint32(len(f.foreign))
		f.foreignAt[key] = index
		f.foreign = append(f.foreign, to)
	}
	return def{kind: wasm.KindFunc, index: index}, nil
}

// reallocType is the signature of a function that allocates memory for the host.
var reallocType = wasm.FuncType{Params: []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32}, Results: []wasm.ValueType{wasm.I32}}

// lowering returns a memory or allocating function with which a function is lowered.
func (f *fuser) lowering(item *Item, kind wasm.Kind) (def, error) {
	if item.Source != SourceInstance || item.Kind != kind {
		return def{}, fmt.Errorf("expected a %s of an instance", kind)
	}
	d, err := f.item(item)
	switch {
	case err != nil:
		return d, err
	case d.owner == nil:
		return d, fmt.Errorf("expected one that a module defines, got an import of %s", clip(item.Name))
	case kind == wasm.KindFunc && !f.typeOf(d).Equal(reallocType):
		return d, fmt.Errorf("expected the type %s, got %s", reallocType, f.typeOf(d))
	}
	return d, nil
}

// resolve adds the definition of an import to the instance, if its type fits.
func (f *fuser) resolve(in *instance, i *wasm.Import, arguments map[string]*instance) error {
	from := arguments[i.Module]
	if from == nil {
		return fmt.Errorf("it gets no instance for the module name")
	}
	d, ok := from.export(i.Name)
	if !ok {
		return fmt.Errorf("%s does not export it", from)
	}
	if d.kind != i.Kind {
		return fmt.Errorf("expected a %s, got a %s of %s", i.Kind, d.kind, from)
	}
	if d.open != nil {
		var err error
		if d, err = f.foreignFunc(d.open, in.module.Types[i.Type]); err != nil {
			return err
		}
	}
	if err := f.fits(in, i, d); err != nil {
		return fmt.Errorf("%w of %s", err, from)
	}
	in.imports[i.Kind] = append(in.imports[i.Kind], d)
	return nil
}

// fits checks the type of an import.
func (f *fuser) fits(in *instance, i *wasm.Import, d def) error {
	switch i.Kind {
	case wasm.KindFunc:
		if want, got := in.module.Types[i.Type], f.typeOf(d); !want.Equal(got) {
			return fmt.Errorf("expected the type %s, got %s", want, got)
		}
	case wasm.KindTable:
		got := d.owner.module.Tables[d.index]
		if i.Table.Elem != got.Elem {
			return fmt.Errorf("expected a table of %s, got one of %s", i.Table.Elem, got.Elem)
		}
		return sizeFits("elements", i.Table.Limits, got.Limits)
	case wasm.KindMemory:
		return sizeFits("pages", i.Memory, d.owner.module.Memories[d.index])
	case wasm.KindGlobal:
		if got := d.owner.module.Globals[d.index].Type; got != i.Global {
			return fmt.Errorf("expected a global of type %s, got %s", globalType(i.Global), globalType(got))
		}
	}
	return nil
}

func globalType(t wasm.GlobalType) string {
	if t.Mutable {
		return "mutable " + t.Value.String()
	}
	return t.Value.String()
}

func sizeFits(what string, want, got wasm.Limits) error {
	switch {
	case got.Min < want.Min:
		return fmt.Errorf("expected at least %d %s, got %d", want.Min, what, got.Min)
	case want.HasMax && !got.HasMax:
		return fmt.Errorf("expected at most %d %s, got no maximum", want.Max, what)
	case want.HasMax && got.Max > want.Max:
		return fmt.Errorf("expected at most %d %s, got %d", want.Max, what, got.Max)
	}
	return nil
}

// typeOf returns the signature of a function.
func (f *fuser) typeOf(d def) wasm.FuncType {
	if d.owner == nil {
		return f.foreign[d.index].typ
	}
	m := d.owner.module
	return m.Types[m.Functions[d.index]]
}

// typeKey is the same for equal signatures only.
func typeKey(t wasm.FuncType) string {
	key := make([]byte, 0, len(t.Params)+len(t.Results)+1)
	for _, p := range t.Params {
		key = wasm.AppendValueType(key, p)
	}
	key = append(key, 0)
	for _, r := range t.Results {
		key = wasm.AppendValueType(key, r)
	}
	return string(key)
}
