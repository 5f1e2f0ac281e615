package metertest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

func TestFuelUsed(t *testing.T) {
	for _, c := range []struct {
		file, export string
		arg          uint64
		want         int64
		why          string
	}{
		{"compute", "loop", 1, 29, "2 before the loop, 2 for it, 24 in it, 1 after it"},
		{"compute", "loop", 1000, 24005, "2 before the loop, 2 for it, 24 in it each time, 1 after it"},
		{"compute", "fib", 1, 6, "5 for the condition, 1 for the value"},
		{"compute", "fib", 2, 32, "5 for the condition, 15 for both calls and the sum, 6 in each callee"},
		{"features", "dead", 0, 5, "5 up to the branch that is taken, nothing for dead code"},
		{"features", "dead", 1, 9, "5, then drop, constant and branch"},
		{"features", "tail", 1, 17, "4 + 7 to the tail call, 6 in the callee"},
	} {
		res := instrument(t, read(t, "../testdata/"+c.file+".wasm"), meter.Config{Fuel: true})
		got := outcome(t, engines[0].config, res, c.export, c.arg).fuel
		if got != c.want {
			t.Errorf("%s.%s(%d): got %d fuel used, want %d: %s", c.file, c.export, c.arg, got, c.want, c.why)
		}
	}
}

// TestFuelOfBulkInstructionsDependsOnSize: memory.fill and memory.copy each cost 1 more
// for 64 bytes.
func TestFuelOfBulkInstructionsDependsOnSize(t *testing.T) {
	res := instrument(t, read(t, "../testdata/features.wasm"), meter.Config{Fuel: true})
	used := func(n uint64) int64 {
		return outcome(t, engines[0].config, res, "bulk", n).fuel
	}
	if got := used(6400) - used(0); got != 200 {
		t.Errorf("filling and copying 6400 bytes: got %d more fuel than for none, want 200", got)
	}
}

// TestEstimateIsNearTheFuel: without Config.Fuel, charges are an estimate. It is large
// enough for yields in time, and small enough for few of them.
func TestEstimateIsNearTheFuel(t *testing.T) {
	for _, c := range calls {
		if c.file != "compute" {
			continue
		}
		var used [2]int64
		for i, k := range configs[:2] {
			res := instrument(t, read(t, "../testdata/compute.wasm"), k.cfg)
			used[i] = outcome(t, engines[0].config, res, c.export, c.arg).fuel
		}
		if used[0] < used[1]/8 || used[0] > used[1]*8 {
			t.Errorf("%s(%d): got an estimate of %d, want it within 8 times of %d fuel", c.export, c.arg, used[0], used[1])
		}
	}
}

// TestWaysWithoutLoopsAreTested: a path has tests even if it jumps over all places where
// straight code has one.
func TestWaysWithoutLoopsAreTested(t *testing.T) {
	// block; 60 times i32.const 0, drop; br over an expensive rest; end
	piece := append([]byte{0x02, 0x40}, bytes.Repeat([]byte{0x41, 0, 0x1a}, 30)...)
	piece = append(piece, 0x41, 1, 0x0d, 0)
	piece = append(piece, bytes.Repeat([]byte{0x41, 0, 0x1a}, 300)...)
	piece = append(piece, 0x0b)
	bin := oneFunction(wasm.FuncType{}, append(bytes.Repeat(piece, 400), 0x0b)).Encode()
	for _, k := range configs {
		in := instantiate(t, engines[0].config, instrument(t, bin, k.cfg), nil)
		in.slice = 1
		in.budget(in.counter, 1<<40)
		if _, err := in.call(nil, "f"); err != nil {
			t.Fatal(err)
		}
		if in.lowest < -3*4096 {
			t.Errorf("%s: got %d fuel between two tests, want at most about 4096", k.name, -in.lowest)
		}
		if used := in.used(in.counter); used < 12_000 {
			t.Errorf("%s: got a charge of %d for 25,000 fuel", k.name, used)
		}
	}
}

func TestCostTable(t *testing.T) {
	table := meter.CostTable()
	for _, want := range []string{"| integer div and rem | 8 |", "| memory.grow | 1000 + 1 per 64 bytes |", "| all others | 1 |"} {
		if !strings.Contains(table, want) {
			t.Errorf("cost table: got no line %q in\n%s", want, table)
		}
	}
}
