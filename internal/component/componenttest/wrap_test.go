package componenttest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/component"
	"github.com/airhost/airhost/internal/component/componenttest"
	"github.com/airhost/airhost/internal/wasm"
)

// TestInfo: a component tells people its interfaces, its functions in WIT, and its shape.
func TestInfo(t *testing.T) {
	b, err := component.Open(componenttest.Wrap(enginetest.ActorWasm().Code))
	if err != nil {
		t.Fatal(err)
	}
	i := b.Info()
	functions := make(map[string]string)
	for _, item := range append(i.Imports, i.Exports...) {
		functions[item.Name] = item.Kind + " "
		for _, f := range item.Functions {
			functions[item.Name] += f.Name + ": " + f.Type() + "; "
		}
	}
	for name, want := range map[string]string{
		"airhost:core/host-services@0.1.0":        "send-request: func(target: component-id, request: list<u8>, timeout-ms: u64) -> result<request-id, messaging-error>",
		"airhost:core/component-lifecycle@0.1.0":  "handle-message: func(sender: component-id, message: list<u8>) -> result<list<u8>, component-error>",
		"airhost:core/component-management@0.1.0": "instance health: func() -> health-status; initialize: func(config: list<tuple<string, string>>) -> result<_, component-error>; shutdown: func()",
	} {
		if !strings.Contains(functions[name], want) {
			t.Errorf("%s: %q, want %q", name, functions[name], want)
		}
	}
	if want := "one core module"; i.Shape != want {
		t.Errorf("shape: %q, want %q", i.Shape, want)
	}
	if i.CoreModules != 3 || i.Components != 1 || i.CoreInstances < 5 {
		t.Errorf("%d core modules, %d components, %d core instances", i.CoreModules, i.Components, i.CoreInstances)
	}
}

// TestAdapter: what the core module gets from an adapter of WASI preview 1 is the host's, by
// the name without a version.
func TestAdapter(t *testing.T) {
	m, err := wasm.Parse(enginetest.ResponderWasm().Code)
	if err != nil {
		t.Fatal(err)
	}
	four := wasm.FuncType{Params: []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32}, Results: []wasm.ValueType{wasm.I32}}
	m.Types = append(m.Types, four)
	for _, name := range []string{"fd_write", "fd_write [v2]", "fd_read"} {
		m.AddFuncImport(abi.WASI, name, uint32(len(m.Types)-1))
	}
	b, err := component.Open(componenttest.Wrap(m.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if want := "one core module, and an adapter of WASI preview 1, which the host does not need"; b.Info().Shape != want {
		t.Errorf("shape: %q, want %q", b.Info().Shape, want)
	}
	got, err := b.Core()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range got.Imports {
		if i.Module == abi.WASI {
			names = append(names, i.Name)
		}
	}
	if !slices.Equal(names, []string{"fd_write", "fd_write", "fd_read"}) {
		t.Errorf("imports %q", names)
	}
}

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
