package metertest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// FuzzInstrument checks that wazero compiles the same modules before and after Instrument,
// except those that Instrument refuses.
func FuzzInstrument(f *testing.F) {
	files, err := filepath.Glob("../testdata/*.wasm")
	if err != nil || len(files) == 0 {
		f.Fatalf("../testdata/*.wasm: got %d files, %v", len(files), err)
	}
	for _, file := range files {
		f.Add(read(f, file), false, false)
		f.Add(read(f, file), true, true)
	}
	ctx := context.Background()
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features)
	f.Fuzz(func(t *testing.T, bin []byte, fuel, stack bool) {
		m, err := wasm.Parse(bin)
		if err != nil || manyLocals(m) {
			return
		}
		res, err := meter.Instrument(m, meter.Config{Fuel: fuel, Stack: stack})
		if err != nil {
			return
		}
		rt := wazero.NewRuntimeWithConfig(ctx, config)
		defer rt.Close(ctx)
		_, plain := rt.CompileModule(ctx, bin)
		_, got := rt.CompileModule(ctx, res.Module.Encode())
		if plain == nil && got != nil {
			t.Errorf("instrumented module: got %v, want it to compile as the plain one does", got)
		}
		m.Customs = nil // Instrument drops malformed ones
		if _, plain = rt.CompileModule(ctx, m.Encode()); plain != nil && got == nil {
			t.Errorf("plain module: got %v, want it to compile as the instrumented one does", plain)
		}
	})
}

// manyLocals reports whether wazero would allocate much memory for m's locals.
func manyLocals(m *wasm.Module) bool {
	for i := range m.Code {
		if m.Code[i].Locals > 50_000 {
			return true
		}
	}
	return false
}
