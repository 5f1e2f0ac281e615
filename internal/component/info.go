package component

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/wasm"
)

// Info tells people about a component.
type Info struct {
	Imports, Exports []Item

	// Shape is how the component is made: "one core module", "one core module and an
	// adapter of WASI preview 1", or "6 core modules that are linked with each other".
	Shape string

	// Customs are the component's custom sections, and those of its core modules, with the
	// names of tools: "producers".
	Customs []wasm.Custom

	CoreModules, CoreInstances, Components, Definitions int
}

// Item is an import or export of a component. Items of one type share their lists.
type Item struct {
	Name      string // of an interface, or of the item itself
	Kind      string // such as "instance" or "func"
	Functions []Function
	Types     []string // their names
}

// Function is a function of an [Item].
type Function struct {
	Name string
	typ  *funcType
}

// Type returns the function's type as WIT writes it.
func (f Function) Type() string { return f.typ.String() }

// Info describes a component, as far as its instances can be made.
func (b *Binary) Info() Info {
	i := Info{Imports: items(b.Types.component.imports), Exports: items(b.Types.component.exports)}
	i.count(b.Component)
	l, err := link(b.Component, b.size)
	if err != nil {
		i.Shape = "unknown: " + err.Error()
		return i
	}
	i.CoreInstances = len(l.instances)
	i.Shape = newBundle(l).shape()
	return i
}

// shape says how many core modules a component has, apart from what only links them.
func (b *bundle) shape() string {
	shape := "one core module"
	if n := len(b.others()); n != 1 {
		shape = fmt.Sprintf("%d core modules that are linked with each other", n)
	}
	for _, r := range b.roles {
		if r == roleAdapter {
			return shape + ", and an adapter of WASI preview 1, which the host does not need"
		}
	}
	return shape
}

// count counts definitions, and collects custom sections.
func (i *Info) count(c *Component) {
	i.Definitions += len(c.Defs)
	i.Customs = append(i.Customs, c.Customs...)
	for _, d := range c.Defs {
		switch n := d.Node.(type) {
		case *Module:
			i.CoreModules++
			i.Customs = append(i.Customs, producersOf(n)...)
		case *Component:
			i.Components++
			i.count(n)
		}
	}
}

// producersOf returns the custom sections of a core module with the names of tools.
func producersOf(n *Module) []wasm.Custom {
	m, err := wasm.Parse(n.Data)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(m.Customs, func(c wasm.Custom) bool { return c.Name != "producers" })
}

func items(list []external) []Item {
	items, made := make([]Item, len(list)), make(map[*instanceType]Item)
	for i := range list {
		x := &list[i]
		if t, ok := x.is.(*instanceType); !ok || x.sort != Inst {
			items[i] = itemOf(list[i : i+1])
		} else if items[i], ok = made[t]; !ok {
			items[i] = itemOf(t.exports)
			made[t] = items[i]
		}
		items[i].Name, items[i].Kind = x.name, x.sort.String()
	}
	return items
}

// itemOf returns the functions and types in a list.
func itemOf(in []external) (item Item) {
	for i := range in {
		if f, ok := in[i].is.(*funcType); ok && in[i].sort == Func {
			item.Functions = append(item.Functions, Function{in[i].name, f})
		}
		if in[i].sort == Type {
			item.Types = append(item.Types, in[i].name)
		}
	}
	return item
}

// String returns the type as WIT writes it.
func (t *funcType) String() string {
	params := make([]string, 0, min(len(t.params), maxTextParts))
	for i, p := range t.params {
		if i == maxTextParts {
			params = append(params, "…")
			break
		}
		params = append(params, fmt.Sprintf("%.100s: %s", p.name, p.typ))
	}
	text := "func(" + strings.Join(params, ", ") + ")"
	if t.async {
		text = "async " + text
	}
	if t.result != nil {
		text += " -> " + t.result.String()
	}
	return text
}
