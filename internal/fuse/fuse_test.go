package fuse

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/wasm"
)

var (
	i32  = wasm.FuncType{Params: []wasm.ValueType{wasm.I32}}
	void = wasm.FuncType{}
	end  = []byte{0x0b}
)

// imported returns a module with one import.
func imported(i wasm.Import) []byte {
	i.Module, i.Name = "env", "x"
	m := wasm.Module{Types: []wasm.FuncType{void, i32}, Imports: []wasm.Import{i}}
	return m.Encode()
}

// exporter returns a module that exports one thing of each kind.
func exporter(change ...func(*wasm.Module)) []byte {
	m := wasm.Module{
		Types: []wasm.FuncType{i32}, Functions: []uint32{0}, Code: []wasm.Code{{Expr: end}},
		Tables:   []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 2, Max: 4, HasMax: true}}},
		Memories: []wasm.Limits{{Min: 1}},
		Globals:  []wasm.Global{{Type: wasm.GlobalType{Value: wasm.I32}, Init: []byte{0x41, 7, 0x0b}}},
		Exports:  []wasm.Export{{Name: "f"}, {Name: "t", Kind: wasm.KindTable}, {Name: "m", Kind: wasm.KindMemory}, {Name: "g", Kind: wasm.KindGlobal}},
	}
	for _, c := range change {
		c(&m)
	}
	return m.Encode()
}

// using is a graph in which a module's only import is an export of exporter.
func using(name string, kind wasm.Kind, i wasm.Import) Graph {
	return Graph{
		Modules: [][]byte{exporter(), imported(i)},
		Instances: []Instance{
			{Name: "lib", Module: 0},
			{Module: Synthesized, Exports: []Export{{Name: "x", Item: Of(0, kind, name)}}},
			{Name: "main", Module: 1, Arguments: []Argument{{Module: "env", Instance: 1}}},
		},
	}
}

// body returns a module with one function () -> () that is exported as f.
func body(code ...byte) []byte {
	m := wasm.Module{Types: []wasm.FuncType{void}, Functions: []uint32{0}, Code: []wasm.Code{{Expr: append(code, 0x0b)}}, Exports: []wasm.Export{{Name: "f"}}}
	return m.Encode()
}

// alone is a graph of one instance, which exports f.
func alone(module []byte) Graph {
	return Graph{Modules: [][]byte{module}, Instances: []Instance{{Name: "only"}}, Exports: []Export{{Name: "f", Item: Of(0, wasm.KindFunc, "f")}}}
}

func TestWhatDoesNotFitIsRefusedByName(t *testing.T) {
	table := func(elem wasm.ValueType, l wasm.Limits) wasm.Import {
		return wasm.Import{Kind: wasm.KindTable, Table: wasm.Table{Elem: elem, Limits: l}}
	}
	memory := func(l wasm.Limits) wasm.Import { return wasm.Import{Kind: wasm.KindMemory, Memory: l} }
	global := func(v wasm.ValueType, mutable bool) wasm.Import {
		return wasm.Import{Kind: wasm.KindGlobal, Global: wasm.GlobalType{Value: v, Mutable: mutable}}
	}
	const where = `core instance 2 ("main"): import "env" "x": `
	for _, c := range []struct {
		name string
		kind wasm.Kind
		from string
		i    wasm.Import
		want string // "" for none
	}{
		{"a function", wasm.KindFunc, "f", wasm.Import{Type: 1}, ""},
		{"another type", wasm.KindFunc, "f", wasm.Import{Type: 0}, "expected the type () -> (), got (i32) -> () of core instance 1"},
		{"another kind", wasm.KindTable, "t", wasm.Import{Type: 0}, "expected a func, got a table of core instance 1"},
		{"a table", wasm.KindTable, "t", table(wasm.FuncRef, wasm.Limits{Min: 2, Max: 4, HasMax: true}), ""},
		{"a table's elements", wasm.KindTable, "t", table(wasm.ExternRef, wasm.Limits{}), "expected a table of externref, got one of funcref"},
		{"a small table", wasm.KindTable, "t", table(wasm.FuncRef, wasm.Limits{Min: 3}), "expected at least 3 elements, got 2"},
		{"a large table", wasm.KindTable, "t", table(wasm.FuncRef, wasm.Limits{Max: 3, HasMax: true}), "expected at most 3 elements, got 4"},
		{"a memory", wasm.KindMemory, "m", memory(wasm.Limits{Min: 1}), ""},
		{"a small memory", wasm.KindMemory, "m", memory(wasm.Limits{Min: 2}), "expected at least 2 pages, got 1"},
		{"a memory without end", wasm.KindMemory, "m", memory(wasm.Limits{Max: 9, HasMax: true}), "expected at most 9 pages, got no maximum"},
		{"a global", wasm.KindGlobal, "g", global(wasm.I32, false), ""},
		{"a global's type", wasm.KindGlobal, "g", global(wasm.I64, false), "expected a global of type i64, got i32"},
		{"a mutable global", wasm.KindGlobal, "g", global(wasm.I32, true), "expected a global of type mutable i32, got i32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Fuse(using(c.from, c.kind, c.i))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), where+c.want)) {
				t.Errorf("got %v, want %s", err, where+c.want)
			}
		})
	}
}

