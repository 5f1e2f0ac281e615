package bombs

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// control lists kinds with many blocks and branches.
var control = []Kind{
	{Name: "branches-out-of-one-block", Sizes: []int{1000, 4000, 6000, 16_000, 32_000, 200_000, 2_000_000}, Make: func(n int) *wasm.Module {
		return one(0, around(1, times(n, branch(0))))
	}},
	{Name: "branches-back-to-one-loop", Sizes: []int{1000, 4000, 6000, 16_000, 32_000, 200_000, 2_000_000}, Make: func(n int) *wasm.Module {
		return one(0, []byte{opLoop, noResult}, times(n, branch(0)), end)
	}},
	{Name: "blocks-in-a-row", Sizes: []int{1000, 4000, 6000, 16_000, 32_000, 200_000, 2_000_000}, Make: func(n int) *wasm.Module {
		return one(0, times(n, around(1, branch(0))))
	}},
	{Name: "loops-in-a-row", Sizes: []int{1000, 4000, 6000, 16_000, 32_000, 200_000, 2_000_000}, Make: func(n int) *wasm.Module {
		return one(0, times(n, []byte{opLoop, noResult}, branch(0), end))
	}},
	{Name: "ifs-in-a-row", Sizes: []int{1000, 4000, 6000, 16_000, 32_000, 200_000, 2_000_000}, Make: func(n int) *wasm.Module {
		return one(0, times(n, []byte{opMemorySize, 0, opIf, noResult, opElse}, end))
	}},
	{Name: "ifs-that-set-a-local", Sizes: []int{1000, 4000, 6000, 16_000, 32_000, 200_000, 2_000_000}, Make: func(n int) *wasm.Module {
		return one(1, times(n, []byte{opMemorySize, 0, opIf, noResult, opMemorySize, 0, 0xac}, op(opLocalSet, 0), []byte{opElse}, end), op(opLocalGet, 0), []byte{opDrop})
	}},
	{Name: "nested-blocks", Sizes: []int{1000, 5000, 10_001, 100_000, 10_000_000}, Make: func(n int) *wasm.Module {
		return one(0, around(n, branch(0)))
	}},
	{Name: "nested-loops", Sizes: []int{1000, 2900, 3001, 100_000}, Make: func(n int) *wasm.Module {
		return one(0, times(n, []byte{opLoop, noResult}), times(n, branch(0), end))
	}},
	{Name: "nested-loops-in-many-functions", Sizes: []int{10, 1000}, Make: func(n int) *wasm.Module {
		m := module()
		for range n {
			add(m, typePlain, 0, times(2900, []byte{opLoop, noResult}), times(2900, branch(0), end))
		}
		return m
	}},
	{Name: "nested-ifs", Sizes: []int{1000, 2900}, Make: func(n int) *wasm.Module {
		return one(1, times(n, []byte{opMemorySize, 0, opIf, noResult, opMemorySize, 0, 0xac}, op(opLocalSet, 0)), times(n, end), op(opLocalGet, 0), []byte{opDrop})
	}},
	{Name: "jump-table", Sizes: []int{1000, 25_000, 65_520, 65_521, 1_000_000, 30_000_000}, Make: func(n int) *wasm.Module {
		return one(0, around(2, constant(0), op(opBrTable, n), make([]byte, n+1)))
	}},
	{Name: "jump-tables", Sizes: []int{100, 1000, 10_000}, Make: func(n int) *wasm.Module {
		return one(0, times(n, around(1, constant(0), op(opBrTable, 100), make([]byte, 101))))
	}},
	{Name: "jump-tables-to-many-blocks", Sizes: []int{10, 100, 1000}, Make: func(n int) *wasm.Module {
		labels := op(opBrTable, 2000)
		for i := range 2001 {
			labels = append(labels, number(i)...)
		}
		return one(0, around(2001, times(n, around(0, []byte{opMemorySize, 0, opIf, noResult}, constant(0), labels, end))))
	}},
	{Name: "branches-back-to-a-loop-with-a-jump-table", Sizes: []int{1000, 7000, 9990, 65_000}, Make: func(n int) *wasm.Module {
		labels := op(opBrTable, n)
		for i := range n + 1 {
			labels = append(labels, number(i)...)
		}
		expr := code([]byte{opLoop, noResult}, times(n, []byte{opBlock, noResult}), []byte{opMemorySize, 0}, labels)
		for i := range n {
			expr = append(expr, code(end, branch(n-1-i))...)
		}
		return one(0, expr, end)
	}},
	{Name: "nested-blocks-that-nothing-reaches", Sizes: []int{1000, 10_000, 10_001, 900_000}, Make: func(n int) *wasm.Module {
		return one(0, []byte{opReturn}, around(n))
	}},
	{Name: "branches-to-many-blocks", Sizes: []int{1000, 2900}, Make: func(n int) *wasm.Module {
		var expr []byte
		for i := range 20_000 {
			expr = append(expr, branch(i%n)...)
		}
		return one(0, around(n, expr))
	}},
}

