//go:build cgo && (linux || darwin) && (amd64 || arm64)

package fusetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/airhost/airhost/internal/fuse"
	"github.com/airhost/airhost/internal/wasm"
)

// scenario is a graph and its outcome.
type scenario struct {
	modules   []string
	instances []fuse.Instance
	exports   []fuse.Export
	calls     []call
	want      outcome

	linkedOnWasmtimeOnly bool // wazero links it, and does something else
	onWasmtimeOnly       bool // also for the result
}

// of is an instance of a module, with pairs of a module name and an instance.
func of(module int, arguments ...any) fuse.Instance {
	in := fuse.Instance{Module: module}
	for i := 0; i < len(arguments); i += 2 {
		in.Arguments = append(in.Arguments, fuse.Argument{Module: arguments[i].(string), Instance: arguments[i+1].(int)})
	}
	return in
}

// bag is a synthesized instance, of pairs of a name and an item.
func bag(pairs ...any) fuse.Instance {
	return fuse.Instance{Module: fuse.Synthesized, Exports: named(pairs...)}
}

func named(pairs ...any) (all []fuse.Export) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, fuse.Export{Name: pairs[i].(string), Item: pairs[i+1].(fuse.Item)})
	}
	return all
}

func function(instance int, name string) fuse.Item { return fuse.Of(instance, wasm.KindFunc, name) }

// host is a synthesized instance with the host's functions.
func host() fuse.Instance {
	return bag("log", fuse.Host("host", "log", nil), "fail", fuse.Host("host", "fail", &wasm.FuncType{}))
}

func results(of ...string) outcome { return outcome{Results: of} }

func (s *scenario) run(t *testing.T) {
	g := fuse.Graph{Modules: wat(t, s.modules...), Instances: s.instances, Exports: s.exports}
	for name, start := range machines {
		for how, got := range map[string]outcome{
			"linked": linked(start(t), g, s.calls),
			"fused":  fused(t, start(t), g, s.calls),
		} {
			if name == "wazero" && (s.onWasmtimeOnly || s.linkedOnWasmtimeOnly && how == "linked") {
				continue
			}
			if diff := cmp.Diff(s.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, how, diff)
			}
		}
	}
}

func TestFusedDoesWhatLinkedDoes(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, s.run)
	}
}
