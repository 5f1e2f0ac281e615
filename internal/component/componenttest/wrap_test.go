package componenttest_test

import (
	"testing"

	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/component"
	"github.com/airhost/airhost/internal/component/componenttest"
	"github.com/airhost/airhost/internal/wasm"
)

// TestWrap: the component around a guest is valid, and its core module is the guest's,
// with the same imports and the exports that the contract has.
func TestWrap(t *testing.T) {
	for name, guest := range map[string][]byte{"actor": enginetest.ActorWasm().Code, "responder": enginetest.ResponderWasm().Code} {
		core, err := component.Core(componenttest.Wrap(guest))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := wasm.Parse(core)
		if err != nil {
			t.Fatal(err)
		}
		if problems := abi.Check(got); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		want, _ := wasm.Parse(guest)
		if len(got.Imports) != len(want.Imports) {
			t.Errorf("%s: %d imports, want %d", name, len(got.Imports), len(want.Imports))
		}
		for i := range got.Imports {
			g, w := got.Imports[i], want.Imports[i]
			if g.Module != abi.ModuleName(w.Module) || abi.ImportName(g.Name) != abi.ImportName(w.Name) {
				t.Errorf("%s: import %s %s, want %s %s", name, g.Module, g.Name, w.Module, w.Name)
			}
		}
	}
}
