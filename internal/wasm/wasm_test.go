package wasm_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/airhost/airhost/internal/wasm"
)

const header = "\x00asm\x01\x00\x00\x00"

// full returns a module with every section.
func full() *wasm.Module {
	zero, one := uint32(0), uint32(1)
	i32 := []byte{0x41, 0, 0x0b}
	ref := wasm.ValueType{Code: wasm.RefNull, Heap: 0}
	return &wasm.Module{
		Types: []wasm.FuncType{
			{},
			{Params: []wasm.ValueType{wasm.I32, wasm.I32}, Results: []wasm.ValueType{wasm.I32}, Rec: 2},
			{Params: []wasm.ValueType{ref}, Results: []wasm.ValueType{wasm.F64, wasm.V128}},
		},
		Imports: []wasm.Import{
			{Module: "env", Name: "f", Kind: wasm.KindFunc, Type: 1},
			{Module: "env", Name: "t", Kind: wasm.KindTable, Table: wasm.Table{Elem: wasm.ExternRef}},
			{Module: "env", Name: "m", Kind: wasm.KindMemory, Memory: wasm.Limits{Min: 1, Max: 2, HasMax: true, Shared: true}},
			{Module: "env", Name: "g", Kind: wasm.KindGlobal, Global: wasm.GlobalType{Value: wasm.I64}},
			{Module: "env", Name: "x", Kind: wasm.KindTag, Type: 2},
		},
		Functions: []uint32{0},
		Tables:    []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 200}, Init: []byte{0xd0, 0x70, 0x0b}}},
		Memories:  []wasm.Limits{{Min: 1 << 33, Is64: true}},
		Tags:      []uint32{0},
		Globals:   []wasm.Global{{Type: wasm.GlobalType{Value: wasm.I32, Mutable: true}, Init: i32}},
		Exports:   []wasm.Export{{Name: "run", Kind: wasm.KindFunc, Index: 1}, {Name: "g", Kind: wasm.KindGlobal, Index: 1}},
		Start:     &one,
		Elements:  wasm.Segments{Count: 2, Raw: []byte{0, 0x41, 0, 0x0b, 1, 1, 5, 0x70, 1, 0xd2, 0, 0x0b}},
		DataCount: &zero,
		Code:      []wasm.Code{{Groups: 1, Decls: []byte{3, 0x7e}, Locals: 3, Expr: []byte{0x01, 0x0b}}},
		Customs:   []wasm.Custom{{Name: "first", Data: []byte{1}}, {Name: "name", Data: []byte{}, After: 11}},
	}
}

var ignoreOffset = cmpopts.IgnoreFields(wasm.Code{}, "Offset")

func TestParseReadsWhatEncodeWrote(t *testing.T) {
	want := full()
	got, err := wasm.Parse(want.Encode())
	if err != nil {
		t.Fatal(err)
	}
	// The last section before the name section is the code.
	want.Customs[1].After = 10
	want.Features = wasm.Exceptions.Set() | wasm.TypedReferences.Set() | wasm.Memory64.Set() | wasm.Threads.Set() | wasm.GC.Set()
	if diff := cmp.Diff(want, got, ignoreOffset, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("module (-want +got):\n%s", diff)
	}
	if got, want := got.Len(wasm.KindFunc), 2; got != want {
		t.Errorf("functions: got %d, want %d", got, want)
	}
	if diff := cmp.Diff([]uint32{1, 0}, got.FuncTypes()); diff != "" {
		t.Errorf("function types (-want +got):\n%s", diff)
	}
}

func TestSignatures(t *testing.T) {
	m := full()
	for i, want := range []string{"() -> ()", "(i32, i32) -> i32", "((ref null 0)) -> (f64, v128)"} {
		if got := m.Types[i].String(); got != want {
			t.Errorf("type %d: got %s, want %s", i, got, want)
		}
	}
	if m.Types[0].Equal(m.Types[1]) || !m.Types[1].Equal(wasm.FuncType{Params: m.Types[1].Params, Results: m.Types[1].Results}) {
		t.Error("Equal: got types 0 and 1 equal, or type 1 unequal to one of the same parameters and results")
	}
}

