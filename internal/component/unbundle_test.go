//go:build cgo

package component

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// coreOf assembles a component and takes its core module.
func coreOf(t *testing.T, text string) (*wasm.Module, error) {
	t.Helper()
	data, err := wasmtime.Wat2Wasm("(component " + text + ")")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.Core()
	if err != nil {
		return nil, err
	}
	// The engine's view of the module: it must be valid as a whole.
	if err := wasmtime.ModuleValidate(wasmtime.NewEngine(), m.Encode()); err != nil {
		t.Errorf("the core module is not valid: %v", err)
	}
	return m, nil
}

// names lists imports and exports.
func names(m *wasm.Module) (names []string) {
	for _, i := range m.Imports {
		names = append(names, "<"+i.Module+" "+i.Name)
	}
	for _, e := range m.Exports {
		names = append(names, ">"+e.Name)
	}
	slices.Sort(names)
	return names
}

// streams imports two interfaces, of which the second uses a resource of the first.
const streams = `
	(import "wasi:io/streams@0.2.3" (instance $streams
		(export "output-stream" (type $o (sub resource)))
		(export "[method]output-stream.flush" (func (param "self" (borrow $o))))))
	(alias export $streams "output-stream" (type $output))
	(import "wasi:cli/stdout@0.2.1" (instance $stdout
		(alias outer 1 $output (type $o))
		(export "output-stream" (type $o2 (eq $o)))
		(export "get-stdout" (func (result (own $o2))))))
	(alias export $stdout "output-stream" (type $used))
	(alias export $stdout "get-stdout" (func $get))
	(alias export $streams "[method]output-stream.flush" (func $flush))
	(core func $drop (canon resource.drop $used))
	(core func $lowered (canon lower (func $get)))
	(core func $flushed (canon lower (func $flush)))`

// TestNames: imports and exports have the component's names, whatever names the core
// modules have for them, and the interface of a resource is the one that has it first.
func TestNames(t *testing.T) {
	m, err := coreOf(t, streams+`
		(core module $main
			(import "a" "x" (func (param i32)))
			(import "a" "y" (func (result i32)))
			(import "a" "z" (func (param i32)))
			(memory (export "mem") 1)
			(func (export "alloc") (param i32 i32 i32 i32) (result i32) unreachable)
			(func (export "echo") (param i32 i32) (result i32) unreachable)
			(func (export "echo-post") (param i32))
			(func (export "flat") (result i32) i32.const 7)
			(func (export "flat-post") (param i32))
			(func (export "go"))
			(func (export "_initialize") unreachable)
			(func (export "unused")))
		(core instance $i (instantiate $main (with "a" (instance
			(export "x" (func $drop)) (export "y" (func $lowered)) (export "z" (func $flushed))))))
		(core module $starter (import "" "" (func)) (start 0))
		(core instance (instantiate $starter (with "" (instance (export "" (func $i "go"))))))
		(alias core export $i "mem" (core memory $mem))
		(func $echo (param "s" string) (result string) (canon lift (core func $i "echo")
			(memory $mem) (realloc (func $i "alloc")) (post-return (func $i "echo-post"))))
		(func $flat (result u32) (canon lift (core func $i "flat") (post-return (func $i "flat-post"))))
		(instance $out (export "echo" (func $echo)) (export "flat" (func $flat)))
		(export "airhost:x/y@0.1.4" (instance $out))
		(export "alone" (func $flat))`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"<wasi:cli/stdout@0.2.1 get-stdout", "<wasi:io/streams@0.2.3 [method]output-stream.flush", "<wasi:io/streams@0.2.3 [resource-drop]output-stream",
		">_initialize", ">airhost:x/y@0.1.4#echo", ">airhost:x/y@0.1.4#flat", ">alone", ">cabi_post_airhost:x/y@0.1.4#echo", ">cabi_realloc", ">memory",
	}
	if got := names(m); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	start := m.Exports[slices.IndexFunc(m.Exports, func(e wasm.Export) bool { return e.Name == abi.Start })]
	if start.Index != 8 { // go, after three imports
		t.Errorf("_initialize is function %d, want the one that the component calls", start.Index)
	}
	flat := m.Exports[slices.IndexFunc(m.Exports, func(e wasm.Export) bool { return strings.HasSuffix(e.Name, "#flat") })]
	if defined := len(m.Functions) - 2; int(flat.Index) < 3+defined {
		t.Errorf("#flat is function %d: want a new one, that calls the post-return", flat.Index)
	}
}

// shimmed is a component with a shim and a fix-up around a core module. %[1]s is the code of
// the shim, %[2]s the type of the table's place, %[3]s the fix-up.
const shimmed = `
	(import "log" (func $log (param "s" string)))
	(core module $shim
		(type $t (func (param i32 i32)))
		(table (export "$imports") 2 2 funcref)
		(func (export "0") (param i32 i32) %s))
	(core instance $s (instantiate $shim))
	(core module $main
		(import "$root" "log" (func (param i32 i32)))
		(memory (export "memory") 1))
	(core instance $i (instantiate $main (with "$root" (instance (export "log" (func $s "0"))))))
	(alias core export $i "memory" (core memory $mem))
	(core func $lowered (canon lower (func $log) (memory $mem)))
	(alias core export $s "$imports" (core table $table))
	(core module $fixup
		(import "" "t" (table 1 funcref))
		(import "" "f" (func (param i32 i32)))
		%s)
	(core instance (instantiate $fixup (with "" (instance (export "t" (table $table)) (export "f" (func $lowered))))))`