// around wraps body in n blocks.
func around(n int, body ...[]byte) []byte {
	return code(times(n, []byte{opBlock, noResult}), code(body...), times(n, end))
}

// values lists kinds that keep or move many values.
var values = []Kind{
	{Name: "locals-read-after-branches", Sizes: []int{100, 700, 900, 10_000, 49_000}, Make: func(n int) *wasm.Module { return joined(n, 600) }},
	{Name: "locals-read-after-many-branches", Sizes: []int{10, 100, 1000}, Make: func(n int) *wasm.Module { return joined(n, 20_000) }},
	{Name: "locals-in-loops", Sizes: []int{100, 1000, 10_000}, Make: func(n int) *wasm.Module {
		var expr []byte
		for range 200 {
			expr = append(expr, opLoop, noResult)
		}
		for i := range n {
			expr = append(expr, code(loads(1), op(opLocalSet, i))...)
		}
		return one(n, expr, times(200, branch(0), end), sum(n))
	}},
	{Name: "locals-set-in-branches", Sizes: []int{100, 1000, 1100, 5000}, Make: func(n int) *wasm.Module {
		expr := []byte{opBlock, noResult}
		for i := range n {
			expr = append(expr, code(loads(1), op(opLocalSet, i), branch(0))...)
		}
		return one(n, expr, end, sum(n))
	}},
	{Name: "values-across-blocks", Sizes: []int{100, 1000, 10_000, 100_000}, Make: func(n int) *wasm.Module {
		return one(0, loads(n), times(2000, []byte{opBlock, noResult}, branch(0), end), times(n, []byte{opDrop}))
	}},
	{Name: "values-used-after-blocks", Sizes: []int{100, 1000, 10_000, 100_000}, Make: func(n int) *wasm.Module {
		return one(0, loads(n), times(2000, []byte{opBlock, noResult}, branch(0), end), times(n-1, []byte{opI64Add}), []byte{opDrop})
	}},
	{Name: "values-across-calls", Sizes: []int{100, 1000, 10_000, 100_000}, Make: func(n int) *wasm.Module {
		return one(0, loads(n), times(5000, constant(0), constant(0), constant(0), constant(0), op(opCall, 0), []byte{opDrop}), times(n-1, []byte{opI64Add}), []byte{opDrop})
	}},
	{Name: "carried-by-a-loop", Sizes: []int{10, 500, 999}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, n, 0)
		add(m, typePlain, 1, loads(n), op(opLoop, t), loads(1), op(opLocalSet, 0), op(opLocalGet, 0), op(opBr, 0), end)
		return m
	}},
	{Name: "carried-by-branches", Sizes: []int{10, 1000, 5000, 50_000}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, 0, 999)
		add(m, typePlain, 0, op(opBlock, t), loads(999), times(n, branch(0)), end, times(999, []byte{opDrop}))
		return m
	}},
	{Name: "carried-by-a-jump-table", Sizes: []int{10, 600, 5000, 50_000, 1_000_000}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, 0, 999)
		add(m, typePlain, 0, op(opBlock, t), loads(999), []byte{opMemorySize, 0}, op(opBrTable, n), make([]byte, n+1), end, times(999, []byte{opDrop}))
		return m
	}},
	{Name: "carried-by-blocks", Sizes: []int{10, 1000, 5000, 50_000}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, 999, 999)
		add(m, typePlain, 0, loads(999), times(n, op(opLoop, t), end), times(999, []byte{opDrop}))
		return m
	}},
	{Name: "carried-by-ifs", Sizes: []int{10, 1000, 5000, 50_000}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, 999, 999)
		add(m, typePlain, 0, loads(999), times(n, []byte{opMemorySize, 0}, op(opIf, t), []byte{opElse}, end), times(999, []byte{opDrop}))
		return m
	}},
	{Name: "parameters-of-calls", Sizes: []int{100, 1000, 2000, 20_000}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, 1000, 1000)
		add(m, t, 0, gets(1000, 1000))
		add(m, typePlain, 0, loads(1000), times(n, op(opCall, 2)), times(1000, []byte{opDrop}))
		return m
	}},
	{Name: "parameters-of-indirect-calls", Sizes: []int{100, 1000, 20_000}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, 1000, 1000)
		m.Tables = []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 10}}}
		add(m, typePlain, 0, loads(1000), times(n, constant(0), op(opIndirect, t), []byte{0}), times(1000, []byte{opDrop}))
		return m
	}},
	{Name: "results-in-many-functions", Sizes: []int{100, 1000, 10_000}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, 1000, 1000)
		for range n {
			add(m, t, 0, []byte{0}) // a function that traps
		}
		return m
	}},
	{Name: "returns-of-many-results", Sizes: []int{100, 1000, 10_000}, Make: func(n int) *wasm.Module {
		m := module()
		t := signature(m, 0, 1000)
		add(m, t, 0, loads(1000), times(n, branch(0)))
		return m
	}},
	{Name: "globals-after-calls", Sizes: []int{100, 1000, 10_000}, Make: func(n int) *wasm.Module {
		m := one(0, times(5000, op(opCall, 2)))
		globals(m, n)
		return m
	}},
	{Name: "globals-in-branches", Sizes: []int{100, 1000, 10_000}, Make: func(n int) *wasm.Module {
		var expr []byte
		for i := range n {
			expr = append(expr, code(op(opGlobalGet, i), op(opGlobalSet, (i+1)%n), branch(0))...)
		}
		m := one(0, []byte{opBlock, noResult}, expr, end)
		globals(m, n)
		return m
	}},
	{Name: "addresses-known-in-branches", Sizes: []int{1000, 5000, 20_000, 100_000}, Make: func(n int) *wasm.Module {
		return one(1, chase(n, 0), []byte{opBlock, noResult}, times(n, branch(0)), end)
	}},
	{Name: "addresses-known-in-nested-ifs", Sizes: []int{1000, 2900}, Make: func(n int) *wasm.Module {
		return one(1, times(n, chase(10, 0), []byte{opMemorySize, 0, opIf, noResult}), times(n, end))
	}},
}