func TestKindsOfInput(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"empty", "", wasm.ErrNotWasm},
		{"text", "(module)", wasm.ErrNotWasm},
		{"component", "\x00asm\x0d\x00\x01\x00", wasm.ErrComponentModel},
		{"module", header, nil},
	} {
		if _, err := wasm.Parse([]byte(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestMalformedInputIsNamedByOffset(t *testing.T) {
	for _, c := range []struct {
		name, in string
		offset   int
	}{
		{"short header", "\x00asm\x01", 5},
		{"version 2", "\x00asm\x02\x00\x00\x00", 4},
		{"section longer than the file", header + "\x01\x05\x00", 8},
		{"unknown section", header + "\x0e\x00", 8},
		{"sections out of order", header + "\x03\x01\x00\x01\x01\x00", 11},
		{"2^32-1 types in no bytes", header + "\x01\x05\xff\xff\xff\xff\x0f", 10},
		{"number of 33 bits", header + "\x01\x05\xff\xff\xff\xff\x1f", 10},
		{"unknown type", header + "\x01\x03\x01\x5c\x00", 11},
		{"unknown value type", header + "\x01\x05\x01\x60\x01\x10\x00", 13},
		{"type index out of range", header + "\x03\x02\x01\x00", 11},
		{"bytes after a section's content", header + "\x01\x02\x00\x00", 11},
		{"export name that is not UTF-8", header + "\x07\x05\x01\x01\xff\x00\x00", 11},
		{"function without a body", header + "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00", 18},
		{"body without an end", header + "\x0a\x05\x01\x03\x00\x01\x01", 15},
		{"2^32 locals", header + "\x0a\x10\x01\x0e\x02\xff\xff\xff\xff\x0f\x7f\xff\xff\xff\xff\x0f\x7f\x0b", 19},
	} {
		_, err := wasm.Parse([]byte(c.in))
		var got *wasm.FormatError
		if !errors.As(err, &got) || got.Offset != c.offset {
			t.Errorf("%s: got %v, want a FormatError at %#x", c.name, err, c.offset)
		}
	}
}

// TestHostileCountsDoNotAllocate: Parse must not allocate memory for entries that are
// claimed and do not exist.
func TestHostileCountsDoNotAllocate(t *testing.T) {
	for section := byte(1); section <= 13; section++ {
		in := append([]byte(header), section, 5, 0xff, 0xff, 0xff, 0xff, 0x0f)
		got := testing.AllocsPerRun(1, func() { wasm.Parse(in) })
		if want := 16.0; got > want {
			t.Errorf("section %d with 2^32-1 entries: got %v allocations, want at most %v", section, got, want)
		}
	}
}

func TestInstructionsGiveLabels(t *testing.T) {
	// block, br_table 0 1 default 0, end, end
	c := wasm.Code{Expr: []byte{0x02, 0x40, 0x0e, 2, 0, 1, 0, 0x0b, 0x0b}}
	var got [][]uint32
	in := c.Instructions()
	for in.Next() {
		got = append(got, append([]uint32{uint32(in.Op), uint32(in.Depth)}, in.Labels...))
	}
	want := [][]uint32{{0x02, 2}, {0x0e, 2, 0, 1, 0}, {0x0b, 1}, {0x0b, 0}}
	if diff := cmp.Diff(want, got); diff != "" || in.Err() != nil {
		t.Errorf("instructions (-want +got), error %v:\n%s", in.Err(), diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(header))
	f.Add(full().Encode())
	files, _ := filepath.Glob("../meter/testdata/*.wasm")
	for _, file := range files {
		bin, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bin)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := wasm.Parse(in)
		if err != nil {
			return
		}
		once := m.Encode()
		again, err := wasm.Parse(once)
		if err != nil {
			t.Fatalf("encoded module: got %v, want it to parse", err)
		}
		if twice := again.Encode(); !bytes.Equal(once, twice) {
			t.Errorf("encoded again: got % x, want % x", twice, once)
		}
		for i := range m.Code {
			for in := m.Code[i].Instructions(); in.Next(); {
			}
		}
		for _, c := range m.Customs {
			c.StableNames()
		}
	})
}
