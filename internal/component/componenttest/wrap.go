// Package componenttest makes components for tests, around core modules that meet the
// contract. It writes the shape that wit-component writes: the core module, a shim and a
// fix-up for functions that need its memory, an adapter of WASI preview 1, and a nested
// component for the exported interface component-lifecycle.
package componenttest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// Wrap returns a component around a core module that meets the contract. It panics if the
// module is of another kind, since it is for tests.
func Wrap(core []byte) []byte {
	m, err := wasm.Parse(core)
	if err != nil {
		panic(err)
	}
	w := &wrapper{main: m, types: m.FuncTypes(), instances: make(map[string]uint32), typeNames: make(map[string]uint32)}
	w.out = []byte("\x00asm\x0d\x00\x01\x00")
	w.importTypes()
	w.importInterfaces()
	w.modules(core)
	w.instantiate()
	w.fixup()
	w.export()
	return w.out
}

// wrapper writes a component. The numbers count definitions, by sort.
type wrapper struct {
	out       []byte
	main      *wasm.Module
	types     []uint32 // of main's functions
	instances map[string]uint32
	typeNames map[string]uint32 // of the contract's types

	nTypes, nFuncs, nInstances, nCoreFuncs, nCoreInstances uint32
	imported                                               []wasm.Import // main's, in this order
	memory, realloc                                        uint32
	adapted                                                bool
	adapter                                                uint32 // core instance
}

// section appends a section of definitions.
func (w *wrapper) section(id byte, defs ...[]byte) {
	body := binary.AppendUvarint(nil, uint64(len(defs)))
	for _, d := range defs {
		body = append(body, d...)
	}
	w.raw(id, body)
}

func (w *wrapper) raw(id byte, body []byte) {
	w.out = append(binary.AppendUvarint(append(w.out, id), uint64(len(body))), body...)
}

// join joins bytes, numbers, names and encoded parts.
func join(parts ...any) (out []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case byte:
			out = append(out, p)
		case int:
			out = append(out, byte(p))
		case uint32:
			out = binary.AppendUvarint(out, uint64(p))
		case string:
			out = append(binary.AppendUvarint(out, uint64(len(p))), p...)
		case []byte:
			out = append(out, p...)
		case [][]byte:
			out = binary.AppendUvarint(out, uint64(len(p)))
			for _, e := range p {
				out = append(out, e...)
			}
		default:
			panic(fmt.Sprintf("a part of type %T", p))
		}
	}
	return out
}

// named are the types of the contract: each may use those before it.
var named = []struct{ name, spec string }{
	{"component-id", "string"},
	{"request-id", "u64"},
	{"component-error", "variant invalid-message=string unavailable=string failed=string"},
	{"messaging-error", "variant capability-denied=component-id quota-exceeded=string target-not-found=component-id " +
		"queue-full=component-id invalid-argument=string request-not-found unavailable=string"},
	{"health-status", "enum healthy degraded unhealthy"},
	{"log-level", "enum trace debug info warn error"},
	{"call-error", "variant denied=string not-found=string failed=string unavailable=string"},
}

// functions are the contract's functions: parameters, and a result after ->.
var functions = map[string]string{
	abi.SendMessage: "target=component-id message=bytes -> result:_:messaging-error", abi.SendRequest: "target=component-id request=bytes timeout-ms=u64 -> result:request-id:messaging-error",
	abi.CancelRequest: "request-id=request-id -> result:_:messaging-error", abi.SelfID: "-> component-id", abi.Log: "level=log-level message=string", abi.CurrentTime: "-> u64",
	abi.After: "milliseconds=u64 payload=bytes -> result:u64:messaging-error", abi.CancelTimer: "timer=u64 -> bool",
	abi.Call: "name=string argument=bytes -> result:bytes:call-error", abi.Publish: "topic=string message=bytes -> result:_:messaging-error",

	abi.HandleMessage: "sender=component-id message=bytes -> result:bytes:component-error", abi.HandleCallback: "request-id=request-id callback-result=result:bytes:string -> result:_:component-error",
	abi.Initialize: "config=pairs -> result:_:component-error", abi.Health: "-> health-status", abi.Shutdown: "",
	abi.Save: "-> result:bytes:component-error", abi.Restore: "state=bytes -> result:_:component-error",
}

// typeScope defines types, for the component or for a type of an instance.
type typeScope struct {
	defs  [][]byte
	next  uint32
	names map[string]uint32
	decl  bool // each definition is a declaration
}

func (s *typeScope) define(def []byte) uint32 {
	if s.decl {
		def = join(1, def)
	}
	s.defs = append(s.defs, def)
	s.next++
	return s.next - 1
}