// graphWith returns a good graph with a change.
func graphWith(change func(*Graph)) Graph {
	g := using("f", wasm.KindFunc, wasm.Import{Type: 1})
	g.Exports = []Export{{Name: "f", Item: Of(0, wasm.KindFunc, "f")}}
	change(&g)
	return g
}

// lowered changes a graph so that a function of the host is imported.
func lowered(change func(*Item)) func(*Graph) {
	return func(g *Graph) {
		item := Host("h", "x", nil)
		change(&item)
		g.Instances[1].Exports[0].Item = item
	}
}

func TestWrongGraphsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		g    Graph
		want string
	}{
		{"no such module", graphWith(func(g *Graph) { g.Instances[0].Module = 2 }), `core instance 0 ("lib"): expected a core module below 2, got 2`},
		{"negative module", graphWith(func(g *Graph) { g.Instances[0].Module = -2 }), "expected a core module below 2, got -2"},
		{"itself", graphWith(func(g *Graph) { g.Instances[2].Arguments[0].Instance = 2 }), `core instance 2 ("main"): imports from "env": expected an earlier core instance, below 2, got 2`},
		{"a later instance", graphWith(func(g *Graph) { g.Instances[1].Exports[0].Item.Instance = 2 }), `core instance 1: export "x": expected an earlier core instance, below 1, got 2`},
		{"no argument", graphWith(func(g *Graph) { g.Instances[2].Arguments = nil }), `import "env" "x": it gets no instance for the module name`},
		{"two arguments", graphWith(func(g *Graph) { g.Instances[2].Arguments = append(g.Instances[2].Arguments, Argument{"env", 0}) }), `it gets two instances for "env"`},
		{"not exported", graphWith(func(g *Graph) { g.Instances[2].Arguments[0].Instance = 0 }), `import "env" "x": core instance 0 ("lib") does not export it`},
		{"not in a list", graphWith(func(g *Graph) { g.Instances[1].Exports[0].Item.Name = "y" }), `core instance 1: export "x": core instance 0 ("lib") has no export "y"`},
		{"another kind in a list", graphWith(func(g *Graph) { g.Instances[1].Exports[0].Item.Name = "m" }), `expected that "m" of core instance 0 ("lib") is a func, got a memory`},
		{"twice in a list", graphWith(func(g *Graph) { g.Instances[1].Exports = append(g.Instances[1].Exports, g.Instances[1].Exports[0]) }), `core instance 1: it has two exports "x"`},
		{"a memory of the host", graphWith(func(g *Graph) {
			g.Instances[1].Exports[0].Item = Item{Source: SourceHost, Kind: wasm.KindMemory}
		}), `expected a func of the host, got a memory`},
		{"no export to allocate by", graphWith(func(g *Graph) { g.Realloc = "g" }), `there is no export "g", by which the host allocates memory`},
		{"another type to allocate by", graphWith(func(g *Graph) { g.Realloc = "f" }), `export "f": expected a function of an instance, of type (i32, i32, i32, i32) -> i32`},
		{"lowered with another type", graphWith(lowered(func(i *Item) { i.Realloc = &Item{Kind: wasm.KindFunc, Name: "f"} })), `import "env" "x": the func with which it is lowered: expected the type (i32, i32, i32, i32) -> i32, got (i32) -> ()`},
		{"lowered with a function as memory", graphWith(lowered(func(i *Item) { i.Memory = &Item{Kind: wasm.KindFunc, Name: "f"} })), "the memory with which it is lowered: expected a memory of an instance"},
		{"lowered with nothing", graphWith(lowered(func(i *Item) { i.Memory = &Item{Kind: wasm.KindMemory, Name: "n"} })), `the memory with which it is lowered: core instance 0 ("lib") has no export "n"`},
		{"two exports", graphWith(func(g *Graph) { g.Exports = append(g.Exports, g.Exports[0]) }), `there are two exports "f"`},
		{"an export without a type", graphWith(func(g *Graph) { g.Exports[0].Item = Host("a", "b", nil) }), `export "f": a function of the host has no type here`},
		{"an export that is not there", graphWith(func(g *Graph) { g.Exports[0].Item.Name = "nothing" }), `export "f": core instance 0 ("lib") has no export "nothing"`},
		{"two exports of a module", alone(exporter(func(m *wasm.Module) { m.Exports[1].Name = "f" })), `core module 0: it has two exports "f"`},
		{"not a module", alone([]byte("hello")), "core instance 0 (\"only\"): core module 0: " + wasm.ErrNotWasm.Error()},
		{"another function's index", alone(body(0x10, 1)), "function index: expected one below 1, got 1"},
		{"another table's index", alone(body(0x41, 0, 0x25, 0, 0x1a)), "table index: expected one below 0, got 0"},
		{"another global's index", alone(body(0x23, 0, 0x1a)), "global index: expected one below 0, got 0"},
		{"another type's index", alone(body(0x02, 1, 0x0b)), "type index: expected one below 1, got 1"},
		{"an element segment's index", alone(body(0xfc, 0x0d, 0)), "element segment index: expected one below 0, got 0"},
		{"a data segment's index", alone(body(0xfc, 0x09, 0)), "data segment index: expected one below 0, got 0"},
		{"the memory of others", alone(body(0x3f, 0, 0x1a)), "expected no instruction for a memory in a module without one"},
		{"a reference that is not declared", alone(exporter(func(m *wasm.Module) {
			m.Functions, m.Code = []uint32{0, 0}, []wasm.Code{{Expr: []byte{0xd2, 1, 0x1a, 0x0b}}, {Expr: end}}
		})), "expected function 1 to be exported or in an element segment, since code refers to it"},
		{"a later global", alone(exporter(func(m *wasm.Module) { m.Globals[0].Init = []byte{0x23, 0, 0x0b} })), "expected an earlier global in a constant expression, got global 0"},
		{"a mutable global", alone(exporter(func(m *wasm.Module) {
			m.Globals = append(m.Globals, wasm.Global{Type: m.Globals[0].Type, Init: []byte{0x23, 0, 0x0b}})
			m.Globals[0].Type.Mutable = true
		})), "expected an immutable global in a constant expression, got global 0"},
		{"a constant of another type", alone(exporter(func(m *wasm.Module) { m.Globals[0].Init = []byte{0x42, 7, 0x0b} })), "global 0: expected a constant expression for one i32"},
		{"an operator without numbers", alone(exporter(func(m *wasm.Module) { m.Globals[0].Init = []byte{0x41, 7, 0x6a, 0x0b} })), "expected two numbers for an operator"},
		{"a count of data segments", alone(exporter(func(m *wasm.Module) { m.DataCount = new(uint32); *m.DataCount = 1 })), "expected 1 data segments, got 0"},
		{"data without a memory", alone(exporter(func(m *wasm.Module) {
			m.Memories, m.Exports, m.Data = nil, m.Exports[:1], wasm.Segments{Count: 1, Raw: []byte{0, 0x41, 0, 0x0b, 1, 'x'}}
		})), "data segment 0: expected a memory of the module, got 0"},
	} {
		if _, err := Fuse(c.g); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestUnsupportedFeaturesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		module []byte
		want   wasm.Feature
	}{
		"tags":         {exporter(func(m *wasm.Module) { m.Tags = []uint32{0} }), wasm.Exceptions},
		"throw":        {body(0x08, 0), wasm.Exceptions},
		"two memories": {exporter(func(m *wasm.Module) { m.Memories = append(m.Memories, wasm.Limits{}) }), wasm.MultiMemory},
	} {
		_, err := Fuse(alone(c.module))
		if got := new(wasm.UnsupportedError); !errors.As(err, &got) || got.Feature != c.want {
			t.Errorf("%s: got %v, want %v", name, err, &wasm.UnsupportedError{Feature: c.want})
		}
	}
}

