package hostile

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/wasm"
)

// Guest is the attacking guest's module. It must not be changed.
//
//go:embed guest/attacker.wasm
var Guest []byte

// forge returns a function that makes a changed copy of the guest.
func forge(change func(*wasm.Module)) func() []byte {
	return func() []byte {
		m, err := wasm.Parse(slices.Clone(Guest))
		if err != nil {
			panic(err) // the committed module is valid
		}
		change(m)
		return m.Encode()
	}
}

// exported returns the index of an exported function.
func exported(m *wasm.Module, name string) uint32 {
	i := slices.IndexFunc(m.Exports, func(e wasm.Export) bool { return e.Name == name })
	return m.Exports[i].Index
}

// replace replaces the body of the guest's function "forged". The new body has this
// many locals of type i64.
func replace(m *wasm.Module, locals uint32, expr []byte) {
	code := &m.Code[int(exported(m, "forged"))-(m.Len(wasm.KindFunc)-len(m.Functions))]
	*code = wasm.Code{Expr: append(expr, opEnd)}
	if locals > 0 {
		code.Groups, code.Locals = 1, locals
		code.Decls = wasm.AppendValueType(wasm.AppendIndex(nil, locals), wasm.I64)
	}
}

// Opcodes of forged code.
const (
	opBlock      = 0x02
	opLoop       = 0x03
	opEnd        = 0x0b
	opBr         = 0x0c
	opBrIf       = 0x0d
	opBrTable    = 0x0e
	opCall       = 0x10
	opDrop       = 0x1a
	opLocalGet   = 0x20
	opLocalSet   = 0x21
	opI64Load    = 0x29
	opI64Store   = 0x37
	opMemorySize = 0x3f
	opMemoryGrow = 0x40
	opI32Const   = 0x41
	opI32Ne      = 0x47
	opI32Shl     = 0x74
	opI64Add     = 0x7c
	opRefNull    = 0xd0
	opRefFunc    = 0xd2
	opMisc       = 0xfc

	miscMemoryFill = 11
	miscTableGrow  = 15
	miscTableSize  = 16
	miscTableFill  = 17

	noResult = 0x40
	funcref  = 0x70
)

func op(code byte, index uint32) []byte { return wasm.AppendIndex([]byte{code}, index) }

func constant(n int64) []byte { return wasm.AppendSigned([]byte{opI32Const}, n) }

func loop(body []byte) []byte {
	return append(append([]byte{opLoop, noResult}, body...), opEnd)
}

// jumps is a loop around a jump table of n entries, all to the loop's start.
func jumps(n int) func(*wasm.Module) {
	return func(m *wasm.Module) {
		table := append(constant(0), op(opBrTable, uint32(n))...)
		replace(m, 0, loop(append(table, make([]byte, n+1)...)))
	}
}

// fillMemory grows the memory until the host refuses, and fills it n times without a
// loop.
func fillMemory(n int) func(*wasm.Module) {
	return func(m *wasm.Module) {
		grow := slices.Concat(constant(1), []byte{opMemoryGrow, 0}, constant(-1), []byte{opI32Ne}, op(opBrIf, 0))
		expr := loop(grow)
		fill := slices.Concat(constant(0), constant(0), []byte{opMemorySize, 0}, constant(16), []byte{opI32Shl, opMisc, miscMemoryFill, 0})
		for range n {
			expr = append(expr, fill...)
		}
		replace(m, 0, expr)
	}
}

// references calls, for ever, a small function that takes n references to functions.
func references(n int) func(*wasm.Module) {
	return func(m *wasm.Module) {
		refer := slices.Repeat(append(op(opRefFunc, exported(m, "forged")), opDrop), n)
		functions(1)(m)
		m.Code[len(m.Code)-1].Expr = append(refer, opEnd)
		replace(m, 0, loop(append(op(opCall, uint32(m.Len(wasm.KindFunc)-1)), op(opBr, 0)...)))
	}
}

// carried branches for ever with n values.
func carried(n int) func(*wasm.Module) {
	return func(m *wasm.Module) {
		m.Types = append(m.Types, wasm.FuncType{Results: slices.Repeat([]wasm.ValueType{wasm.I32}, n)})
		block := wasm.AppendSigned([]byte{opBlock}, int64(len(m.Types)-1))
		values := slices.Repeat([]byte{opMemorySize, 0}, n)
		body := slices.Concat(block, values, op(opBr, 0), []byte{opEnd}, slices.Repeat([]byte{opDrop}, n), op(opBr, 0))
		replace(m, 0, loop(body))
	}
}

// frames is a function that calls itself with n live locals.
func frames(n uint32) func(*wasm.Module) {
	return func(m *wasm.Module) {
		var expr []byte
		for i := range n {
			expr = slices.Concat(expr, constant(8*int64(i%4096)), []byte{opI64Load, 3, 0}, op(opLocalSet, i))
		}
		expr = slices.Concat(expr, op(opCall, exported(m, "forged")), constant(0), op(opLocalGet, 0))
		for i := uint32(1); i < n; i++ {
			expr = append(append(expr, op(opLocalGet, i)...), opI64Add)
		}
		replace(m, n, append(expr, opI64Store, 3, 0))
	}
}