// TestShim: a function behind a shim is that of the host, if the shim does nothing but
// call it, and the fix-up nothing but fill the table. Otherwise the modules stay together.
func TestShim(t *testing.T) {
	const call, fill = "local.get 0 local.get 1 i32.const 1 call_indirect (type $t)", "(elem (i32.const 1) func 0)"
	for what, c := range map[string]struct {
		shim, fixup string
		want        bool // one core module
	}{
		"as it should be":         {call, fill, true},
		"another order":           {"local.get 1 local.get 0 i32.const 1 call_indirect (type $t)", fill, false},
		"another place":           {"local.get 0 local.get 1 i32.const 0 call_indirect (type $t)", fill, false},
		"one thing more":          {"nop " + call, fill, false},
		"something after":         {call + " nop", fill, false},
		"filled from a global":    {call, "(global i32 (i32.const 1)) (elem (offset i32.const 1) func 0)", false},
		"a function of its own":   {call, "(func (param i32 i32)) (elem (i32.const 1) func 1)", false},
		"a fix-up with an export": {call, fill + ` (export "x" (func 0))`, false},
	} {
		data, err := wasmtime.Wat2Wasm("(component " + fmt.Sprintf(shimmed, c.shim, c.fixup) + ")")
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		b, err := Open(data)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		l, err := link(b.Component, len(data))
		if err != nil {
			t.Fatal(err)
		}
		m, err := newBundle(l).unbundle()
		var shape *ShapeError
		switch {
		case c.want && err != nil:
			t.Errorf("%s: %v", what, err)
		case c.want:
			if got := names(m); !slices.Contains(got, "<$root log") {
				t.Errorf("%s: %q", what, got)
			}
		case !errors.As(err, &shape):
			t.Errorf("%s: %v, want a ShapeError", what, err)
		}
	}
}

// TestRefused: components that the host can't run are refused with the reason.
func TestRefused(t *testing.T) {
	const guest = `(core module $main (memory (export "mem") 1)
		(func (export "alloc") (param i32 i32 i32 i32) (result i32) unreachable)
		(func (export "alloc2") (param i32 i32 i32 i32) (result i32) unreachable)
		(func (export "f") (param i32 i32)))
		(core instance $i (instantiate $main)) (core instance $j (instantiate $main))
		(alias core export $i "mem" (core memory $mem)) (alias core export $j "mem" (core memory $other))
		(alias core export $i "alloc" (core func $alloc)) (alias core export $j "alloc" (core func $alloc2))`
	lift := func(options string) string {
		return `(func (param "s" string) (canon lift (core func $i "f") ` + options + "))"
	}
	for text, want := range map[string]string{
		guest + lift("string-encoding=utf16 (memory $mem) (realloc $alloc)") + `(export "f" (func 0))`: "the component uses strings in utf16, which are not supported: build with strings in UTF-8",
		guest + lift("(memory $mem) (realloc $alloc)") + lift("(memory $other) (realloc $alloc)") +
			`(export "f" (func 0)) (export "g" (func 1))`: "the component uses exports in two memories, which are not supported",
		guest + lift("(memory $mem) (realloc $alloc)") + lift("(memory $mem) (realloc $alloc2)") +
			`(export "f" (func 0)) (export "g" (func 1))`: "the component uses exports with two functions that allocate, which are not supported",
		`(import "c" (component))`:                                     "the component uses imports of a component, which are not supported: link it into the component",
		`(core type $t (module)) (import "m" (core module (type $t)))`: "the component uses imports of a core module, which are not supported: link it into the component",
		"": "the component is not one core module with what wit-component puts around it: it has 0 core modules of its own",
	} {
		if _, err := coreOf(t, text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestTraps: built-in functions that the host does not have, and those of resources of the
// component itself, are no imports of the core module.
func TestTraps(t *testing.T) {
	m, err := coreOf(t, `
		(type $r (resource (rep i32)))
		(core func $new (canon resource.new $r))
		(core func $wait (canon waitable-set.new))
		(core module $main
			(import "a" "new" (func (param i32) (result i32)))
			(import "a" "wait" (func (result i32)))
			(memory (export "mem") 1)
			(func (export "f") (result i32) (call 0 (call 1))))
		(core instance $i (instantiate $main (with "a" (instance (export "new" (func $new)) (export "wait" (func $wait))))))
		(func (result u32) (canon lift (core func $i "f")))
		(export "f" (func 0))`)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(m); !slices.Equal(got, []string{">f"}) {
		t.Errorf("got %q", got)
	}
}

// TestInstantiations: a component that makes very many instances is refused.
func TestInstantiations(t *testing.T) {
	text := `(component $c0 (core module $m) (core instance (instantiate $m)))`
	for i := range 20 {
		text = fmt.Sprintf(`(component $c%d %s (instance (instantiate $c%d)) (instance (instantiate $c%d)))`, i+1, text, i, i)
	}
	var limit *LimitError
	if _, err := coreOf(t, text+" (instance (instantiate $c20))"); !errors.As(err, &limit) {
		t.Errorf("2^20 instances: %v, want a LimitError", err)
	}
}
