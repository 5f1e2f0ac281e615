package wasm_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/wasm"
)

// callers has 128 functions, of which the first is imported. It refers to the first and
// the last one in every possible place.
func callers() *wasm.Module {
	start := uint32(127)
	m := &wasm.Module{
		Types:     []wasm.FuncType{{}},
		Imports:   []wasm.Import{{Module: "m", Name: "f", Kind: wasm.KindFunc}},
		Functions: make([]uint32, 127),
		Tables:    []wasm.Table{{Elem: wasm.FuncRef, Init: []byte{0xd2, 127, 0x0b}}},
		Globals:   []wasm.Global{{Type: wasm.GlobalType{Value: wasm.FuncRef}, Init: []byte{0xd2, 127, 0x0b}}},
		Exports:   []wasm.Export{{Name: "a", Index: 127}, {Name: "b", Index: 0}, {Name: "c", Kind: wasm.KindTable}},
		Start:     &start,
		Elements: wasm.Segments{Count: 8, Raw: bytes.Join([][]byte{
			{0, 0x41, 1, 0x0b, 2, 127, 0},
			{1, 0, 1, 127},
			{2, 0, 0x41, 1, 0x0b, 0, 1, 127},
			{3, 0, 1, 127},
			{4, 0x41, 1, 0x0b, 1, 0xd2, 127, 0x0b},
			{5, 0x70, 2, 0xd2, 127, 0x0b, 0xd0, 0x70, 0x0b},
			{6, 0, 0x41, 1, 0x0b, 0x70, 1, 0xd2, 127, 0x0b},
			{7, 0x70, 1, 0xd2, 0, 0x0b},
		}, nil)},
		Customs: []wasm.Custom{{Name: "name", Data: []byte{
			0, 2, 1, 'm', // the module
			1, 7, 2, 0, 1, 'f', 127, 1, 'g',
			2, 6, 1, 127, 1, 0, 1, 'x', // a local of 127
		}}},
	}
	for range m.Functions {
		m.Code = append(m.Code, wasm.Code{Expr: []byte{0x0b}})
	}
	return m
}

func TestAddFuncImportRenumbers(t *testing.T) {
	m, before := callers(), callers().Encode()
	out := *m
	if got := out.AddFuncImport("n", "g", 0); got != 1 {
		t.Errorf("index of the import: got %d, want 1", got)
	}
	two := []byte{0x80, 1} // 128
	wantRaw := bytes.ReplaceAll(m.Elements.Raw, []byte{127}, two)
	if !bytes.Equal(out.Elements.Raw, wantRaw) {
		t.Errorf("element segments: got % x, want % x", out.Elements.Raw, wantRaw)
	}
	wantNames := []byte{0, 2, 1, 'm', 1, 8, 2, 0, 1, 'f', 0x80, 1, 1, 'g', 2, 7, 1, 0x80, 1, 1, 0, 1, 'x'}
	if !bytes.Equal(out.Customs[0].Data, wantNames) {
		t.Errorf("names: got % x, want % x", out.Customs[0].Data, wantNames)
	}
	expr := []byte{0xd2, 0x80, 1, 0x0b}
	if !bytes.Equal(out.Globals[0].Init, expr) || !bytes.Equal(out.Tables[0].Init, expr) {
		t.Errorf("initial values: got % x and % x, want % x", out.Globals[0].Init, out.Tables[0].Init, expr)
	}
	indices := []uint32{*out.Start, out.Exports[0].Index, out.Exports[1].Index, out.Exports[2].Index}
	if diff := cmp.Diff([]uint32{128, 128, 0, 0}, indices); diff != "" {
		t.Errorf("start function and exports (-want +got):\n%s", diff)
	}
	if !bytes.Equal(m.Encode(), before) {
		t.Error("the module that shares with it was changed")
	}
	if _, err := wasm.Parse(out.Encode()); err != nil {
		t.Errorf("encoded: got %v, want it to parse", err)
	}
}

func TestWhatLaterSectionsReferToIsChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		mod  wasm.Module
	}{
		{"function in a global", wasm.Module{Globals: []wasm.Global{
			{Type: wasm.GlobalType{Value: wasm.FuncRef}, Init: []byte{0xd2, 0, 0x0b}}}}},
		{"global in a global", wasm.Module{Globals: []wasm.Global{
			{Type: wasm.GlobalType{Value: wasm.I32}, Init: []byte{0x23, 1, 0x0b}}}}},
		{"function in an element segment", wasm.Module{Elements: wasm.Segments{Count: 1, Raw: []byte{1, 0, 1, 0}}}},
		{"start function with a parameter", wasm.Module{Start: new(uint32), Functions: []uint32{0},
			Types: []wasm.FuncType{{Params: []wasm.ValueType{wasm.I32}}}, Code: []wasm.Code{{Expr: []byte{0x0b}}}}},
		{"type of a table", wasm.Module{Tables: []wasm.Table{{Elem: wasm.ValueType{Code: wasm.RefNull}}}}},
	} {
		var got *wasm.FormatError
		if _, err := wasm.Parse(c.mod.Encode()); !errors.As(err, &got) {
			t.Errorf("%s: got %v, want a FormatError", c.name, err)
		}
	}
}

func TestInstructionsGiveIndices(t *testing.T) {
	// call 300, block (type 5) end, call_indirect 2 0, nop, end
	c := wasm.Code{Expr: []byte{0x10, 0xac, 2, 0x02, 5, 0x0b, 0x11, 2, 0, 0x01, 0x0b}}
	var got [][2]int
	for in := c.Instructions(); in.Next(); {
		if in.IndexAt != 0 {
			got = append(got, [2]int{int(in.Index), in.IndexAt})
		}
	}
	if diff := cmp.Diff([][2]int{{300, 1}, {5, 4}, {2, 7}}, got); diff != "" {
		t.Errorf("indices and where they are (-want +got):\n%s", diff)
	}
}
