package fusetest

import (
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/fuse"
	"github.com/airhost/airhost/internal/wasm"
)

// exportAll exports all that the instances of a graph do, so that all of them matter. It
// returns false if an instance exports nothing, or nothing that can be read.
func exportAll(g *fuse.Graph) bool {
	for i := range g.Instances {
		in := &g.Instances[i]
		if in.Module == fuse.Synthesized {
			continue
		}
		if in.Module < 0 || in.Module >= len(g.Modules) {
			return false
		}
		m, err := wasm.Parse(g.Modules[in.Module])
		if err != nil || len(m.Exports) == 0 {
			return false
		}
		for j, e := range m.Exports {
			g.Exports = append(g.Exports, fuse.Export{Name: fmt.Sprint(i, "-", j), Item: fuse.Of(i, e.Kind, e.Name)})
		}
	}
	return true
}

// TestFusedIsValidIfItsPartsAre: a fused module is valid if the modules of all its
// instances are, and only then. Else code that no engine takes could run as part of a
// larger module, such as code that uses a memory which its module does not have.
func TestFusedIsValidIfItsPartsAre(t *testing.T) {
	runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
	defer runtime.Close(t.Context())
	compile := func(module []byte) error {
		compiled, err := runtime.CompileModule(t.Context(), module)
		if err == nil {
			compiled.Close(t.Context())
		}
		return err
	}
	valid, invalid, graphs := 0, 0, rounds(2000)
	for seed := range uint64(graphs) {
		g := damaged(seed, 1)
		if !exportAll(&g) {
			continue
		}
		m, err := fuse.Fuse(g)
		if err != nil {
			continue // its test is TestDamagedGraphs
		}
		var part error
		for _, in := range g.Instances {
			if in.Module != fuse.Synthesized && part == nil {
				part = compile(g.Modules[in.Module])
			}
		}
		whole := compile(m.Encode())
		if (part == nil) != (whole == nil) {
			t.Errorf("seed %d: fused: %v; a module by itself: %v", seed, whole, part)
		}
		if valid++; whole != nil {
			valid, invalid = valid-1, invalid+1
		}
	}
	t.Logf("%d are valid and %d are not", valid, invalid)
	if valid < graphs/40 || invalid < graphs/40 {
		t.Error("the graphs are not of both sorts")
	}
}
