package abi_test

import (
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// TestAddEntry: the added function is valid and has a new name, and the rest of the
// module is unchanged. The tests of each engine check the function's behaviour.
func TestAddEntry(t *testing.T) {
	for name, code := range map[string][]byte{"actor": enginetest.ActorWasm().Code, "responder": enginetest.ResponderWasm().Code} {
		m, err := wasm.Parse(code)
		if err != nil {
			t.Fatal(err)
		}
		taken := wasm.Export{Name: "airhost:entry", Kind: wasm.KindMemory}
		m.Exports = append(m.Exports, taken)
		before := *m
		entry, err := abi.AddEntry(m, abi.Phases{})
		if err != nil {
			t.Fatal(err)
		}
		if entry.Name == taken.Name || !slices.ContainsFunc(m.Exports, func(e wasm.Export) bool { return e.Name == entry.Name }) {
			t.Errorf("%s: the entry is exported as %q", name, entry.Name)
		}
		if len(m.Code) <= len(before.Code) || !slices.EqualFunc(before.Exports, m.Exports[:len(before.Exports)], func(a, b wasm.Export) bool { return a == b }) {
			t.Errorf("%s: %d functions became %d; exports %v became %v", name, len(before.Code), len(m.Code), before.Exports, m.Exports)
		}
		if problems := abi.Check(m); len(problems) > 0 {
			t.Errorf("%s: with an entry: %v", name, problems)
		}
		r := wazero.NewRuntime(t.Context())
		defer r.Close(t.Context())
		if _, err := r.CompileModule(t.Context(), m.Encode()); err != nil {
			t.Errorf("%s: with an entry: %v", name, err)
		}
	}
}