// joined sets n locals, branches, and reads them.
func joined(n, branches int) *wasm.Module {
	var expr []byte
	for i := range n {
		expr = append(expr, code(loads(1), op(opLocalSet, i))...)
	}
	return one(n, expr, times(branches, []byte{opMemorySize, 0, opIf, noResult, opElse}, end), sum(n))
}

// sum adds up n locals, which forces the compiler to keep their values.
func sum(n int) []byte {
	expr := []byte{opI64Const, 0}
	for i := range n {
		expr = append(append(expr, op(opLocalGet, i)...), opI64Add)
	}
	return append(expr, opDrop)
}

// Instructions that straight repeats.
var (
	grow     = code(constant(60000), []byte{opMemoryGrow, 0, opDrop})
	fill     = code(constant(0), constant(0), constant(9), []byte{opMisc, 11, 0})
	table    = code([]byte{opRefNull, funcref}, constant(9), []byte{opMisc, 15, 0, opDrop})
	division = []byte{opI64Const, 5, opI64DivS}
	round    = code([]byte{0x43, 1, 2, 3, 4}, times(50, []byte{opF32Nearest, 0x8e}), []byte{opDrop})
	shuffle  = code(times(2, []byte{0xfd, 0x0c}, make([]byte, 16)), []byte{0xfd, 0x0d}, make([]byte, 16), []byte{opDrop})
)