// tables adds n tables with this many elements each.
func tables(n int, elements uint64) func(*wasm.Module) {
	return func(m *wasm.Module) {
		for range n {
			m.Tables = append(m.Tables, wasm.Table{Elem: wasm.ValueType{Code: funcref}, Limits: wasm.Limits{Min: elements}})
		}
	}
}

// growTable adds a table, grows it until the host refuses, and then fills it for
// ever.
func growTable(m *wasm.Module) {
	tables(1, 0)(m)
	table := uint32(m.Len(wasm.KindTable) - 1)
	null := []byte{opRefNull, funcref}
	grow := slices.Concat(null, constant(100), op(opMisc, miscTableGrow), wasm.AppendIndex(nil, table),
		constant(-1), []byte{opI32Ne}, op(opBrIf, 0))
	fill := slices.Concat(constant(0), null, op(opMisc, miscTableSize), wasm.AppendIndex(nil, table),
		op(opMisc, miscTableFill), wasm.AppendIndex(nil, table), op(opBr, 0))
	replace(m, 0, append(loop(grow), loop(fill)...))
}

// segments adds n data segments of one byte.
func segments(n int) func(*wasm.Module) {
	return func(m *wasm.Module) {
		for range n {
			m.Data.Count++
			m.Data.Raw = append(m.Data.Raw, 0, opI32Const, 0, opEnd, 1, 0)
		}
		if m.DataCount != nil {
			*m.DataCount = m.Data.Count
		}
	}
}

// globals adds n globals.
func globals(n int) func(*wasm.Module) {
	return func(m *wasm.Module) {
		for range n {
			m.Globals = append(m.Globals, wasm.Global{Type: wasm.GlobalType{Value: wasm.I32}, Init: append(constant(0), opEnd)})
		}
	}
}

// functions adds n functions.
func functions(n int) func(*wasm.Module) {
	return func(m *wasm.Module) {
		m.Types = append(m.Types, wasm.FuncType{})
		for range n {
			m.Functions = append(m.Functions, uint32(len(m.Types)-1))
			m.Code = append(m.Code, wasm.Code{Expr: []byte{opEnd}})
		}
	}
}

// nested nests n blocks.
func nested(n int) func(*wasm.Module) {
	return func(m *wasm.Module) {
		var expr []byte
		for range n {
			expr = append(expr, opLoop, noResult)
		}
		for range n {
			expr = append(expr, opEnd)
		}
		replace(m, 0, expr)
	}
}

// locals gives the function n locals.
func locals(n uint32) func(*wasm.Module) {
	return func(m *wasm.Module) { replace(m, n, nil) }
}

// startsWith makes an exported function the start function.
func startsWith(name string) func(*wasm.Module) {
	return func(m *wasm.Module) {
		f := exported(m, name)
		m.Start = &f
	}
}

// initializesWith also exports an exported function as _initialize.
func initializesWith(name string) func(*wasm.Module) {
	return func(m *wasm.Module) {
		m.Exports = append(m.Exports, wasm.Export{Name: "_initialize", Kind: wasm.KindFunc, Index: exported(m, name)})
	}
}

// longNames gives every function a long name with control characters.
func longNames(size int) func(*wasm.Module) {
	return func(m *wasm.Module) {
		name := strings.Repeat("\x1b[2J\n", size/5)
		n := uint32(m.Len(wasm.KindFunc))
		names := wasm.AppendIndex(nil, n)
		for i := range n {
			names = append(wasm.AppendIndex(wasm.AppendIndex(names, i), uint32(len(name))), name...)
		}
		section := append(wasm.AppendIndex([]byte{1}, uint32(len(names))), names...)
		m.Customs = append(m.Customs, wasm.Custom{Name: "name", Data: section, After: 11})
	}
}

// exports adds n exports, of functions and globals in turn, whose names begin with name.
func exports(n int, name string) func(*wasm.Module) {
	return func(m *wasm.Module) {
		globals(1)(m)
		for i := range n {
			e := wasm.Export{Name: name, Kind: wasm.KindFunc, Index: exported(m, "trap")}
			if i%2 == 1 {
				e = wasm.Export{Name: name, Kind: wasm.KindGlobal, Index: uint32(m.Len(wasm.KindGlobal) - 1)}
			}
			if e.Name += strings.Repeat("'", i); n > 100 {
				e.Name = fmt.Sprint(name, i)
			}
			m.Exports = append(m.Exports, e)
		}
	}
}

// unexported removes an export.
func unexported(name string) func(*wasm.Module) {
	return func(m *wasm.Module) {
		m.Exports = slices.DeleteFunc(m.Exports, func(e wasm.Export) bool { return e.Name == name })
	}
}
