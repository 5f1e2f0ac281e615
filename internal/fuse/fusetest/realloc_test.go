//go:build cgo && (linux || darwin) && (amd64 || arm64)

package fusetest

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/internal/fuse"
)

// TestEachFunctionAllocatesByItsOwn: the host calls one export to allocate memory, and
// gets there by the allocating function with which its own function is lowered.
func TestEachFunctionAllocatesByItsOwn(t *testing.T) {
	const allocates = `(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.add (local.get 3) (i32.const `
	modules := wat(t, allocates+`1000)))`, allocates+`2000)))`,
		`(import "h" "c" (func $ask (param i32) (result i32))) (func (export "realloc") (param i32 i32 i32 i32) (result i32)
		   (drop (call $ask (i32.const 1))) (i32.add (local.get 3) (i32.const 3000)))`,
		`(import "h" "a" (func $a (param i32) (result i32))) (import "h" "b" (func $b (param i32) (result i32))) (import "h" "c" (func $c (param i32) (result i32)))
		 (func (export "a") (result i32) (call $a (i32.const 1))) (func (export "b") (result i32) (call $b (i32.const 2)))
		 (func (export "c") (result i32) (call $c (i32.const 3)))`)
	lowered := func(instance int) fuse.Item {
		item, realloc := fuse.Host("h", "ask", nil), function(instance, "realloc")
		item.Realloc = &realloc
		return item
	}
	g := fuse.Graph{
		Modules: modules, Realloc: "cabi_realloc",
		Instances: []fuse.Instance{of(0), of(1), bag("c", lowered(1)), of(2, "h", 2), bag("a", lowered(0), "b", lowered(3), "c", lowered(1)), of(3, "h", 4)},
		Exports:   named("cabi_realloc", function(0, "realloc"), "a", function(5, "a"), "b", function(5, "b"), "c", function(5, "c")),
	}
	m, err := fuse.Fuse(g)
	must(t, err)
	if len(m.Imports) != 1 {
		t.Errorf("got %d imports, want one", len(m.Imports))
	}
	ctx, runtime := t.Context(), wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(context.Background())
	ask := func(ctx context.Context, guest api.Module, n int32) int32 {
		var got []uint64
		for range 2 { // each time by the same function, also if that calls the host
			if got, err = guest.ExportedFunction("cabi_realloc").Call(ctx, 0, 0, 1, uint64(n)); err != nil {
				panic(err)
			}
		}
		return int32(got[0])
	}
	_, err = runtime.NewHostModuleBuilder("h").NewFunctionBuilder().WithFunc(ask).Export("ask").Instantiate(ctx)
	must(t, err)
	guest, err := runtime.Instantiate(ctx, m.Encode())
	must(t, err)
	for name, want := range map[string]uint64{"a": 1001, "b": 3002, "c": 2003} {
		if got, err := guest.ExportedFunction(name).Call(ctx); err != nil || got[0] != want {
			t.Errorf("%s: got %v, %v, want %d", name, got, err, want)
		}
	}
	if got, err := guest.ExportedFunction("cabi_realloc").Call(ctx, 0, 0, 1, 5); err != nil || got[0] != 1005 {
		t.Errorf("outside of calls: got %v, %v, want 1005", got, err)
	}
	// With one allocating function there is nothing to add.
	for i := range g.Instances {
		for j := range g.Instances[i].Exports {
			g.Instances[i].Exports[j].Item = lowered(0)
		}
	}
	m, err = fuse.Fuse(g)
	must(t, err)
	if got, want := len(m.Functions), 4; got != want || len(m.Globals) != 0 {
		t.Errorf("got %d functions and %d globals, want %d and none", got, len(m.Globals), want)
	}
}
