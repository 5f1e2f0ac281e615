package metertest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

func TestInstrumentDoesNotChangeItsInput(t *testing.T) {
	for _, file := range []string{"compute", "features", "hostile", "crc"} {
		m := parse(t, read(t, "../testdata/"+file+".wasm"))
		before := m.Encode()
		cfg := meter.Config{Fuel: true, MaxTableElements: 10}
		if _, err := meter.Instrument(m, cfg); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.Encode(), before) {
			t.Errorf("%s: the module differs after Instrument", file)
		}
	}
}

func TestAddedNamesAreUnique(t *testing.T) {
	start := uint32(0)
	m := oneFunction(wasm.FuncType{}, []byte{0x0b})
	m.Start = &start
	m.Exports = []wasm.Export{
		{Name: "airhost:counter", Kind: wasm.KindFunc}, {Name: "airhost:counter-2", Kind: wasm.KindFunc},
		{Name: "airhost:start", Kind: wasm.KindFunc},
	}
	res, err := meter.Instrument(m, meter.Config{Fuel: true})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{res.CounterGlobal, res.StartExport}
	want := []string{"airhost:counter-3", "airhost:start-2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if out := parse(t, res.Module.Encode()); out.Start != nil {
		t.Errorf("start section: got function %d, want none", *out.Start)
	}
}

func TestLimits(t *testing.T) {
	big := wasm.Limits{Min: 3}
	for _, c := range []struct {
		name string
		mod  *wasm.Module
		cfg  meter.Config
		want *meter.LimitError
	}{
		{"table", &wasm.Module{Tables: []wasm.Table{{Elem: wasm.FuncRef, Limits: big}}}, meter.Config{MaxTableElements: 2},
			&meter.LimitError{Limit: meter.LimitTableElements, Declared: 3, Allowed: 2}},
		{"imported table", &wasm.Module{Imports: []wasm.Import{{Kind: wasm.KindTable, Table: wasm.Table{Elem: wasm.FuncRef, Limits: big}}}},
			meter.Config{MaxTableElements: 2}, &meter.LimitError{Limit: meter.LimitTableElements, Declared: 3, Allowed: 2}},
		{"second table", &wasm.Module{Tables: []wasm.Table{{Elem: wasm.FuncRef}, {Elem: wasm.FuncRef, Limits: big}}},
			meter.Config{MaxTableElements: 2},
			&meter.LimitError{Limit: meter.LimitTableElements, Index: 1, Declared: 3, Allowed: 2}},
	} {
		_, err := meter.Instrument(c.mod, c.cfg)
		var got *meter.LimitError
		if !errors.As(err, &got) || *got != *c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestMaximaAreLowered(t *testing.T) {
	m := &wasm.Module{
		Tables: []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Max: 99, HasMax: true}}, {Elem: wasm.FuncRef, Limits: wasm.Limits{Max: 5, HasMax: true}}},
	}
	res, err := meter.Instrument(m, meter.Config{MaxTableElements: 10})
	if err != nil {
		t.Fatal(err)
	}
	out := parse(t, res.Module.Encode())
	got := []uint64{out.Tables[0].Max, out.Tables[1].Max}
	if diff := cmp.Diff([]uint64{10, 5}, got); diff != "" {
		t.Errorf("maxima of two tables (-want +got):\n%s", diff)
	}
}

func TestCustomSectionsThatHoldAreKept(t *testing.T) {
	m := &wasm.Module{Customs: []wasm.Custom{
		{Name: "producers"}, {Name: ".debug_info"}, {Name: "sourceMappingURL"}, {Name: "metadata.code.branch_hint"},
		{Name: "name", Data: []byte{0, 2, 1, 'm', 3, 1, 0}},
		{Name: "name", Data: []byte{1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f}}, // claims 2^32-1 names
		{Name: "target_features"},
	}}
	res, err := meter.Instrument(m, meter.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range parse(t, res.Module.Encode()).Customs {
		got = append(got, c.Name+string(c.Data))
	}
	want := []string{"producers", "name\x00\x02\x01m", "target_features"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("custom sections (-want +got):\n%s", diff)
	}
}

func TestBadInstructionsAreNamedByOffset(t *testing.T) {
	for _, c := range []struct {
		name   string
		expr   []byte
		offset int // in expr
	}{
		{"unknown opcode", []byte{0x01, 0x27, 0x0b}, 1},
		{"unknown vector opcode", []byte{0xfd, 0x94, 0x02, 0x40, 0x0b}, 0},
		{"vector opcode in a longer encoding", []byte{0xfd, 0x82, 0x00, 0x40, 0x0b}, 0},
		{"label out of range", []byte{0x0c, 0x01, 0x0b}, 1},
		{"branch to the end of a try_table", []byte{0x1f, 0x40, 0, 0x0c, 0, 0x0b, 0x0b}, 3},
		{"code after the end", []byte{0x0b, 0x01, 0x0b}, 1},
		{"no end", []byte{0x02, 0x40, 0x0b}, 3},
	} {
		bin := oneFunction(wasm.FuncType{}, c.expr).Encode()
		m := parse(t, bin)
		_, err := meter.Instrument(m, meter.Config{})
		var got *wasm.FormatError
		if want := m.Code[0].Offset + c.offset; !errors.As(err, &got) || got.Offset != want {
			t.Errorf("%s: got %v, want a FormatError at %#x", c.name, err, want)
		}
	}
}

// TestStraightCodeIsTested: long code without loops and calls has tests.
func TestStraightCodeIsTested(t *testing.T) {
	expr := append(bytes.Repeat([]byte{0x41, 0, 0x1a}, 100_000), 0x0b) // i32.const 0, drop
	for _, k := range configs {
		res := instrument(t, oneFunction(wasm.FuncType{}, expr).Encode(), k.cfg)
		got := bytes.Count(parse(t, res.Module.Encode()).Code[0].Expr, []byte{0x04, 0x40, 0x10, 2, 0x0b})
		if want := 200_000 / 4096; got < want {
			t.Errorf("%s: 200,000 instructions: got %d tests, want at least %d", k.name, got, want)
		}
	}
}
