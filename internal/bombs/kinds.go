package bombs

import (
	"slices"
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// Kind is one kind of module that is expensive to load or compile.
type Kind struct {
	Name  string
	Sizes []int // from common sizes to far above the bounds
	Make  func(n int) *wasm.Module

	// Declares marks kinds with many declarations, which reports list, and little
	// code.
	Declares bool
}

// Kinds returns all kinds.
func Kinds() []Kind {
	lists := slices.Clone(declared)
	for i := range lists {
		lists[i].Declares = true
	}
	return slices.Concat(lists, control, values, straight)
}

// declared lists kinds with many declarations.
var declared = []Kind{
	{Name: "locals-in-functions", Sizes: []int{50, 100, 1000, 12_000}, Make: func(n int) *wasm.Module { return repeated(n, 50_000) }},
	{Name: "functions", Sizes: []int{10_000, 65_000, 74_000, 100_000, 999_990, 1_000_001}, Make: func(n int) *wasm.Module { return repeated(n, 0) }},
	{Name: "types", Sizes: []int{1000, 99_998, 999_990, 1_000_001}, Make: func(n int) *wasm.Module {
		m := module()
		m.Types = append(m.Types, make([]wasm.FuncType, n)...)
		return m
	}},
	{Name: "groups-of-types", Sizes: []int{100, 99_000, 200_000, 1_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		for range 5 {
			m.Types = append(m.Types, slices.Concat([]wasm.FuncType{{Rec: uint32(n)}}, make([]wasm.FuncType, n-1))...)
		}
		return m
	}},
	{Name: "parameters-in-types", Sizes: []int{100, 990, 10_000, 60_000}, Make: func(n int) *wasm.Module {
		m := module()
		signature(m, 1000, 0)
		m.Types = append(m.Types, slices.Repeat(m.Types[2:], n)...)
		return m
	}},
	{Name: "parameters-in-imports", Sizes: []int{1000, 1001, 1_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, n, 0)
		m.Imports = slices.Repeat([]wasm.Import{{Module: abi.HostServices, Name: "log", Type: uint32(t)}}, 100)
		m.Exports[1].Index, m.Exports[2].Index = 100, 101
		return m
	}},
	{Name: "imports", Sizes: []int{1000, 100_000, 1_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		m.Imports = slices.Repeat([]wasm.Import{{Module: abi.HostServices, Name: "log", Type: 1}}, n)
		m.Exports[1].Index, m.Exports[2].Index = uint32(n), uint32(n+1)
		return m
	}},
	{Name: "names-of-imports", Sizes: []int{1000, 1_000_000, 30_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		m.Imports = slices.Repeat([]wasm.Import{{Module: strings.Repeat("\x1b", n), Name: strings.Repeat("\x00", n), Type: 1}}, 1)
		m.Exports[1].Index, m.Exports[2].Index = 1, 2
		return m
	}},
	{Name: "exports", Sizes: []int{1000, 99_990, 999_990}, Make: func(n int) *wasm.Module {
		m := module()
		for i := range n {
			m.Exports = append(m.Exports, wasm.Export{Name: strconv.Itoa(i), Kind: wasm.KindFunc})
		}
		return m
	}},
	{Name: "exports-with-long-names", Sizes: []int{1000, 8000, 60_000}, Make: func(n int) *wasm.Module {
		m := module()
		for i := range n {
			m.Exports = append(m.Exports, wasm.Export{Name: strconv.Itoa(i) + strings.Repeat("x", 1000), Kind: wasm.KindFunc})
		}
		return m
	}},
	{Name: "globals", Sizes: []int{1000, 249_990, 999_990}, Make: func(n int) *wasm.Module {
		m := module()
		globals(m, n)
		return m
	}},
	{Name: "globals-in-functions", Sizes: []int{100, 1000, 10_000}, Make: func(n int) *wasm.Module {
		m := repeated(n, 0)
		globals(m, n)
		return m
	}},
	{Name: "data-segments", Sizes: []int{1000, 99_990, 1_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		m.Data = wasm.Segments{Count: uint32(n), Raw: times(n, []byte{0, opI32Const, 0, opEnd, 1, 0})}
		return m
	}},
	{Name: "data", Sizes: []int{1 << 20, 60 << 20}, Make: func(n int) *wasm.Module {
		m := module()
		m.Data = wasm.Segments{Count: 1, Raw: code([]byte{1}, number(n), make([]byte, n))}
		return m
	}},
	{Name: "element-segments", Sizes: []int{1000, 99_990, 1_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		m.Tables = []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 10}}}
		m.Elements = wasm.Segments{Count: uint32(n), Raw: times(n, []byte{0, opI32Const, 0, opEnd, 1, 0})}
		return m
	}},
	{Name: "elements", Sizes: []int{1000, 1_000_000, 30_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		m.Elements = wasm.Segments{Count: 1, Raw: code([]byte{1, 0}, number(n), make([]byte, n))}
		return m
	}},
	{Name: "element-expressions", Sizes: []int{1000, 1_000_000, 15_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		m.Elements = wasm.Segments{Count: 1, Raw: code([]byte{5, funcref}, number(n), times(n, []byte{opRefNull, funcref, opEnd}))}
		return m
	}},
	{Name: "constant-expressions", Sizes: []int{490, 1_000_000, 20_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		add := times(n, []byte{opI64Const, 1, opI64Add})
		m.Globals = []wasm.Global{{Type: wasm.GlobalType{Value: wasm.I64}, Init: code([]byte{opI64Const, 1}, add, end)}}
		return m
	}},
	{Name: "deep-constant-expressions", Sizes: []int{490, 1_000_000, 20_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		init := code(times(n, []byte{opI64Const, 1}), times(n-1, []byte{opI64Add}), end)
		m.Globals = []wasm.Global{{Type: wasm.GlobalType{Value: wasm.I64}, Init: init}}
		return m
	}},
	{Name: "custom-sections", Sizes: []int{1000, 99_990, 999_990, 5_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		m.Customs = slices.Repeat([]wasm.Custom{{Name: "x"}}, n)
		return m
	}},
	{Name: "producers", Sizes: []int{1000, 15_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		m.Customs = []wasm.Custom{{Name: "producers", Data: code([]byte{1, 1, 'x'}, number(n), make([]byte, 2*n))}}
		return m
	}},
	{Name: "names-of-functions", Sizes: []int{1000, 14_000, 65_000, 74_000, 100_000}, Make: func(n int) *wasm.Module {
		m := repeated(n, 0)
		names, long := number(n), strings.Repeat("\x1b", 500)
		for i := range n {
			names = append(append(names, number(i)...), number(500)...)
			names = append(names, long...)
		}
		m.Customs = []wasm.Custom{{Name: "name", Data: code([]byte{1}, number(len(names)), names), After: 11}}
		return m
	}},
	{Name: "names-of-locals", Sizes: []int{1000, 10_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		var names []byte
		for i := range n {
			names = append(append(names, number(i)...), 1, 'x')
		}
		body := code([]byte{1, 0}, number(n), names)
		m.Customs = []wasm.Custom{{Name: "name", Data: code([]byte{2}, number(len(body)), body), After: 11}}
		return m
	}},
	{Name: "tables", Sizes: []int{100, 101}, Make: func(n int) *wasm.Module {
		m := module()
		m.Tables = slices.Repeat([]wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 10_000}}}, n)
		return m
	}},
}

// repeated has n functions with this many locals and no code.
func repeated(n, locals int) *wasm.Module {
	m := module()
	add(m, typePlain, locals)
	m.Functions = append(m.Functions[:2], slices.Repeat(m.Functions[2:], n)...)
	m.Code = append(m.Code[:2], slices.Repeat(m.Code[2:], n)...)
	return m
}
