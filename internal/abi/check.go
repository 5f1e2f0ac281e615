package abi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/wasm"
)

// Bounds of the report about a module. A problem, with types of some 100 bytes each,
// has less than 1 KiB.
const (
	maxProblems = 20
	maxQuoted   = 100 // bytes of a name
)

// Check returns the module's violations of the contract, each as one line; none if
// the module meets the contract.
func Check(m *wasm.Module) []string {
	c := checker{m: m, listed: ourExports(m), types: m.FuncTypes(), exports: make(map[string]wasm.Export, len(m.Exports)), wanted: map[string]bool{Memory: true}, reported: map[string]bool{}}
	for _, f := range Exports() {
		c.wanted[f.Name] = true
	}
	for _, e := range c.listed {
		if _, ok := c.exports[e.Name]; ok && c.wanted[e.Name] {
			c.add("export %s is there twice: want one version of it", e.Name)
		}
		c.exports[e.Name] = e
	}
	c.memory()
	c.features()
	c.functions()
	c.whole("component-management", Initialize, Health, Shutdown)
	c.whole("component-state", Save, Restore)
	c.callback()
	c.unknownExports()
	c.command()
	c.imports()
	if c.more > 0 {
		c.problems = append(c.problems, fmt.Sprintf("and %s more", wasm.Grouped(c.more)))
	}
	return c.problems
}

type checker struct {
	m        *wasm.Module
	types    []uint32      // of all functions
	listed   []wasm.Export // all exports
	exports  map[string]wasm.Export
	wanted   map[string]bool // the names of the contract's exports
	reported map[string]bool // existing exports that a problem has named as a likely substitute
	problems []string
	more     int // number of problems left out
}

// add records a problem. After maxProblems problems it only counts them.
func (c *checker) add(format string, args ...any) {
	if len(c.problems) == maxProblems {
		c.more++
		return
	}
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checker) memory() {
	if e, ok := c.exports[Memory]; !ok {
		c.add("export %s is missing: the module must export its memory under this name%s", Memory, c.otherMemory())
	} else if e.Kind != wasm.KindMemory {
		c.add("export %s is a %s, want a memory", Memory, e.Kind)
	}
}

// features reports unsupported features, as far as they show outside of the code.
func (c *checker) features() {
	used := c.m.Features
	if c.m.Len(wasm.KindMemory) > 1 {
		used |= wasm.MultiMemory.Set()
	}
	for _, err := range used.Errors() {
		c.add("%v", err)
	}
}

func (c *checker) has(export string) bool {
	_, ok := c.exports[export]
	return ok
}

func (c *checker) functions() {
	for _, want := range Exports() {
		e, ok := c.exports[want.Name]
		switch {
		case !ok && want.Name == HandleMessage && c.has(HandleHTTP):
		case !ok && (want.Name == Realloc || want.Name == HandleMessage):
			c.add("export %s %s is missing%s", want.Name, want.Type, c.instead(want.Name, wasm.KindFunc))
		case !ok:
		case e.Kind != wasm.KindFunc:
			c.add("export %s is a %s, want a function %s", want.Name, e.Kind, want.Type)
		default:
			c.function(want, e.Index)
		}
	}
}

func (c *checker) function(want Func, index uint32) {
	if got := c.m.Types[c.types[index]]; !got.Equal(want.Type) {
		c.add("export %s has type %s, want %s", want.Name, got, want.Type)
	} else if int(index) < len(c.types)-len(c.m.Functions) {
		c.add("export %s is a function that the module imports, want one of its own", want.Name)
	}
}

// whole reports the functions that are missing of an interface which is exported in part.
func (c *checker) whole(of string, names ...string) {
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := c.exports[name]
		return ok
	})
	if len(missing) == 0 || len(missing) == len(names) {
		return
	}
	for _, name := range missing {
		c.add("export %s is missing: %s is exported as a whole or not at all%s", name, of, c.instead(name, wasm.KindFunc))
	}
}

func (c *checker) imports() {
	known := make(map[string]map[string]wasm.FuncType)
	for _, imp := range c.m.Imports {
		module := ModuleName(imp.Module)
		functions, ok := known[module]
		if !ok {
			of, _ := FindInterface(module)
			functions = byName(of.Funcs)
			known[module] = functions
		}
		if len(functions) == 0 {
			c.add("import %v %v cannot be satisfied: %s", quoted(imp.Module), quoted(imp.Name), advice(imp.Module))
			continue
		}
		want, ok := functions[ImportName(imp.Name)]
		switch {
		case !ok:
			c.add("import %s %v is unknown%s", imp.Module, quoted(imp.Name), c.suggestion(func(name string) string { return nearestOf(functions, name) }, imp.Name))
		case imp.Kind != wasm.KindFunc:
			c.add("import %s %s is a %s, want a function %s", imp.Module, imp.Name, imp.Kind, want)
		case !c.m.Types[imp.Type].Equal(want):
			c.add("import %s %s has type %s, want %s", imp.Module, imp.Name, c.m.Types[imp.Type], want)
		}
	}
}

// otherMemory names the memory that the module exports under another name, if any.
func (c *checker) otherMemory() string {
	for _, e := range c.m.Exports {
		if e.Kind == wasm.KindMemory {
			return fmt.Sprintf(": it exports %v", quoted(e.Name))
		}
	}
	return ""
}

// advice tells how to replace an import from an unknown module.
func advice(module string) string {
	path, _, _ := strings.Cut(module, "@")
	switch {
	case strings.HasPrefix(path, "airhost:core/"), function(path) == "host-services":
		return "the host offers " + HostServices
	case strings.HasPrefix(path, "airhost:timers/"), function(path) == "timers":
		return "the host offers " + Timers
	case strings.HasPrefix(path, "airhost:functions/"), function(path) == "host-functions":
		return "the host offers " + Functions
	case strings.HasPrefix(path, "airhost:pubsub/"), function(path) == "pubsub":
		return "the host offers " + PubSub
	case strings.HasPrefix(module, "wasi"):
		return "the host offers " + WASI + " and the stable interfaces of WASI 0.2, so build for WASI preview 1 or 0.2"
	default:
		return "a guest may import from " + HostServices + ", " + Timers + ", " + Functions + ", " + PubSub + ", " + WASI + " and WASI 0.2"
	}
}

// quoted is a name from the module. It is quoted and shortened when printed.
type quoted string

func (q quoted) String() string {
	if len(q) <= maxQuoted {
		return strconv.Quote(string(q))
	}
	return strconv.Quote(strings.ToValidUTF8(string(q[:maxQuoted]), "")) + "…"
}

func byName(funcs []Func) map[string]wasm.FuncType {
	types := make(map[string]wasm.FuncType, len(funcs))
	for _, f := range funcs {
		types[f.Name] = f.Type
	}
	return types
}
