package metertest

import (
	"errors"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

func TestCallsTakeTheBytesOfTheirFrames(t *testing.T) {
	const deep, wide = 32, 32 + 64*8
	for _, c := range []struct {
		export string
		allow  int64 // bytes
		want   int   // calls
	}{
		{"deep", deep, 1}, {"deep", 100 * deep, 100}, {"deep", 1500*deep + 31, 1500},
		{"wide", 33 * wide, 33}, {"wide", wide - 1, 0}, {"wide", 200 * wide, 200},
	} {
		for _, fuel := range []bool{false, true} {
			res := instrument(t, read(t, "../testdata/depth.wasm"), meter.Config{Fuel: fuel, Stack: true})
			for _, e := range engines {
				got := 0
				in := instantiate(t, e.config, res, func() { got++ })
				in.budget(in.counter, 1<<40)
				in.ExportedGlobal(res.StackGlobal).(api.MutableGlobal).Set(uint64(c.allow))
				in.stack = 0
				if _, err := in.call(res, c.export); !errors.Is(err, errTooDeep) || got != c.want {
					t.Errorf("%s on %s, %d bytes allowed: got %v after %d, want too deep after %d",
						c.export, e.name, c.allow, err, got, c.want)
				}
			}
		}
	}
}

// TestCallsThatAreLeftAreNotOpen: a call is not open any more after its function has
// ended, in whichever way.
func TestCallsThatAreLeftAreNotOpen(t *testing.T) {
	bin := read(t, "../testdata/depth.wasm")
	for _, e := range engines {
		want, err := instantiate(t, e.config, plain(bin), func() {}).call(nil, "all", 2000)
		if err != nil {
			t.Fatal(err)
		}
		for _, fuel := range []bool{false, true} {
			res := instrument(t, bin, meter.Config{Fuel: fuel, Stack: true})
			in := instantiate(t, e.config, res, func() {})
			in.budget(in.counter, 1<<40)
			in.stack = 400
			if got, err := in.call(res, "all", 2000); err != nil || got[0] != want[0] {
				t.Errorf("%s: got %v, %v; want %v with 400 bytes of open calls", e.name, got, err, want)
			}
		}
	}
}

// TestCallsThatThrewAreNotOpen: the calls that an exception has ended are not open any
// more where it is caught.
func TestCallsThatThrewAreNotOpen(t *testing.T) {
	i32 := []wasm.ValueType{wasm.I32}
	caughtByBlock := []byte{
		0x03, 0x40, // loop
		0x02, 0x40, // block
		0x1f, 0x40, 1, 2, 0, // try_table (catch_all 0)
		0x10, 1, // call 1
		0x0b, 0x0b,
		0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, // local 0 -= 1, br_if 0
		0x0b, 0x20, 0, 0x0b,
	}
	caughtByLoop := []byte{
		0x02, 0x40, 0x03, 0x40, // block, loop
		0x20, 0, 0x45, 0x0d, 1, // br_if 1 if local 0 is 0
		0x20, 0, 0x41, 1, 0x6b, 0x21, 0, // local 0 -= 1
		0x1f, 0x40, 1, 2, 0, // try_table (catch_all 0)
		0x10, 1, // call 1
		0x0b, 0x0b, 0x0b, 0x20, 0, 0x0b,
	}
	for name, expr := range map[string][]byte{"block": caughtByBlock, "loop": caughtByLoop} {
		m := oneFunction(wasm.FuncType{Params: i32, Results: i32}, expr)
		m.Types = append(m.Types, wasm.FuncType{})
		m.Tags = []uint32{1}
		m.Functions = []uint32{0, 1, 1}
		m.Code = append(m.Code, wasm.Code{Expr: []byte{0x10, 2, 0x0b}}, wasm.Code{Expr: []byte{0x08, 0, 0x0b}})
		for _, e := range engines {
			for _, fuel := range []bool{false, true} {
				res := instrument(t, m.Encode(), meter.Config{Fuel: fuel, Stack: true})
				in := instantiate(t, e.config, res, nil)
				in.budget(in.counter, 1<<40)
				in.stack = 200
				if got, err := in.call(res, "f", 1000); err != nil || got[0] != 0 {
					t.Errorf("caught by a %s on %s: got %v, %v; want 0", name, e.name, got, err)
				}
			}
		}
	}
}
