package meter

import "github.com/airhost/airhost/internal/wasm"

// effects says how many operands an instruction leaves more than it takes. Calls
// and what opens and closes blocks have no fixed effect.
var effects = func() (t effectTable) {
	for _, e := range []struct {
		by    int8
		first wasm.Opcode
		last  wasm.Opcode
	}{
		{-1, 0x0d, 0x0d},     // br_if
		{-1, 0x1a, 0x1a},     // drop
		{-2, 0x1b, 0x1c},     // select
		{+1, 0x20, 0x20},     // local.get
		{-1, 0x21, 0x21},     // local.set
		{+1, 0x23, 0x23},     // global.get
		{-1, 0x24, 0x24},     // global.set
		{-2, 0x26, 0x26},     // table.set
		{-2, 0x36, 0x3e},     // stores
		{+1, 0x3f, 0x3f},     // memory.size
		{+1, 0x41, 0x44},     // constants
		{-1, 0x46, 0x4f},     // comparisons
		{-1, 0x51, 0x66},     //
		{-1, 0x6a, 0x78},     // arithmetic
		{-1, 0x7c, 0x8a},     //
		{-1, 0x92, 0x98},     //
		{-1, 0xa0, 0xa6},     //
		{+1, 0xd0, 0xd0},     // ref.null
		{+1, 0xd2, 0xd2},     // ref.func
		{-1, 0xd6, 0xd6},     // br_on_non_null
		{-3, 0xfc08, 0xfc08}, // memory.init
		{-3, 0xfc0a, 0xfc0c}, // memory.copy, memory.fill, table.init
		{-3, 0xfc0e, 0xfc0e}, // table.copy
		{-1, 0xfc0f, 0xfc0f}, // table.grow
		{+1, 0xfc10, 0xfc10}, // table.size
		{-3, 0xfc11, 0xfc11}, // table.fill
		{-2, 0xfd0b, 0xfd0b}, // v128.store
		{+1, 0xfd0c, 0xfd0c}, // v128.const
		{-1, 0xfd0d, 0xfd0e}, // shuffle, swizzle
		{-1, 0xfd17, 0xfd17}, // replace_lane
		{-1, 0xfd1a, 0xfd1a}, //
		{-1, 0xfd1c, 0xfd1c}, //
		{-1, 0xfd1e, 0xfd1e}, //
		{-1, 0xfd20, 0xfd20}, //
		{-1, 0xfd22, 0xfd4c}, // and comparisons
		{-1, 0xfd4e, 0xfd51}, // and, andnot, or, xor
		{-2, 0xfd52, 0xfd52}, // bitselect
		{-1, 0xfd54, 0xfd57}, // load_lane
		{-2, 0xfd58, 0xfd5b}, // store_lane
		{-1, 0xfd65, 0xfd66}, // narrow
		{-1, 0xfd6b, 0xfd73}, // shifts, arithmetic
		{-1, 0xfd76, 0xfd79}, //
		{-1, 0xfd7b, 0xfd7b}, //
		{-1, 0xfd82, 0xfd82}, //
		{-1, 0xfd85, 0xfd86}, //
		{-1, 0xfd8b, 0xfd93}, //
		{-1, 0xfd95, 0xfd99}, //
		{-1, 0xfd9b, 0xfd9f}, //
		{-1, 0xfdab, 0xfdb9}, //
		{-1, 0xfdba, 0xfdba}, //
		{-1, 0xfdbc, 0xfdbf}, //
		{-1, 0xfdcb, 0xfddf}, //
		{-1, 0xfde4, 0xfdeb}, //
		{-1, 0xfdf0, 0xfdf7}, //
		{-1, 0xfe00, 0xfe00}, // memory.atomic.notify
		{-2, 0xfe01, 0xfe02}, // memory.atomic.wait
		{-2, 0xfe17, 0xfe1d}, // atomic stores
		{-1, 0xfe1e, 0xfe47}, // atomic read-modify-write
		{-2, 0xfe48, 0xfe4e}, // compare and exchange
	} {
		for op := e.first; op <= e.last; op++ {
			*t.of(op) = e.by
		}
	}
	return t
}()

// effectTable has the rows of a fuelTable.
type effectTable [7][256]int8

func (t *effectTable) of(op wasm.Opcode) *int8 { return &t[op>>8&7][op&0xff] }

// leaves reports whether an instruction other than a call runs code elsewhere.
func leaves(op wasm.Opcode) bool {
	_, ok := bulk(op)
	return ok || op == 0x40 || op == wasm.OpRefFunc || op>>8 == 0xfe && op <= 0xfe02
}
