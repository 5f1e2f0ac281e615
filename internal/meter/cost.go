package meter

import (
	"fmt"
	"strings"

	"github.com/airhost/airhost/internal/wasm"
)

// Cost is a line of the cost table: the fuel of some instructions.
type Cost struct {
	Instructions string
	Fuel         int64  // for each execution
	Per          string // such as "1 per 64 bytes", or "" if the cost is fixed

	ops [][2]wasm.Opcode // ranges, first and last
}

// costs lists the instructions that do not cost 1. Fuel is about the time of a compiled
// instruction, in units of an addition. An instruction that may be much slower, because
// it leaves compiled code or misses the processor's caches, costs more: enough for any
// code to take at most the time in testdata/costs.json, and for a slice of any code to
// take at most a millisecond.
var costs = []Cost{
	{"nop, block, else, end", 0, "", [][2]wasm.Opcode{{1, 2}, {5, 5}, {0x0b, 0x0b}}},
	{"loop, if, br, br_if, br_on_null, br_on_non_null", 2, "", [][2]wasm.Opcode{{3, 4}, {0x0c, 0x0d}, {0xd5, 0xd6}}},
	{"vector instructions not named below", 2, "", [][2]wasm.Opcode{{0xfd0c, 0xfdff}}},
	{"i8x16.popcnt", 8, "", [][2]wasm.Opcode{{0xfd62, 0xfd62}}},
	{"try_table", 10_000, "", [][2]wasm.Opcode{{0x1f, 0x1f}}},
	{"throw, throw_ref", 1000, "", [][2]wasm.Opcode{{8, 8}, {0x0a, 0x0a}}},
	{"br_table", 8, "", [][2]wasm.Opcode{{0x0e, 0x0e}}},
	{"call, return_call", 4, "", [][2]wasm.Opcode{{0x10, 0x10}, {0x12, 0x12}}},
	{"call_indirect, call_ref, return_call_indirect, return_call_ref", 8, "", [][2]wasm.Opcode{{0x11, 0x11}, {0x13, 0x15}}},
	{"each of these that may call an imported function", imported, "", nil},
	{"loads and stores, also of vectors and lanes", 4, "", [][2]wasm.Opcode{{0x28, 0x3e}, {0xfd00, 0xfd0b}, {0xfd54, 0xfd5d}}},
	{"table.get, table.set", 4, "", [][2]wasm.Opcode{{0x25, 0x26}}},
	{"integer div and rem", 8, "", [][2]wasm.Opcode{{0x6d, 0x70}, {0x7f, 0x82}}},
	{"floating-point div and sqrt", 8, "", [][2]wasm.Opcode{{0x91, 0x91}, {0x95, 0x95}, {0x9f, 0x9f}, {0xa3, 0xa3}}},
	{"vector div and sqrt", 8, "", [][2]wasm.Opcode{{0xfde3, 0xfde3}, {0xfde7, 0xfde7}, {0xfdef, 0xfdef}, {0xfdf3, 0xfdf3}}},
	{"ref.func", 50, "", [][2]wasm.Opcode{{0xd2, 0xd2}}},
	{"memory.init, memory.copy, memory.fill", 8, "1 per 64 bytes", [][2]wasm.Opcode{{0xfc08, 0xfc08}, {0xfc0a, 0xfc0b}}},
	{"table.init", 8, "8 per element", [][2]wasm.Opcode{{0xfc0c, 0xfc0c}}},
	{"table.copy, table.fill", 8, "1 per 8 elements", [][2]wasm.Opcode{{0xfc0e, 0xfc0e}, {0xfc11, 0xfc11}}},
	{"table.grow", 1000, "1 per 8 elements", [][2]wasm.Opcode{{0xfc0f, 0xfc0f}}},
	{"memory.grow", 1000, "1 per 64 bytes", [][2]wasm.Opcode{{0x40, 0x40}}},
	{"memory.atomic.notify, memory.atomic.wait32, memory.atomic.wait64", 1000, "", [][2]wasm.Opcode{{0xfe00, 0xfe02}}},
	{"other atomic instructions", 8, "", [][2]wasm.Opcode{{0xfe03, 0xfe4e}}},
	{"besides, what br, br_if, br_table, br_on_null, br_on_non_null, return, loop, if, else, end, calls and exceptions carry", 0, "1 per 16 values", nil},
	{"besides, br, br_if, br_table, br_on_null, br_on_non_null, loop, if, else, end", 0, "1 per 64 locals of the function", nil},
	{"besides, entering a function", 0, "1 per 16 of its parameters and locals", nil},
}

// imported is the fuel of a call that may go to an imported function. Carried values and
// locals cost 1 for each perValues, perLocals or perNewLocals of them: a branch moves the
// locals that differ between the paths to its target.
const (
	imported     = 100
	perValues    = 16
	perLocals    = 64
	perNewLocals = 16
)

// Costs returns the cost table. Its last line is for all instructions that no other line
// names.
func Costs() []Cost {
	return append(costs[:len(costs):len(costs)], Cost{Instructions: "all others", Fuel: 1})
}

// CostTable returns the cost table as a Markdown table, for documentation.
func CostTable() string {
	var b strings.Builder
	b.WriteString("| instructions | fuel |\n|---|---|\n")
	for _, c := range Costs() {
		fmt.Fprintf(&b, "| %s | %d", c.Instructions, c.Fuel)
		if c.Per != "" {
			fmt.Fprintf(&b, " + %s", c.Per)
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

// fuelOf is the cost table by opcode.
var fuelOf = func() (t fuelTable) {
	for p := range t {
		for op := range t[p] {
			t[p][op] = 1
		}
	}
	for _, c := range costs {
		for _, ops := range c.ops {
			for op := ops[0]; op <= ops[1]; op++ {
				*t.of(op) = uint16(c.Fuel)
			}
		}
	}
	return t
}()

// fuelTable has a row for each value of the prefix's lowest three bits: 0 for no prefix,
// 4 to 6 for 0xfc to 0xfe.
type fuelTable [7][256]uint16

func (t *fuelTable) of(op wasm.Opcode) *uint16 { return &t[op>>8&7][op&0xff] }