// usesMemory returns a module with a memory that its function f measures.
func usesMemory() []byte {
	return exporter(func(m *wasm.Module) { m.Code[0].Expr = []byte{0x3f, 0, 0x1a, 0x0b} })
}

func TestTwoMemoriesInUseAreRefused(t *testing.T) {
	g := Graph{
		Modules: [][]byte{usesMemory(), exporter()}, Instances: []Instance{{Name: "a"}, {Name: "b"}},
		Exports: []Export{{Name: "a", Item: Of(0, wasm.KindFunc, "f")}, {Name: "b", Item: Of(1, wasm.KindFunc, "f")}},
	}
	_, err := Fuse(g)
	if want := `core instance 0 ("a") and core instance 1 ("b") have memories of their own: `; !errors.Is(err, ErrMemories) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	g.Instances[1].Module = 1
	m, err := Fuse(g)
	if err != nil || len(m.Memories) != 1 {
		t.Errorf("one of them unused: got %v, want a module with one memory", err)
	}
	g.Exports = append(g.Exports, Export{Name: "memory", Item: Of(1, wasm.KindMemory, "m")})
	if _, err := Fuse(g); !errors.Is(err, ErrMemories) {
		t.Errorf("the other one exported: got %v, want %v", err, ErrMemories)
	}
	g.Exports = g.Exports[1:2]
	memory, kind := Of(0, wasm.KindMemory, "m"), Host("h", "x", &void)
	kind.Memory = &memory
	g.Exports = append(g.Exports, Export{Name: "x", Item: kind}, Export{Name: "memory", Item: Of(1, wasm.KindMemory, "m")})
	if _, err := Fuse(g); !errors.Is(err, ErrMemories) {
		t.Errorf("the host's function with the other one: got %v, want %v", err, ErrMemories)
	}
	g.Exports = slices.Delete(g.Exports, 1, 2)
	if m, err := Fuse(g); err != nil || len(m.Memories) != 1 || len(m.Functions) != 1 {
		t.Errorf("the first one left out: got %v, want a module with one memory and one function", err)
	}
}