// prims are the first bytes of primitive types.
var prims = map[string]byte{"string": 0x73, "u64": 0x77, "bool": 0x7f, "u8": 0x7d}

// value returns the encoding of a type of values, which it defines if need be.
func (s *typeScope) value(spec string) []byte {
	if p, ok := prims[spec]; ok {
		return []byte{p}
	}
	if i, ok := s.names[spec]; ok {
		return join(i)
	}
	head, rest, _ := strings.Cut(spec, ":")
	switch head {
	case "bytes":
		return join(s.define(join(0x70, 0x7d)))
	case "pairs":
		pair := s.define(join(0x6f, 2, 0x73, 0x73))
		return join(s.define(join(0x70, pair)))
	case "result":
		ok, err, _ := strings.Cut(rest, ":")
		return join(s.define(join(0x6a, s.optional(ok), s.optional(err))))
	}
	panic("a type " + spec)
}

func (s *typeScope) optional(spec string) []byte {
	if spec == "_" || spec == "" {
		return []byte{0}
	}
	return join(1, s.value(spec))
}

// whole defines a variant, an enum or a primitive type.
func (s *typeScope) whole(spec string) uint32 {
	words := strings.Fields(spec)
	var entries [][]byte
	for _, word := range words[1:] {
		name, typ, _ := strings.Cut(word, "=")
		if words[0] == "enum" {
			entries = append(entries, join(name))
		} else {
			entries = append(entries, join(name, s.optional(typ), 0))
		}
	}
	switch words[0] {
	case "enum":
		return s.define(join(0x6d, entries))
	case "variant":
		return s.define(join(0x71, entries))
	}
	return s.define([]byte{prims[words[0]]})
}

// function defines the type of a function.
func (s *typeScope) function(spec string) uint32 {
	params, result, has := strings.Cut(spec, "->")
	var fields [][]byte
	for _, p := range strings.Fields(params) {
		name, typ, _ := strings.Cut(p, "=")
		fields = append(fields, join(name, s.value(typ)))
	}
	if !has {
		return s.define(join(0x40, fields, 1, 0))
	}
	return s.define(join(0x40, fields, 0, s.value(strings.TrimSpace(result))))
}

// importTypes imports the interface with the contract's types, and takes them from it.
func (w *wrapper) importTypes() {
	s := &typeScope{names: make(map[string]uint32), decl: true}
	for _, t := range named {
		i := s.whole(t.spec)
		s.defs = append(s.defs, join(4, 0, t.name, 3, 0, i))
		s.names[t.name] = s.next
		s.next++
	}
	w.section(7, join(0x42, s.defs))
	w.section(10, join(0, "airhost:core/types@0.1.0", 5, uint32(0)))
	w.nTypes, w.nInstances = 1, 1
	var aliases [][]byte
	for _, t := range named {
		aliases = append(aliases, join(3, 0, uint32(0), t.name))
		w.typeNames[t.name] = w.nTypes
		w.nTypes++
	}
	w.section(6, aliases...)
}

// importInterfaces imports the interfaces of the contract from which main imports.
func (w *wrapper) importInterfaces() {
	for i := range w.main.Imports {
		if of := w.main.Imports[i].Module; of != abi.WASI && w.instances[of] == 0 {
			w.importInterface(of)
		}
	}
}

func (w *wrapper) importInterface(of string) {
	s := &typeScope{names: make(map[string]uint32), decl: true}
	for _, t := range named {
		s.defs = append(s.defs, join(2, 3, 2, 1, w.typeNames[t.name]))
		s.names[t.name] = s.next
		s.next++
	}
	seen := make(map[string]bool)
	for i := range w.main.Imports {
		imp := &w.main.Imports[i]
		name := abi.ImportName(imp.Name)
		if imp.Module != of || seen[name] {
			continue
		}
		seen[name] = true
		f := s.function(functions[name])
		s.defs = append(s.defs, join(4, 0, name, 1, f))
	}
	w.section(7, join(0x42, s.defs))
	w.section(10, join(0, of, 5, w.nTypes))
	w.instances[of] = w.nInstances
	w.nTypes++
	w.nInstances++
}

// exportsOf returns the exported functions that belong to an interface.
func (w *wrapper) exportsOf(of string) (names []string) {
	for _, e := range w.main.Exports {
		if strings.HasPrefix(e.Name, of+"#") {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (w *wrapper) exports(name string) bool {
	return slices.ContainsFunc(w.main.Exports, func(e wasm.Export) bool { return e.Name == name })
}
