package wasm_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/airhost/airhost/internal/wasm"
)

func TestElementSegmentsAreReadAndWritten(t *testing.T) {
	m := callers()
	at, f := []byte{0x41, 1, 0x0b}, []byte{0xd2, 127, 0x0b}
	null, g := []byte{0xd0, 0x70, 0x0b}, []byte{0xd2, 0, 0x0b}
	want := []wasm.ElementSegment{
		{Offset: at, Type: wasm.FuncRef, Functions: []uint32{127, 0}},
		{Mode: wasm.SegmentPassive, Type: wasm.FuncRef, Functions: []uint32{127}},
		{Offset: at, Type: wasm.FuncRef, Functions: []uint32{127}},
		{Mode: wasm.SegmentDeclares, Type: wasm.FuncRef, Functions: []uint32{127}},
		{Offset: at, Type: wasm.FuncRef, Exprs: [][]byte{f}},
		{Mode: wasm.SegmentPassive, Type: wasm.FuncRef, Exprs: [][]byte{f, null}},
		{Offset: at, Type: wasm.FuncRef, Exprs: [][]byte{f}},
		{Mode: wasm.SegmentDeclares, Type: wasm.FuncRef, Exprs: [][]byte{g}},
	}
	if diff := cmp.Diff(want, m.ElementSegments()); diff != "" {
		t.Fatalf("segments (-want +got):\n%s", diff)
	}
	externs := wasm.ElementSegment{Table: 3, Offset: at, Type: wasm.ExternRef, Exprs: [][]byte{{0xd0, 0x6f, 0x0b}}}
	other := wasm.ElementSegment{Table: 200, Offset: at, Type: wasm.FuncRef, Functions: []uint32{5}}
	empty := wasm.ElementSegment{Mode: wasm.SegmentPassive, Type: wasm.FuncRef}
	want = append(want, externs, other, empty)
	m.Elements = wasm.Segments{}
	for i, s := range want {
		if got := m.AddElements(s); got != uint32(i) {
			t.Errorf("index: got %d, want %d", got, i)
		}
	}
	if diff := cmp.Diff(want, m.ElementSegments(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("written and read (-want +got):\n%s", diff)
	}
	m.Tables = make([]wasm.Table, 201)
	for i := range m.Tables {
		m.Tables[i].Elem = wasm.FuncRef
	}
	if _, err := wasm.Parse(m.Encode()); err != nil {
		t.Errorf("encoded: got %v, want it to parse", err)
	}
}

func TestDataSegmentsAreReadAndWritten(t *testing.T) {
	m := &wasm.Module{Memories: []wasm.Limits{{Min: 1}}, Data: wasm.Segments{Count: 3, Raw: []byte{0, 0x41, 7, 0x0b, 1, 'a', 1, 0, 2, 0, 0x41, 9, 0x0b, 1, 'c'}}}
	want := []wasm.DataSegment{
		{Offset: []byte{0x41, 7, 0x0b}, Content: []byte("a")}, {Mode: wasm.SegmentPassive, Content: []byte{}},
		{Offset: []byte{0x41, 9, 0x0b}, Content: []byte("c")},
	}
	if diff := cmp.Diff(want, m.DataSegments()); diff != "" {
		t.Fatalf("segments (-want +got):\n%s", diff)
	}
	m.Data = wasm.Segments{}
	for _, s := range want {
		m.AddData(s)
	}
	if want := []byte{0, 0x41, 7, 0x0b, 1, 'a', 1, 0, 0, 0x41, 9, 0x0b, 1, 'c'}; !bytes.Equal(m.Data.Raw, want) {
		t.Errorf("written: got % x, want % x", m.Data.Raw, want)
	}
}

// TestIndicesHaveSpaces: each instruction with an index says which list the index numbers.
// A code that renumbers would pass over the index of any other.
func TestIndicesHaveSpaces(t *testing.T) {
	for _, op := range wasm.Opcodes() {
		expr := []byte{byte(op)}
		if prefix := byte(op >> 8); prefix != 0 {
			expr = wasm.AppendIndex([]byte{prefix}, uint32(op&0xff))
		}
		start := len(expr)
		c := wasm.Code{Expr: append(expr, make([]byte, 16)...)}
		in := c.Instructions()
		if !in.Next() {
			continue
		}
		first, second := op.Spaces()
		block := op == wasm.OpBlock || op == wasm.OpLoop || op == wasm.OpIf || op == wasm.OpTryTable
		if got := first != wasm.SpaceNone; got != (in.IndexAt == start) && !block {
			t.Errorf("%#x: got %v for the first index", op, first)
		}
		// A second index is an index of a table; the other bytes are zeros.
		c.Expr = append(expr[:start:start], 1, 1, 0, 0)
		if in = c.Instructions(); in.Next() && first != wasm.SpaceNone && in.Second == 1 != (second != wasm.SpaceNone) {
			t.Errorf("%#x: got %v for the second index", op, second)
		}
	}
}

func TestInstructionsThatUseMemory(t *testing.T) {
	for op, want := range map[wasm.Opcode]bool{
		0x27: false, 0x28: true, 0x3e: true, 0x3f: true, 0x40: true, 0x41: false, 0xfc07: false, 0xfc08: true, 0xfc09: false, 0xfc0a: true,
		0xfc0b: true, 0xfc0c: false, 0xfd00: true, 0xfd0b: true, 0xfd0c: false, 0xfd54: true, 0xfd5c: true, 0xfd5e: false, 0xfe00: true, 0xfe03: false, 0xfe10: true,
	} {
		if got := op.UsesMemory(); got != want {
			t.Errorf("%#x: got %v, want %v", op, got, want)
		}
	}
}

func TestConstantsAreDecoded(t *testing.T) {
	for _, want := range []int64{0, -1, 63, 64, -64, -65, 1 << 31, -1 << 31, 1<<63 - 1, -1 << 63} {
		if got := wasm.Signed(wasm.AppendSigned(nil, want)); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}

func TestNamesAreWrittenInOrder(t *testing.T) {
	m := &wasm.Module{}
	m.AddFuncNames([]wasm.FuncName{{Index: 300, Name: "c"}, {Index: 2, Name: "b"}, {Index: 300, Name: "d"}, {Index: 0, Name: "a"}})
	want := []wasm.FuncName{{Index: 0, Name: "a"}, {Index: 2, Name: "b"}, {Index: 300, Name: "c"}}
	if diff := cmp.Diff(want, m.FuncNames()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if _, ok := m.Customs[0].StableNames(); !ok {
		t.Error("engines would not accept the names")
	}
	m.Customs[0].Data = m.Customs[0].Data[:len(m.Customs[0].Data)-1]
	if got := m.FuncNames(); len(got) != 0 {
		t.Errorf("a section that is cut short: got %v, want none", got)
	}
}
