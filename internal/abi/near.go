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

// maxCompared bounds the number of exports that are compared with a missing name,
// since a module may have 100,000 exports.
const maxCompared = 1000

// versioned matches the suffix that wit-component and other tools add to distinguish
// versions of an adapter: "fd_write [v2]".
var versioned = regexp.MustCompile(` ?\[ ?v[0-9]{1,9}\]$`)

// ImportName returns the name of the imported function without the version suffix
// that some tools add.
func ImportName(name string) string {
	if !strings.HasSuffix(name, "]") {
		return name
	}
	return versioned.ReplaceAllString(name, "")
}

// minor matches the versions that a guest may import an interface of airhost in.
var minor = regexp.MustCompile(`^(airhost:[a-z-]{1,50}/[a-z-]{1,50}@0\.1\.)[0-9]{1,9}$`)

// minor2 is minor for WASI 0.2, which may stand there without a patch version.
var minor2 = regexp.MustCompile(`^(wasi:[a-z-]{1,50}/[a-z-]{1,50})@0\.2(\.[0-9]{1,9})?$`)

// ModuleName returns the name of the imported module in the version of this host: an
// interface of airhost at 0.1.x is that at 0.1.0, one of WASI at 0.2.x that at 0.2.0. The names
// that wasi:config has had stand for one.
func ModuleName(module string) string {
	if strings.HasPrefix(module, wasiNamespace) {
		if slices.Contains(configNames, module) {
			return configStore + configDraft
		}
		return minor2.ReplaceAllString(module, "${1}"+WASI2)
	}
	if !strings.HasPrefix(module, namespace) || strings.HasSuffix(module, "@0.1.0") {
		return module // mostly
	}
	return minor.ReplaceAllString(module, "${1}0")
}

// ExportName returns the name of an export in the version of this host, as [ModuleName]
// does for its interface.
func ExportName(name string) string {
	of, function, ok := strings.Cut(name, "#")
	if !ok || strings.HasSuffix(of, "@0.1.0") {
		return name // mostly
	}
	plain := strings.TrimPrefix(of, post)
	return of[:len(of)-len(plain)] + ModuleName(plain) + "#" + function
}

// Resolve gives m's imports and exports the names that the host has for them.
func Resolve(m *wasm.Module) {
	for i := range m.Imports {
		m.Imports[i].Module, m.Imports[i].Name = ModuleName(m.Imports[i].Module), ImportName(m.Imports[i].Name)
	}
	m.Exports = ourExports(m)
}

// ourExports returns m's exports by the names that the host has for them.
func ourExports(m *wasm.Module) []wasm.Export {
	exports := slices.Clone(m.Exports)
	for i := range exports {
		exports[i].Name = ExportName(exports[i].Name)
	}
	return exports
}

// namespace begins the names of all packages of the contract, wasiNamespace those of WASI
// 0.2 and later.
const (
	namespace     = "airhost:"
	wasiNamespace = "wasi:"
)

// function returns the function's own part of an export's name, in WIT's spelling:
// handle-message.
func function(name string) string {
	name = name[strings.LastIndexAny(name, "#/.")+1:]
	name, _, _ = strings.Cut(name, "@")
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}

// instead describes the export that the module probably has in place of a missing
// one: its name differs only in spelling, interface or version. instead returns "" if
// no name is close.
func (c *checker) instead(name string, kind wasm.Kind) string {
	var same string
	var names []string
	for _, e := range c.listed[:min(len(c.listed), maxCompared)] {
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
	c.reported[same] = true
	return fmt.Sprintf(": it exports %v", quoted(same))
}

// byFunction returns the one of names that has the nearest function part to name.
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

// unknownExports reports exports of the contract's packages that the contract does not
// define. It skips those that another problem has named as a likely substitute.
func (c *checker) unknownExports() {
	for _, e := range c.listed {
		name := strings.TrimPrefix(e.Name, post)
		if !strings.HasPrefix(name, namespace) || !strings.Contains(name, "/") || c.wanted[e.Name] || c.reported[e.Name] {
			continue
		}
		c.add("export %v is not in the contract%s", quoted(e.Name), c.suggestion(nearestExport, e.Name))
	}
}

// nearestExport returns the contract's export that is nearest to name.
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

// suggestion returns text that suggests the nearest known name, or "". It does not
// search if the report has no room for another problem.
func (c *checker) suggestion(near func(name string) string, name string) string {
	if len(c.problems) == maxProblems || len(name) > maxQuoted {
		return ""
	}
	if name = near(name); name == "" {
		return ""
	}
	return ", did you mean " + name + "?"
}

// nearestOf returns the name of a function that is nearest to name.
func nearestOf(functions map[string]wasm.FuncType, name string) string {
	names := slices.Sorted(maps.Keys(functions))
	if near := nearest.Of(name, names); near != "" {
		return near
	}
	return nearest.Of(function(name), names)
}

// command reports a program that runs once and ends: its functions must not be called
// before it has run.
func (c *checker) command() {
	_, command := c.exports["_start"]
	_, reactor := c.exports[Start]
	if command && !reactor {
		c.add("it is a command (it exports _start and no _initialize), want a reactor: build with go build -buildmode=c-shared, " +
			"clang -mexec-model=reactor, or rustc --crate-type cdylib")
	}
}

// callback reports a guest that sends requests and has a near miss of
// handle-callback.
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
		return ModuleName(i.Module) == HostServices && ImportName(i.Name) == SendRequest
	})
}

// Hint returns one line about something that a valid module is allowed to do but
// probably does not intend, or "".
func Hint(m *wasm.Module) string {
	callback := slices.ContainsFunc(m.Exports, func(e wasm.Export) bool { return ExportName(e.Name) == HandleCallback })
	if requests(m) && !callback {
		return "it imports send-request, which is refused without an export handle-callback"
	}
	return ""
}