func TestLargeGraphsAreRefused(t *testing.T) {
	many := func(n int, module []byte) Graph {
		return Graph{Modules: [][]byte{module}, Instances: make([]Instance, n)}
	}
	functions := exporter(func(m *wasm.Module) {
		m.Functions, m.Code = make([]uint32, 10_000), slices.Repeat(m.Code, 10_000)
	})
	big := exporter(func(m *wasm.Module) { m.Customs = []wasm.Custom{{Name: "x", Data: make([]byte, 1<<20)}} })
	bounded := many(4, big)
	bounded.MaxSize = 3 << 20
	for name, c := range map[string]struct {
		g    Graph
		want string
		most uint64
	}{
		"10,000 instances":   {many(10_000, exporter()), "core instances", MaxInstances},
		"large copies":       {many(100, big), "bytes of the modules of all core instances", leastSize + maxCopies*uint64(len(big))},
		"a bound of its own": {bounded, "bytes of the modules of all core instances", 3 << 20},
		"many parts":         {many(6, functions), "parts of the modules of all core instances", leastCopies + maxCopies*10_007},
	} {
		_, err := Fuse(c.g)
		if got := new(wasm.LimitError); !errors.As(err, &got) || got.Limit != c.want || got.Max != c.most {
			t.Errorf("%s: got %v, want a limit of %d %s", name, err, c.most, c.want)
		}
	}
	for _, g := range []Graph{many(900, exporter()), many(4, big), many(4, functions)} {
		if _, err := Fuse(g); err != nil {
			t.Errorf("%d instances: got %v, want none", len(g.Instances), err)
		}
	}
}

