package main

import (
	"strings"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/component"
	"github.com/airhost/airhost/internal/wasm"
)

// componentReport is the part of a report that only components have.
type componentReport struct {
	Shape         string `json:"shape"` // how its core modules are linked, in words
	CoreModules   int    `json:"core_modules"`
	CoreInstances int    `json:"core_instances"`
	Components    int    `json:"components"` // nested ones
}

// kindWIT is the kind of a component's function: its type is as WIT writes it.
const kindWIT = "function"

// reportOnComponent reports on a component. A component that is valid, and of which no core module can be
// made, does not meet the contract.
func reportOnComponent(file string, code []byte) (*moduleReport, error) {
	c, err := component.Open(code)
	if err != nil {
		return nil, err
	}
	info := c.Info()
	m, err := c.Core()
	if err != nil {
		m = new(wasm.Module)
	}
	m.Customs = info.Customs
	r := newReport(file, len(code), m)
	r.Component = &componentReport{info.Shape, info.CoreModules, info.CoreInstances, info.Components}
	r.Imports, r.Exports = r.items("imports", info.Imports), r.items("exports", info.Exports)
	switch problems := c.Types.CheckContract(); {
	case len(problems) > 0: // those of the core module follow from them
		r.Contract.Problems = nil
		r.unmet(problems...)
	case err != nil:
		r.Contract.Problems = nil
		r.unmet(err.Error())
	}
	return r, nil
}

// items lists the functions of imports or exports, and of an interface without functions its types.
func (r *moduleReport) items(list string, from []component.Item) []moduleItem {
	items := []moduleItem{}
	for _, of := range from {
		module := short(of.Name)
		if of.Kind == "func" {
			module = ""
		}
		shown := of.Functions[:min(len(of.Functions), maxListed-len(items))]
		for _, f := range shown {
			item := moduleItem{Module: module, Name: short(f.Name), Kind: kindWIT, Type: f.Type()}
			if list == "imports" {
				item.Access = access(abi.ModuleName(of.Name), abi.ImportName(f.Name))
			}
			items = append(items, item)
		}
		r.leaveOut(list, len(of.Functions)-len(shown))
		if len(of.Functions) == 0 {
			items = listed(r, list, items, moduleItem{Module: module, Name: shortList(of.Types), Kind: "types"})
		}
	}
	return items
}

// shortList returns at most maxShown bytes of names, with commas between them.
func shortList(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		if b.WriteString(name); b.Len() > maxShown {
			break
		}
	}
	return short(b.String())
}
