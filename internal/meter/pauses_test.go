package meter_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// TestPausesComputeTheSame: code with pauses does what it did without; and there is a
// loop before each bulk operation, and nothing else is changed.
func TestPausesComputeTheSame(t *testing.T) {
	bulk := 0
	for _, c := range calls {
		bin := read(t, "testdata/"+c.file+".wasm")
		m := parse(t, bin)
		if err := meter.AddPauses(m); err != nil {
			t.Fatal(err)
		}
		for i, code := range parse(t, bin).Code {
			want := paused(t, &code, &bulk)
			if !bytes.Equal(m.Code[i].Expr, want) {
				t.Errorf("%s, function %d: got %x, want %x", c.file, i, m.Code[i].Expr, want)
			}
		}
		for _, e := range engines {
			want := outcome(t, e.config, plain(bin), c.export, c.arg)
			got := outcome(t, e.config, plain(m.Encode()), c.export, c.arg)
			if got.result != want.result || !bytes.Equal(got.memory, want.memory) {
				t.Errorf("%s.%s(%d), %s: got %d, want %d; memory equal: %t", c.file, c.export, c.arg,
					e.name, got.result, want.result, bytes.Equal(got.memory, want.memory))
			}
		}
	}
	if bulk < 5 {
		t.Errorf("%d bulk operations, want 5 at least", bulk)
	}
}

// paused is a function's code with pauses, put together anew.
func paused(t *testing.T, code *wasm.Code, bulk *int) (out []byte) {
	t.Helper()
	slow := []wasm.Opcode{0xfc08, 0xfc0a, 0xfc0b, 0xfc0c, 0xfc0e, 0xfc0f, 0xfc11}
	in := code.Instructions()
	starts := []int{}
	for in.Next() {
		if slices.Contains(slow, in.Op) {
			starts = append(starts, in.Start)
		}
	}
	*bulk += len(starts)
	for i, b := range code.Expr {
		if slices.Contains(starts, i) {
			out = append(out, 0x03, 0x40, 0x0b)
		}
		out = append(out, b)
	}
	return out
}

// TestPausesDropOffsets: custom sections that refer to offsets in code that is changed
// are dropped, and stay where no code is.
func TestPausesDropOffsets(t *testing.T) {
	for file, kept := range map[string]bool{"features": false, "crc": true} {
		m := parse(t, read(t, "testdata/"+file+".wasm"))
		m.Customs = append(m.Customs, wasm.Custom{Name: ".debug_line", After: 11})
		if err := meter.AddPauses(m); err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(m.Customs, func(c wasm.Custom) bool { return c.Name == ".debug_line" })
		if got != kept {
			t.Errorf("%s: the section is kept: %v, want %v", file, got, kept)
		}
	}
}
