package fusetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/fuse"
	"github.com/airhost/airhost/internal/wasm"
)

// outcome is all that can be seen of instances.
type outcome struct {
	Failed  bool     // while they were made
	Log     []int32  // the arguments of calls of the host's function log
	Results []string // of the calls
}

// call is a call of an export of the result.
type call struct {
	export    string
	arguments []uint64
}

func do(export string, arguments ...uint64) call { return call{export, arguments} }

// machine is an engine with instances that import from each other by name. It has an
// instance "host" with the functions log (i32) -> () and fail () -> (), which panics.
type machine interface {
	instantiate(name string, module []byte) error
	call(instance, export string, arguments []uint64) ([]uint64, error)
	logged() []int32
}

// place is where an item is: an export of a named instance.
type place struct{ instance, export string }

// linker makes the instances of a graph on a machine. It changes nothing of the modules
// but the names of their imports.
type linker struct {
	graph fuse.Graph
	on    machine
	traps int
}

func instanceName(i int) string { return fmt.Sprintf("instance-%d", i) }

// find returns the place of an item. typ is the type that the importer expects.
func (l *linker) find(item fuse.Item, typ wasm.FuncType) (place, error) {
	switch item.Source {
	case fuse.SourceHost:
		return place{item.Module, item.Name}, nil
	case fuse.SourceTrap:
		l.traps++
		name := fmt.Sprintf("trap-%d", l.traps)
		m := wasm.Module{Types: []wasm.FuncType{typ}, Functions: []uint32{0}, Code: []wasm.Code{{Expr: []byte{0, 0x0b}}},
			Exports: []wasm.Export{{Name: "f"}}}
		return place{name, "f"}, l.on.instantiate(name, m.Encode())
	}
	return l.export(item.Instance, item.Name, typ)
}

// export returns the place of an export of an instance.
func (l *linker) export(instance int, name string, typ wasm.FuncType) (place, error) {
	from := &l.graph.Instances[instance]
	if from.Module != fuse.Synthesized {
		return place{instanceName(instance), name}, nil
	}
	i := slices.IndexFunc(from.Exports, func(e fuse.Export) bool { return e.Name == name })
	if i < 0 {
		return place{}, fmt.Errorf("instance %d has no export %q", instance, name)
	}
	return l.find(from.Exports[i].Item, typ)
}

// instantiate makes an instance of a module.
func (l *linker) instantiate(i int) error {
	in := &l.graph.Instances[i]
	if in.Module == fuse.Synthesized {
		return nil
	}
	m, err := wasm.Parse(l.graph.Modules[in.Module])
	if err != nil {
		return err
	}
	for j := range m.Imports {
		to := &m.Imports[j]
		a := slices.IndexFunc(in.Arguments, func(a fuse.Argument) bool { return a.Module == to.Module })
		if a < 0 {
			return fmt.Errorf("instance %d has no argument %q", i, to.Module)
		}
		typ := wasm.FuncType{}
		if to.Kind == wasm.KindFunc {
			typ = m.Types[to.Type]
		}
		p, err := l.export(in.Arguments[a].Instance, to.Name, typ)
		if err != nil {
			return err
		}
		to.Module, to.Name = p.instance, p.export
	}
	return l.on.instantiate(instanceName(i), m.Encode())
}

// linked returns the outcome of a graph when the engine links its instances.
func linked(on machine, g fuse.Graph, calls []call) (out outcome) {
	l := &linker{graph: g, on: on}
	for i := range g.Instances {
		if err := l.instantiate(i); err != nil {
			return outcome{Failed: true, Log: on.logged()}
		}
	}
	for _, c := range calls {
		i := slices.IndexFunc(g.Exports, func(e fuse.Export) bool { return e.Name == c.export })
		p, err := l.find(g.Exports[i].Item, wasm.FuncType{})
		if err != nil {
			panic(err)
		}
		out.Results = append(out.Results, result(on.call(p.instance, p.export, c.arguments)))
	}
	out.Log = on.logged()
	return out
}

// fused returns the outcome of the module that Fuse makes of a graph.
func fused(t testing.TB, on machine, g fuse.Graph, calls []call) (out outcome) {
	t.Helper()
	m, err := fuse.Fuse(g)
	if err != nil {
		t.Fatal("fuse:", err)
	}
	if _, err := wasm.Parse(m.Encode()); err != nil {
		t.Fatal("parse the fused module:", err)
	}
	if err := on.instantiate("fused", m.Encode()); err != nil {
		if strings.HasPrefix(err.Error(), "invalid:") {
			t.Fatal("the fused module is not valid:", err)
		}
		return outcome{Failed: true, Log: on.logged()}
	}
	for _, c := range calls {
		out.Results = append(out.Results, result(on.call("fused", c.export, c.arguments)))
	}
	out.Log = on.logged()
	return out
}

func result(values []uint64, err error) string {
	if err != nil {
		return "trap"
	}
	return fmt.Sprint(values)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
