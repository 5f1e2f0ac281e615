package component

import "github.com/airhost/airhost/internal/wasm"

// First bytes of types that are not types of values.
const (
	formResource  = 0x3f
	formFunc      = 0x40
	formComponent = 0x41
	formInstance  = 0x42
	formAsyncFunc = 0x43
	formModule    = 0x50 // a core type
)

// typeDef reads a type.
func (d *decoder) typeDef() Node {
	at := d.Pos()
	form := d.Byte("a type")
	if prims[Prim(form)] != "" {
		return Prim(form)
	}
	switch form {
	case formFunc, formAsyncFunc:
		return d.funcType(form == formAsyncFunc)
	case formComponent:
		return &ComponentType{d.decls(true)}
	case formInstance:
		return &InstanceType{d.decls(false)}
	case formResource:
		return d.resource()
	}
	return d.defined(at, Kind(form))
}

// defined reads the rest of a type of values, after its first byte.
func (d *decoder) defined(at int, kind Kind) Node {
	t := &Defined{Kind: kind}
	switch kind {
	case Record:
		t.Fields = readList(d, 2, "fields", d.field)
	case Variant:
		t.Fields = readList(d, 3, "cases", func() Field {
			f := Field{d.Name("the name of a case"), d.optional()}
			d.fixed(0, "the end of a case")
			return f
		})
	case Tuple:
		t.Fields = readList(d, 1, "types", func() Field { return Field{Type: d.valType()} })
	case Flags, Enum:
		t.Fields = readList(d, 1, "names", func() Field { return Field{Name: d.Name("a name")} })
	case List, Option:
		t.Elem = d.valType()
	case FixedList:
		t.Kind, t.Fixed = List, true
		t.Elem, t.Len = d.valType(), d.U32("the length of a list")
	case Map:
		t.Elem, t.Second = d.valType(), d.valType()
	case Result:
		t.Elem, t.Second = d.optional(), d.optional()
	case Stream, Future:
		t.Elem = d.optional()
	case Own, Borrow:
		t.Index = d.index(Type)
	default:
		d.Fail(at, "expected a type, got %#x", byte(kind))
	}
	return t
}

// valType reads the type of a value. Types are negative numbers of one byte, indices are
// not negative.
func (d *decoder) valType() ValType {
	at := d.Pos()
	if p := Prim(d.Peek()); prims[p] != "" {
		d.Byte("a type")
		return ValType{Prim: p}
	}
	i := d.S33("a type")
	if i < 0 || i > 1<<32-1 {
		d.Fail(at, "expected the type of a value, got %#x", i)
		return ValType{}
	}
	return ValType{Indexed, uint32(i)}
}

// optional reads a type that may be missing.
func (d *decoder) optional() ValType {
	if !d.flag("whether there is a type") {
		return ValType{}
	}
	return d.valType()
}

func (d *decoder) field() Field { return Field{d.Name("a name"), d.valType()} }

func (d *decoder) funcType(async bool) Node {
	return &FuncType{async, readList(d, 2, "parameters", d.field), d.results()}
}

// results reads a list of results, which has at most one.
func (d *decoder) results() ValType {
	if !d.flag("a list of results") {
		return d.valType()
	}
	d.fixed(0, "the number of results")
	return ValType{}
}

func (d *decoder) resource() Node {
	r := &Resource{Rep: d.ValueType().Code}
	if d.flag("whether there is a destructor") {
		f := d.index(CoreFunc)
		r.Dtor = &f
	}
	return r
}

// decls reads the declarations in the type of a component or instance.
func (d *decoder) decls(imports bool) (decls []Def) {
	if !d.deeper() {
		return nil
	}
	decls = d.appendDefs(nil, 2, "declarations", func() Node { return d.decl(imports) })
	d.depth--
	return decls
}

func (d *decoder) decl(imports bool) Node {
	at := d.Pos()
	form := d.Byte("a declaration")
	switch {
	case form == 0:
		return d.coreType(true)
	case form == 1:
		return d.typeDef()
	case form == 2:
		return d.alias()
	case form == 3 && imports:
		return d.importDef()
	case form == 4:
		name, typ := d.externName(), d.externType()
		return &Export{Name: name, Sort: typ.Sort, Type: &typ, Declared: true}
	}
	d.Fail(at, "expected a declaration, got %#x", form)
	return &Export{}
}

// coreType reads a core type. modules says whether it may be that of a module.
func (d *decoder) coreType(modules bool) Node {
	at := d.Pos()
	const nonFinal = 0x00
	switch {
	case d.Peek() == formModule && modules:
		d.Byte("a type")
		return &ModuleType{readList(d, 3, "declarations", d.moduleDecl)}
	case d.Peek() == nonFinal && d.Left() > 0:
		d.Byte("a type")
		d.fixed(formModule, "a type that may have subtypes")
		if n := d.U32("a number of supertypes"); n != 0 {
			d.Fail(at, "expected no supertypes, got %d", n)
		}
	}
	return &CoreFuncType{d.FuncType()}
}

// moduleDecl reads a declaration in the type of a core module.
func (d *decoder) moduleDecl() (m ModuleDecl) {
	at := d.Pos()
	m.Kind = DeclKind(d.Byte("a declaration"))
	switch m.Kind {
	case DeclImport:
		m.Module, m.Name = d.Name("the module of an import"), d.Name("the name of an import")
		m.Extern = d.coreExtern()
	case DeclType:
		m.Type = d.coreType(false)
	case DeclAlias:
		d.fixed(0x10, "an alias of a core type")
		d.fixed(1, "an alias of an outer scope")
		m.Count, m.Index = d.U32("a number of scopes"), d.index(CoreType)
	case DeclExport:
		m.Name = d.Name("the name of an export")
		m.Extern = d.coreExtern()
	default:
		d.Fail(at, "expected a declaration, 0 to 3, got %#x", byte(m.Kind))
	}
	return m
}

// coreExtern reads the type of an import or export of a core module.
func (d *decoder) coreExtern() *CoreExtern {
	at := d.Pos()
	e := &CoreExtern{Kind: wasm.Kind(d.Byte("a kind of import or export"))}
	switch e.Kind {
	case wasm.KindFunc:
		e.Type = d.index(CoreType)
	case wasm.KindTable:
		e.Table = d.TableType()
	case wasm.KindMemory:
		e.Memory = d.MemoryType()
	case wasm.KindGlobal:
		e.Global = d.GlobalType()
	case wasm.KindTag:
		d.fixed(0, "an attribute")
		e.Type = d.index(CoreType)
	default:
		d.Fail(at, "expected a kind of import or export, got %#x", byte(e.Kind))
	}
	return e
}
