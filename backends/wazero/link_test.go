package wazero

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

// TestWASI2IsLinkedWhenUsed: an engine makes the modules of WASI 0.2 for the first guest
// that imports from them, also if several guests are compiled at once.
func TestWASI2IsLinkedWhenUsed(t *testing.T) {
	code, err := os.ReadFile("../../core/enginetest/testdata/wasi2.wasm")
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	compile := func(src core.Source) {
		c, err := e.Compile(t.Context(), src, core.Limits{})
		if err != nil {
			t.Error(err)
			return
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if compile(enginetest.ActorWasm()); len(e.linked) > 0 {
		t.Errorf("modules for a guest without WASI 0.2: %v", e.linked)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			compile(core.Source{Code: append(code[:len(code):len(code)], 0, 3, 1, 'x', byte(i))}) // a custom section of its own
		})
	}
	if all.Wait(); len(e.linked) < 10 || e.linked["wasi:http/incoming-handler@0.2.0"] || !e.linked["wasi:io/poll@0.2.0"] {
		t.Errorf("got the modules %v", e.linked)
	}
}

// BenchmarkLinkWASI2 compiles a guest that imports much of WASI 0.2 on a new engine.
func BenchmarkLinkWASI2(b *testing.B) {
	code, err := os.ReadFile("../../core/enginetest/testdata/wasi2.wasm")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := New(Config{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.Compile(b.Context(), core.Source{Code: code}, core.Limits{}); err != nil {
			b.Fatal(err)
		}
		_ = e.Close(b.Context())
	}
}
