package metertest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// TestPausesComputeTheSame: code with pauses has the same results as before. It has no
// instruction left that may take long. A short function that calls nothing does not
// change.
func TestPausesComputeTheSame(t *testing.T) {
	replaced := 0
	for _, c := range calls {
		bin := read(t, "../testdata/"+c.file+".wasm")
		m := parse(t, bin)
		if _, err := meter.AddPauses(m); err != nil {
			t.Fatal(err)
		}
		for i, code := range parse(t, bin).Code {
			slow, calls := count(&code)
			replaced += slow
			if left, _ := count(&m.Code[i]); left > 0 {
				t.Errorf("%s, function %d: %d slow instructions are left", c.file, i, left)
			}
			if slow+calls == 0 && !bytes.Equal(m.Code[i].Expr, code.Expr) {
				t.Errorf("%s, function %d: got %x, want %x", c.file, i, m.Code[i].Expr, code.Expr)
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
	if replaced < 5 {
		t.Errorf("%d slow instructions, want 5 at least", replaced)
	}
}

// count returns the numbers of slow instructions and calls in a function.
func count(code *wasm.Code) (slow, calls int) {
	all := []wasm.Opcode{0x40, 0xfc08, 0xfc0a, 0xfc0b, 0xfc0c, 0xfc0e, 0xfc0f, 0xfc11}
	in := code.Instructions()
	for in.Next() {
		if slices.Contains(all, in.Op) {
			slow++
		}
		if in.Op == wasm.OpCall || in.Op == wasm.OpCallIndirect {
			calls++
		}
	}
	return slow, calls
}

// TestPausesInStraightCode: long code without loops pauses on every path.
func TestPausesInStraightCode(t *testing.T) {
	piece := append([]byte{0x02, 0x40}, bytes.Repeat([]byte{0x41, 0, 0x1a}, 500)...)
	piece = append(piece, 0x41, 1, 0x0d, 0, 0x0b) // a branch over nothing
	m := oneFunction(wasm.FuncType{}, append(bytes.Repeat(piece, 100), 0x0b))
	if _, err := meter.AddPauses(m); err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(m.Code[0].Expr, []byte{0x03, 0x40, 0x0b}); got < 90 {
		t.Errorf("100,000 instructions: got %d pauses, want one about every 1,000", got)
	}
}

// TestPausesDropOffsets: custom sections that refer to offsets in the code are dropped if
// the code changes, and stay otherwise.
func TestPausesDropOffsets(t *testing.T) {
	for file, kept := range map[string]bool{"features": false, "nothing slow": true} {
		m := oneFunction(wasm.FuncType{}, []byte{0x0b})
		if !kept {
			m = parse(t, read(t, "../testdata/"+file+".wasm"))
		}
		m.Customs = append(m.Customs, wasm.Custom{Name: ".debug_line", After: 11})
		if _, err := meter.AddPauses(m); err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(m.Customs, func(c wasm.Custom) bool { return c.Name == ".debug_line" })
		if got != kept {
			t.Errorf("%s: the section is kept: %v, want %v", file, got, kept)
		}
	}
}
