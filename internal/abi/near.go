package abi

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/nearest"
	"github.com/airhost/airhost/internal/wasm"
)

// maxCompared is how many exports are compared with a name that is missing: a module
// may have 100,000.
const maxCompared = 1000

// versioned is the end of a name that wit-component and others add to tell versions
// of an adapter apart: "fd_write [v2]".
var versioned = regexp.MustCompile(` ?\[ ?v[0-9]{1,9}\]$`)

// ImportName is the name of the function that an import means: without the version
// that some tools add at its end.
func ImportName(name string) string {
	if !strings.HasSuffix(name, "]") {
		return name
	}
	return versioned.ReplaceAllString(name, "")
}

// Resolve renames m's imports to the functions that they mean.
func Resolve(m *wasm.Module) {
	for i := range m.Imports {
		m.Imports[i].Name = ImportName(m.Imports[i].Name)
	}
}

// function is the part of an export's name that is the function's own, as it is
// written in WIT: handle-message.
func function(name string) string {
	name = name[strings.LastIndexAny(name, "#/.")+1:]
	name, _, _ = strings.Cut(name, "@")
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}

// instead says of an export that is missing what the module has in its place: one of
// the same name but for its spelling, interface or version; "" for nothing near it.
func (c *checker) instead(name string, kind wasm.Kind) string {
	var same string
	var names []string
	for _, e := range c.m.Exports[:min(len(c.m.Exports), maxCompared)] {
		if e.Kind != kind || c.wanted[e.Name] || len(e.Name) > maxQuoted {
			continue
		}
		names = append(names, e.Name)
		if strings.HasPrefix(name, post) == strings.HasPrefix(e.Name, post) && same == "" && function(e.Name) == function(name) {
			same = e.Name
		}
	}
	if same == "" {
		same = nearest.Of(name, names)
	}
	if same == "" {
		same = byFunction(name, names)
	}
	if same == "" {
		return ""
	}
	c.told[same] = true
	return fmt.Sprintf(": it exports %v", quoted(same))
}

// byFunction returns the name of which the function's own part is nearest to that of
// another name.
func byFunction(name string, names []string) string {
	var functions []string
	for _, n := range names {
		if strings.HasPrefix(n, post) == strings.HasPrefix(name, post) {
			functions = append(functions, function(n))
		}
	}
	near := nearest.Of(function(name), functions)
	for _, n := range names {
		if near != "" && function(n) == near && strings.HasPrefix(n, post) == strings.HasPrefix(name, post) {
			return n
		}
	}
	return ""
}

// strangers are exports of the contract's package that it does not have, which the
// host would never call: told are those that are not told in place of a missing one.
func (c *checker) strangers() {
	for _, e := range c.m.Exports {
		name := strings.TrimPrefix(e.Name, post)
		if !strings.HasPrefix(name, contractPackage) || c.wanted[e.Name] || c.told[e.Name] {
			continue
		}
		c.add("export %v is not in the contract%s", quoted(e.Name), c.meant(nearestExport, e.Name))
	}
}

// nearestExport returns the contract's export that a name was probably meant to be.
func nearestExport(name string) string {
	var names []string
	for _, f := range Exports() {
		names = append(names, f.Name)
		if function(f.Name) == function(name) && strings.HasPrefix(f.Name, post) == strings.HasPrefix(name, post) {
			return f.Name
		}
	}
	if near := nearest.Of(name, names); near != "" {
		return near
	}
	return byFunction(name, names)
}

// meant says what a name was probably meant to be. Nothing is looked for where there
// is no place for another problem.
func (c *checker) meant(near func(name string) string, name string) string {
	if len(c.problems) == maxProblems || len(name) > maxQuoted {
		return ""
	}
	if name = near(name); name == "" {
		return ""
	}
	return ", did you mean " + name + "?"
}

// nearestOf returns the one of the functions that a name was probably meant to be.
func nearestOf(functions map[string]wasm.FuncType, name string) string {
	names := slices.Sorted(maps.Keys(functions))
	if near := nearest.Of(name, names); near != "" {
		return near
	}
	return nearest.Of(function(name), names)
}

// command refuses a program that runs once and ends, whose functions nobody may call
// before it has run.
func (c *checker) command() {
	_, command := c.exports["_start"]
	_, reactor := c.exports[Start]
	if command && !reactor {
		c.add("it is a command (it exports _start and no _initialize), want a reactor: build with go build -buildmode=c-shared, " +
			"clang -mexec-model=reactor, or rustc --crate-type cdylib")
	}
}

// callback refuses a guest that sends requests and exports something like
// handle-callback in its place.
func (c *checker) callback() {
	if _, ok := c.exports[HandleCallback]; ok || !requests(c.m) {
		return
	}
	if instead := c.instead(HandleCallback, wasm.KindFunc); instead != "" {
		c.add("export %s is missing, without which the send-request that it imports is refused%s", HandleCallback, instead)
	}
}

func requests(m *wasm.Module) bool {
	return slices.ContainsFunc(m.Imports, func(i wasm.Import) bool {
		return i.Module == HostServices && ImportName(i.Name) == SendRequest
	})
}

// Hint says of a module that meets the contract what is allowed and yet probably not
// meant, in one line, or returns "".
func Hint(m *wasm.Module) string {
	callback := slices.ContainsFunc(m.Exports, func(e wasm.Export) bool { return e.Name == HandleCallback })
	if requests(m) && !callback {
		return "it imports send-request, which is refused without an export handle-callback"
	}
	return ""
}
