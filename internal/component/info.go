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

// Item is an import or export of a component.
type Item struct {
	Name      string // of an interface, or of the item itself
	Kind      string // such as "instance" or "func"
	Functions []string
	Types     []string // their names
}

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
	items := make([]Item, len(list))
	for i := range list {
		x := &list[i]
		items[i] = Item{Name: x.name, Kind: x.sort.String()}
		in := list[i : i+1]
		if t, ok := x.is.(*instanceType); ok && x.sort == Inst {
			in = t.exports
		}
		for j := range in {
			if f, ok := in[j].is.(*funcType); ok && in[j].sort == Func {
				items[i].Functions = append(items[i].Functions, in[j].name+": "+f.String())
			}
			if in[j].sort == Type {
				items[i].Types = append(items[i].Types, in[j].name)
			}
		}
	}
	return items
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