// straight lists kinds with long functions, or many functions, without branches.
var straight = []Kind{
	{Name: "additions", Sizes: []int{10_000, 240_000, 1_000_000, 5_000_000}, Make: func(n int) *wasm.Module { return added(1, n, 1) }},
	{Name: "additions-in-functions", Sizes: []int{1000, 10_000, 38_000}, Make: func(n int) *wasm.Module { return added(n, 125, 1) }},
	{Name: "additions-in-large-functions", Sizes: []int{1, 10, 50}, Make: func(n int) *wasm.Module { return added(n, 65_000, 1) }},
	{Name: "doubled-in-functions", Sizes: []int{10, 50, 1000}, Make: func(n int) *wasm.Module { return added(n, 125, 0) }},
	{Name: "doubled-again-and-again", Sizes: []int{100, 6000, 65_000, 240_000}, Make: func(n int) *wasm.Module { return added(1, n, 0) }},
	{Name: "live-additions", Sizes: []int{10_000, 62_000, 300_000, 1_000_000, 5_000_000}, Make: func(n int) *wasm.Module {
		return one(0, loads(n), times(n-1, []byte{opI64Add}), []byte{opDrop})
	}},
	{Name: "large-loads-in-functions", Sizes: []int{2, 25, 34, 40}, Make: func(n int) *wasm.Module {
		m := module()
		for range n {
			add(m, typePlain, 0, loads(60_000), times(59_999, []byte{opI64Add}), []byte{opDrop})
		}
		return m
	}},
	{Name: "many-branches-in-functions", Sizes: []int{2, 8}, Make: func(n int) *wasm.Module {
		m := module()
		for range n {
			add(m, typePlain, 0, []byte{opBlock, noResult}, times(4000, branch(0)), end)
		}
		return m
	}},
	{Name: "one-byte-instructions", Sizes: []int{100_000, 990_000, 10_000_000, 40_000_000}, Make: func(n int) *wasm.Module {
		return one(0, constant(1), times(n, []byte{opI32Eqz}), []byte{opDrop})
	}},
	{Name: "unreachable-code", Sizes: []int{100_000, 10_000_000, 40_000_000}, Make: func(n int) *wasm.Module {
		return one(0, []byte{opReturn}, times(n, []byte{opI32Eqz}), []byte{opDrop})
	}},
	{Name: "nothing", Sizes: []int{100_000, 10_000_000, 60_000_000}, Make: func(n int) *wasm.Module { return one(0, times(n, []byte{1})) }},
	{Name: "memory-grow", Sizes: []int{1000, 5000, 10_000, 100_000, 500_000}, Make: func(n int) *wasm.Module { return one(0, times(n, grow)) }},
	{Name: "memory-fill", Sizes: []int{1000, 5000, 10_000, 100_000, 500_000}, Make: func(n int) *wasm.Module { return one(0, times(n, fill)) }},
	{Name: "table-grow", Sizes: []int{1000, 5000, 10_000, 100_000, 500_000}, Make: func(n int) *wasm.Module {
		m := one(0, times(n, table))
		m.Tables = []wasm.Table{{Elem: wasm.FuncRef}}
		return m
	}},
	{Name: "references", Sizes: []int{1000, 44_000, 100_000, 500_000}, Make: func(n int) *wasm.Module {
		return one(0, times(n, op(opRefFunc, 0), []byte{opDrop}))
	}},
	{Name: "calls", Sizes: []int{1000, 10_000, 110_000, 500_000, 5_000_000}, Make: func(n int) *wasm.Module { return one(0, times(n, op(opCall, 2))) }},
	{Name: "indirect-calls", Sizes: []int{1000, 12_000, 100_000, 500_000}, Make: func(n int) *wasm.Module {
		m := one(0, times(n, constant(0), op(opIndirect, typePlain), []byte{0}))
		m.Tables = []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 10}}}
		return m
	}},
	{Name: "table-gets", Sizes: []int{1000, 23_000, 100_000, 500_000}, Make: func(n int) *wasm.Module {
		m := one(0, times(n, constant(0), []byte{opTableGet, 0, opDrop}))
		m.Tables = []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 10}}}
		return m
	}},
	{Name: "divisions", Sizes: []int{1000, 45_000, 100_000, 1_000_000}, Make: func(n int) *wasm.Module {
		return one(0, loads(1), times(n, division), []byte{opDrop})
	}},
	{Name: "roundings", Sizes: []int{1000, 9700, 100_000}, Make: func(n int) *wasm.Module { return one(0, times(n, round)) }},
	{Name: "truncations", Sizes: []int{1000, 45_000, 100_000, 1_000_000}, Make: func(n int) *wasm.Module {
		return one(0, loads(1), times(n, []byte{0xb9, 0xb0}), []byte{opDrop})
	}},
	{Name: "shuffles", Sizes: []int{1000, 24_000, 100_000, 1_000_000}, Make: func(n int) *wasm.Module { return one(0, times(n, shuffle)) }},
	{Name: "constants", Sizes: []int{1000, 36_000, 100_000, 1_000_000}, Make: func(n int) *wasm.Module {
		return one(0, times(n, constant(0), []byte{0xfd, 0x0c}, make([]byte, 16), []byte{0xfd, 0x0b, 0, 0}))
	}},
	{Name: "loads", Sizes: []int{10_000, 62_000, 100_000, 1_000_000, 8_000_000}, Make: func(n int) *wasm.Module { return one(1, chase(n, 0)) }},
	{Name: "stores", Sizes: []int{10_000, 66_000, 100_000, 1_000_000, 8_000_000}, Make: func(n int) *wasm.Module {
		return one(0, times(n, constant(0), constant(0), []byte{0x36, 2, 0}))
	}},
	{Name: "selects", Sizes: []int{10_000, 60_000, 1_000_000}, Make: func(n int) *wasm.Module {
		return one(0, loads(1), times(n, loads(1), []byte{opMemorySize, 0, opSelect}), []byte{opDrop})
	}},
}

// added has functions that repeatedly add a local to local 0. With other = 0, the
// local doubles itself.
func added(functions, additions, other int) *wasm.Module {
	m := module()
	load := code(loads(1), op(opLocalSet, 0), loads(1), op(opLocalSet, 1))
	add(m, typePlain, 2, load, times(additions, op(opLocalGet, 0), op(opLocalGet, other), []byte{opI64Add}, op(opLocalSet, 0)),
		constant(0), op(opLocalGet, 0), []byte{opI64Store, 3, 0})
	m.Functions = append(m.Functions[:2], slices.Repeat(m.Functions[2:], functions)...)
	m.Code = append(m.Code[:2], slices.Repeat(m.Code[2:], functions)...)
	return m
}
