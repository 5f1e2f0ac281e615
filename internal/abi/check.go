package abi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/wasm"
)

// Bounds of what is said about a module made to be wrong everywhere. With types,
// which are written in some 100 bytes, a problem has less than 1 KiB.
const (
	maxProblems = 20
	maxQuoted   = 100 // bytes of a name
)

// Check returns everything in which a module falls short of the contract, each
// as one line, or nothing.
func Check(m *wasm.Module) []string {
	c := checker{m: m, types: m.FuncTypes(), exports: make(map[string]wasm.Export, len(m.Exports)), wanted: map[string]bool{Memory: true}, told: map[string]bool{}}
	for _, f := range Exports() {
		c.wanted[f.Name] = true
	}
	for _, e := range m.Exports {
		c.exports[e.Name] = e
	}
	c.memory()
	c.features()
	c.functions()
	c.management()
	c.callback()
	c.strangers()
	c.command()
	c.imports()
	if c.more > 0 {
		c.problems = append(c.problems, fmt.Sprintf("and %s more", wasm.Grouped(c.more)))
	}
	return c.problems
}

type checker struct {
	m        *wasm.Module
	types    []uint32 // of all functions
	exports  map[string]wasm.Export
	wanted   map[string]bool // the names of the contract's exports
	told     map[string]bool // exports that problems name in place of missing ones
	problems []string
	more     int // that are not in problems
}

// add notes a problem. Beyond maxProblems no text is made.
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

// features names what guests may not use, as far as the module says before its code.
func (c *checker) features() {
	used := c.m.Features
	if c.m.Len(wasm.KindMemory) > 1 {
		used |= wasm.MultiMemory.Set()
	}
	for _, err := range used.Errors() {
		c.add("%v", err)
	}
}

func (c *checker) functions() {
	for _, want := range Exports() {
		e, ok := c.exports[want.Name]
		switch {
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

func (c *checker) management() {
	names := []string{Initialize, Health, Shutdown}
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := c.exports[name]
		return ok
	})
	if len(missing) == 0 || len(missing) == len(names) {
		return
	}
	for _, name := range missing {
		c.add("export %s is missing: component-management is exported as a whole or not at all%s", name, c.instead(name, wasm.KindFunc))
	}
}

func (c *checker) imports() {
	known := map[string]map[string]wasm.FuncType{HostServices: byName(Imports()), WASI: byName(WASIImports())}
	for _, imp := range c.m.Imports {
		functions, ok := known[imp.Module]
		if !ok {
			c.add("import %v %v cannot be satisfied: %s", quoted(imp.Module), quoted(imp.Name), advice(imp.Module))
			continue
		}
		want, ok := functions[ImportName(imp.Name)]
		switch {
		case !ok:
			c.add("import %s %v is unknown%s", imp.Module, quoted(imp.Name), c.meant(func(name string) string { return nearestOf(functions, name) }, imp.Name))
		case imp.Kind != wasm.KindFunc:
			c.add("import %s %s is a %s, want a function %s", imp.Module, imp.Name, imp.Kind, want)
		case !c.m.Types[imp.Type].Equal(want):
			c.add("import %s %s has type %s, want %s", imp.Module, imp.Name, c.m.Types[imp.Type], want)
		}
	}
}

// otherMemory says how the module calls its memory, if it exports one.
func (c *checker) otherMemory() string {
	for _, e := range c.m.Exports {
		if e.Kind == wasm.KindMemory {
			return fmt.Sprintf(": it exports %v", quoted(e.Name))
		}
	}
	return ""
}

// advice says what to do about an import from an unknown module.
func advice(module string) string {
	switch {
	case strings.HasPrefix(module, contractPackage), function(module) == "host-services":
		return "the host offers " + HostServices
	case strings.HasPrefix(module, "wasi"):
		return "the host offers " + WASI + ", so build for WASI preview 1"
	default:
		return "a guest may import from " + HostServices + " and " + WASI
	}
}

// quoted is a name that the module chose. It is escaped when it is printed, and cut.
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
