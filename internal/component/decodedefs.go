package component

import (
	"errors"

	"github.com/airhost/airhost/internal/wasm"
)

// moduleError reports an error about a core module that begins at an offset.
func (d *decoder) moduleError(at int, err error) {
	var format *wasm.FormatError
	if errors.As(err, &format) {
		d.Fail(at+format.Offset, "in a core module: %s", format.Msg)
		return
	}
	d.Fail(at, "in a core module: %v", err)
}

// flag reads a byte that is 0 or 1.
func (d *decoder) flag(what string) bool {
	at := d.Pos()
	b := d.Byte(what)
	if b > 1 {
		d.Fail(at, "expected %s, 0 or 1, got %#x", what, b)
	}
	return b == 1
}

// fixed reads a byte that has one possible value.
func (d *decoder) fixed(want byte, what string) {
	at := d.Pos()
	if b := d.Byte(what); b != want {
		d.Fail(at, "expected %s %#x, got %#x", what, want, b)
	}
}

// sortAfter are the sorts by the format's values of those that are not core.
var sortAfter = [...]Sort{CoreModule, Func, Value, Type, Comp, Inst}

// coreSort reads a sort of core definitions.
func (d *decoder) coreSort() Sort {
	at := d.Pos()
	switch b := d.Byte("a core sort"); b {
	case 0, 1, 2, 3, 4:
		return Sort(b)
	case 0x10:
		return CoreType
	case 0x11:
		return CoreModule
	case 0x12:
		return CoreInst
	default:
		d.Fail(at, "expected a core sort, got %#x", b)
		return CoreFunc
	}
}

// sortOf reads a sort.
func (d *decoder) sortOf() Sort {
	at := d.Pos()
	b := d.Byte("a sort")
	switch {
	case b == 0:
		return d.coreSort()
	case int(b) < len(sortAfter):
		return sortAfter[b]
	}
	d.Fail(at, "expected a sort, got %#x", b)
	return Func
}

func (d *decoder) index(s Sort) uint32 { return d.U32(s.String() + " index") }

func (d *decoder) coreInstance() Node {
	at := d.Pos()
	c := &CoreInstance{}
	switch form := d.Byte("a form of core instance"); form {
	case 0:
		c.Module = d.index(CoreModule)
		c.Args = readList(d, 3, "arguments", func() CoreArg {
			a := CoreArg{Name: d.Name("the name of an argument")}
			d.fixed(0x12, "an instance")
			a.Instance = d.index(CoreInst)
			return a
		})
	case 1:
		c.Inline = true
		c.Exports = readList(d, 3, "exports", func() CoreExport {
			e := CoreExport{Name: d.Name("the name of an export"), Sort: d.coreSort()}
			e.Index = d.index(e.Sort)
			return e
		})
	default:
		d.Fail(at, "expected a core instance 0 or 1, got %#x", form)
	}
	return c
}

func (d *decoder) instance() Node {
	at := d.Pos()
	i := &Instance{}
	switch form := d.Byte("a form of instance"); form {
	case 0:
		i.Component = d.index(Comp)
		i.Args = readList(d, 3, "arguments", func() Arg {
			a := Arg{Name: d.Name("the name of an argument"), Sort: d.sortOf()}
			a.Index = d.index(a.Sort)
			return a
		})
	case 1:
		i.Inline = true
		i.Exports = readList(d, 4, "exports", func() InlineExport {
			e := InlineExport{Name: d.externName(), Sort: d.sortOf()}
			e.Index = d.index(e.Sort)
			return e
		})
	default:
		d.Fail(at, "expected an instance 0 or 1, got %#x", form)
	}
	return i
}

func (d *decoder) alias() Node {
	at := d.Pos()
	a := &Alias{Sort: d.sortOf()}
	target := d.Pos()
	switch a.Target = Target(d.Byte("the target of an alias")); a.Target {
	case TargetExport:
		a.Of, a.Name = d.index(Inst), d.Name("the name of an export")
	case TargetCoreExport:
		a.Of, a.Name = d.index(CoreInst), d.Name("the name of an export")
		if a.Sort > CoreTag {
			d.Fail(at, "expected a core function, table, memory, global or tag of a core instance, got a %s", a.Sort)
		}
	case TargetOuter:
		a.Of, a.Index = d.U32("a number of scopes"), d.index(a.Sort)
		if a.Sort != CoreModule && a.Sort != CoreType && a.Sort != Type && a.Sort != Comp {
			d.Fail(at, "expected an alias of an outer core module, core type, type or component, got a %s", a.Sort)
		}
	default:
		d.Fail(target, "expected the target of an alias, 0 to 2, got %#x", byte(a.Target))
	}
	return a
}

// externName reads the name of an import or export, and its attributes.
func (d *decoder) externName() ExternName {
	at := d.Pos()
	form := d.Byte("a form of name")
	if form > 2 {
		d.Fail(at, "expected a form of name, 0 to 2, got %#x", form)
	}
	n := ExternName{Name: d.Name("the name of an import or export")}
	if form == 2 {
		n.Attributes = readList(d, 2, "attributes", func() Attribute {
			at := d.Pos()
			kind := AttributeKind(d.Byte("a kind of attribute"))
			if kind > ExternalID {
				d.Fail(at, "expected a kind of attribute, 0 to 2, got %#x", byte(kind))
			}
			return Attribute{kind, d.Name("an attribute")}
		})
	}
	return n
}

func (d *decoder) importDef() *Import {
	return &Import{d.externName(), d.externType()}
}

func (d *decoder) export() Node {
	e := &Export{Name: d.externName(), Sort: d.sortOf()}
	e.Index = d.index(e.Sort)
	if d.flag("whether the export has a type") {
		t := d.externType()
		e.Type = &t
	}
	return e
}

// externType reads the type of an import or export.
func (d *decoder) externType() (t ExternType) {
	at := d.Pos()
	b := d.Byte("the sort of an import or export")
	if int(b) >= len(sortAfter) {
		d.Fail(at, "expected the sort of an import or export, got %#x", b)
		return ExternType{Sort: Func}
	}
	t.Sort = sortAfter[b]
	switch t.Sort {
	case CoreModule:
		d.fixed(0x11, "a core module")
		t.Index = d.index(CoreType)
	case Value, Type:
		at := d.Pos()
		t.Bound = Bound(d.Byte("a bound"))
		switch {
		case t.Bound == BoundEq:
			t.Index = d.index(t.Sort)
		case t.Bound > BoundSub:
			d.Fail(at, "expected a bound, 0 or 1, got %#x", byte(t.Bound))
		case t.Sort == Value:
			t.Value = d.valType()
		}
	default:
		t.Index = d.index(Type)
	}
	return t
}