// TestMemoryIsBoundedByTheInput: instances of a small module, and of one with many names,
// do not take more than 64 times the input, and a constant.
func TestMemoryIsBoundedByTheInput(t *testing.T) {
	names := exporter(func(m *wasm.Module) {
		m.Functions, m.Code = make([]uint32, 2000), slices.Repeat(m.Code, 2000)
		var all []wasm.FuncName
		for i := range 2000 {
			all = append(all, wasm.FuncName{Index: uint32(i), Name: "n"})
		}
		m.AddFuncNames(all)
	})
	for _, g := range []Graph{{Modules: [][]byte{body()}}, {Modules: [][]byte{names}}} {
		const instance = 4 // bytes of an instance in a component, at least
		for len(g.Instances) < MaxInstances {
			g.Instances = append(g.Instances, Instance{})
			g.Exports = append(g.Exports, Export{Name: fmt.Sprint(len(g.Exports)), Item: Of(len(g.Exports), wasm.KindFunc, "f")})
		}
		input := len(g.Modules[0]) + len(g.Instances)*instance
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Fuse(g)
		runtime.ReadMemStats(&after)
		got := after.TotalAlloc - before.TotalAlloc
		t.Logf("%d bytes of input, %d instances: %d bytes, %v", input, len(g.Instances), got, err)
		const constant = 8 << 20
		if most := uint64(64*input + constant); got > most {
			t.Errorf("got %d bytes for an input of %d, want at most %d", got, input, most)
		}
	}
}

// TestOneImportForEachFunction: a function that several instances import is imported once
// for each type, and one that none imports is not.
func TestOneImportForEachFunction(t *testing.T) {
	both := wasm.Module{Types: []wasm.FuncType{void, i32}, Imports: []wasm.Import{
		{Module: "env", Name: "x", Type: 0}, {Module: "env", Name: "x", Type: 1}, {Module: "env", Name: "trap", Type: 0},
	}, Functions: []uint32{0}, Code: []wasm.Code{{Expr: []byte{0x10, 0, 0x10, 2, 0x0b}}}, Exports: []wasm.Export{{Name: "f", Index: 3}}}
	in := Instance{Arguments: []Argument{{"env", 0}}}
	g := Graph{Modules: [][]byte{both.Encode()}, Instances: []Instance{
		{Module: Synthesized, Exports: []Export{{"x", Host("h", "x", nil)}, {"y", Host("h", "y", &void)}, {"trap", Trap("later", nil)}}}, in, in,
	}, Exports: []Export{{"f", Of(1, wasm.KindFunc, "f")}, {"g", Of(2, wasm.KindFunc, "f")}}}
	m, err := Fuse(g)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, i := range m.Imports {
		got += fmt.Sprintln(i.Module, i.Name, m.Types[i.Type])
	}
	if want := "h x () -> ()\nh x (i32) -> ()\n"; got != want {
		t.Errorf("imports: got %s, want %s", got, want)
	}
	if len(m.Functions) != 3 {
		t.Errorf("got %d functions, want one for each instance, and one that traps", len(m.Functions))
	}
	if name := m.FuncName(4); name != "later" {
		t.Errorf("the function that traps: got the name %q, want later", name)
	}
}

func TestNamesKeepTheirFunctions(t *testing.T) {
	named := wasm.Module{Types: []wasm.FuncType{void}, Imports: []wasm.Import{{Module: "env", Name: "x"}}, Functions: []uint32{0, 0}, Code: []wasm.Code{{Expr: end}, {Expr: end}},
		Exports: []wasm.Export{{Name: "f", Index: 1}}}
	named.AddFuncNames([]wasm.FuncName{{Index: 2, Name: "second"}, {Index: 1, Name: "first"}, {Index: 0, Name: "import"}, {Index: 9, Name: "nothing"}})
	arguments := []Argument{{"env", 0}}
	g := Graph{Modules: [][]byte{named.Encode()}, Instances: []Instance{
		{Module: Synthesized, Exports: []Export{{"x", Host("h", "x", nil)}}}, {Name: "a", Arguments: arguments}, {Arguments: arguments},
	}, Exports: []Export{{"f", Of(1, wasm.KindFunc, "f")}, {"g", Of(2, wasm.KindFunc, "f")}}}
	m, err := Fuse(g)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"h:x", "a:first", "a:second", "first", "second"} {
		if got := m.FuncName(uint32(i)); got != want {
			t.Errorf("function %d: got the name %q, want %q", i, got, want)
		}
	}
	if data, ok := m.Customs[0].StableNames(); !ok || len(data) == 0 {
		t.Error("the names are not valid")
	}
}
