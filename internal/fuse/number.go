package fuse

import "github.com/airhost/airhost/internal/wasm"

// number gives all definitions their indices in the result.
func (f *fuser) number() {
	var next [kinds]uint32
	f.addImports()
	next[wasm.KindFunc] = uint32(len(f.out.Imports))
	for _, in := range f.instances {
		if !in.live {
			continue
		}
		for kind := range kinds {
			in.numbers[kind] = make([]uint32, in.module.Len(kind)-len(in.imports[kind]))
			for i := range in.numbers[kind] {
				if f.drops(kind, alias{in, uint32(i)}) {
					in.numbers[kind][i] = dropped
					continue
				}
				in.numbers[kind][i], next[kind] = next[kind], next[kind]+1
			}
		}
	}
	if f.memory != nil {
		f.memory.owner.numbers[wasm.KindMemory][f.memory.index] = 0
	}
	for i := range f.foreign {
		if to := &f.foreign[i]; to.used && to.source == SourceTrap {
			to.number, next[wasm.KindFunc] = next[wasm.KindFunc], next[wasm.KindFunc]+1
		}
	}
	f.numberWrappers(next[wasm.KindFunc])
}

// addImports imports each function of the host once for each type.
func (f *fuser) addImports() {
	at := make(map[string]uint32)
	for i := range f.foreign {
		to := &f.foreign[i]
		if !to.used || to.source != SourceHost {
			continue
		}
		key := to.module + "\x00" + to.name + "\x00" + typeKey(to.typ)
		number, ok := at[key]
		if !ok {
			number = uint32(len(at))
			at[key] = number
			f.out.Imports = append(f.out.Imports, wasm.Import{Module: to.module, Name: to.name, Kind: wasm.KindFunc, Type: f.typeIndex(to.typ)})
			f.name(number, to.module, to.name)
		}
		to.number = number
	}
}

// useForeign finds the functions of the host that the result imports.
func (f *fuser) useForeign() {
	use := func(all []def) {
		for _, d := range all {
			if d.owner == nil && d.kind == wasm.KindFunc {
				f.foreign[d.index].used = true
			}
		}
	}
	use(f.exports)
	for _, in := range f.instances {
		if in.live {
			use(in.imports[wasm.KindFunc])
		}
	}
}

// drops reports whether the result leaves out a definition of an instance that matters.
func (f *fuser) drops(kind wasm.Kind, d alias) bool {
	switch kind {
	case wasm.KindFunc:
		_, gone := f.aliases[d]
		return gone
	case wasm.KindTable:
		return f.withoutTable[d]
	case wasm.KindMemory:
		return f.memory == nil || f.memory.owner != d.owner || f.memory.index != d.index
	}
	return false
}

// index returns the index of a definition in the result.
func (f *fuser) index(d def) uint32 {
	if d.kind == wasm.KindFunc {
		d, _ = f.follow(d)
		if d.owner == nil {
			if to := &f.foreign[d.index]; to.wrapped {
				return to.wrapper
			}
			return f.foreign[d.index].number
		}
	}
	return d.owner.numbers[d.kind][d.index]
}

// translation has the index in the result for each index of an instance's module.
type translation [wasm.SpaceLocal][]uint32

// translate makes the translation for the instance that has the next segments.
func (f *fuser) translate(in *instance) *translation {
	t := &translation{}
	for kind, space := range map[wasm.Kind]wasm.Space{
		wasm.KindFunc: wasm.SpaceFunc, wasm.KindTable: wasm.SpaceTable, wasm.KindGlobal: wasm.SpaceGlobal,
	} {
		all := make([]uint32, in.module.Len(kind))
		for i := range all {
			all[i] = f.index(in.at(kind, uint32(i)))
		}
		t[space] = all
	}
	types := make([]uint32, len(in.module.Types))
	for i := range types {
		types[i] = f.typeIndex(in.module.Types[i])
	}
	t[wasm.SpaceType] = types
	t[wasm.SpaceElements] = following(f.out.Elements.Count, len(in.module.elements))
	t[wasm.SpaceData] = following(f.out.Data.Count, len(in.module.data))
	return t
}

// following returns n numbers from first on.
func following(first uint32, n int) []uint32 {
	all := make([]uint32, n)
	for i := range all {
		all[i] = first + uint32(i)
	}
	return all
}

// typeIndex returns the index of a signature in the result, which has each once.
func (f *fuser) typeIndex(t wasm.FuncType) uint32 {
	key := typeKey(t)
	index, ok := f.types[key]
	if !ok {
		index = uint32(len(f.out.Types))
		f.types[key] = index
		f.out.Types = append(f.out.Types, wasm.FuncType{Params: t.Params, Results: t.Results})
	}
	return index
}
