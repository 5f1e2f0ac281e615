package wasm

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestBounds parses modules that meet each bound of Parse, and modules that exceed it
// by one.
func TestBounds(t *testing.T) {
	global := func(n int) []Global {
		add := slices.Repeat([]byte{opI64Const, 1, opI64Add}, n)
		return []Global{{Type: GlobalType{Value: I64}, Init: slices.Concat([]byte{opI64Const, 1}, add, []byte{opEnd})}}
	}
	group := func(n int) []FuncType { return append([]FuncType{{Rec: uint32(n)}}, make([]FuncType, n-1)...) }
	for limit, c := range map[string]struct{ met, exceeded Module }{
		"types":      {Module{Types: group(100_000)}, Module{Types: append(group(99_000), group(1001)...)}},
		"parameters": {Module{Types: []FuncType{{Params: values(1000)}}}, Module{Types: []FuncType{{Params: values(1001)}}}},
		"results":    {Module{Types: []FuncType{{Results: values(1000)}}}, Module{Types: []FuncType{{Results: values(1001)}}}},
		"parameters of all types": {
			Module{Types: slices.Repeat([]FuncType{{Params: values(1000)}}, 1000)},
			Module{Types: slices.Repeat([]FuncType{{Params: values(1000)}}, 1001)},
		},
		"globals":                               {Module{Globals: slices.Repeat(global(0), 250_000)}, Module{Globals: slices.Repeat(global(0), 250_001)}},
		"instructions of a constant expression": {Module{Globals: global(499)}, Module{Globals: global(500)}},
		"elements of all segments":              {elements(1_000_000), elements(1_000_001)},
		"custom sections":                       {Module{Customs: make([]Custom, 100_000)}, Module{Customs: make([]Custom, 100_001)}},
		"bytes of names":                        {Module{Customs: named(8)}, Module{Customs: named(9)}},
	} {
		if _, err := Parse(c.met.Encode()); err != nil {
			t.Errorf("%s, met: %v", limit, err)
		}
		_, err := Parse(c.exceeded.Encode())
		var got *LimitError
		if !errors.As(err, &got) || got.Limit != limit || got.Got <= got.Max {
			t.Errorf("%s, exceeded: got %v", limit, err)
		}
	}
}

func values(n int) []ValueType { return slices.Repeat([]ValueType{I64}, n) }

func elements(n int) Module {
	segment := append(appendU32([]byte{1, 0}, uint32(n)), make([]byte, n)...)
	return Module{Types: make([]FuncType, 1), Functions: []uint32{0}, Code: []Code{{Expr: []byte{opEnd}}}, Elements: Segments{Count: 1, Raw: segment}}
}

func named(n int) []Custom { return slices.Repeat([]Custom{{Name: strings.Repeat("x", 1<<20)}}, n) }

// TestParametersAllocateNothing reads a type with a million parameters.
func TestParametersAllocateNothing(t *testing.T) {
	m := Module{Types: []FuncType{{Params: values(1_000_000)}}}
	code := m.Encode()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = Parse(code)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 100_000 {
		t.Errorf("it allocated %d bytes", got)
	}
}

// TestJumpTables: a jump table has at most maxLabels labels.
func TestJumpTables(t *testing.T) {
	for n, want := range map[int]bool{maxLabels: true, maxLabels + 1: false} {
		expr := append(appendU32([]byte{0x41, 0, byte(OpBrTable)}, uint32(n)), make([]byte, n+1)...)
		in := (&Code{Expr: append(expr, opEnd)}).Instructions()
		for in.Next() {
		}
		if (in.Err() == nil) != want {
			t.Errorf("%d labels: %v", n, in.Err())
		}
	}
}

// TestTypeIsShort: the text of a type is short, and complete if the type is short.
func TestTypeIsShort(t *testing.T) {
	many := slices.Repeat([]ValueType{{Code: RefNull, Heap: 123456}}, 1000)
	for want, typ := range map[string]FuncType{
		"(i32, i32) -> i64": {Params: []ValueType{I32, I32}, Results: []ValueType{I64}},
		"(i64, i64, i64, i64, i64, … 999,995 more) -> ()": {Params: values(1_000_000)},
	} {
		if got := typ.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := (FuncType{Params: many, Results: many}).String(); len(got) > 140 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// TestStackHeights follows the height of the operand stack through code.
func TestStackHeights(t *testing.T) {
	m := Module{
		Types:     []FuncType{{Results: []ValueType{I32}}, {Params: []ValueType{I32, I32}, Results: []ValueType{I32}}},
		Functions: []uint32{0, 1},
	}
	code := Code{Expr: []byte{
		0x41, 1, 0x41, 2, 0x10, 1, // two constants, a call: 1, 2, 1
		0x02, 0x40, 0x41, 0, 0x0d, 0, 0x0b, // a block with a branch: 1, 2, 1, 1
		0x41, 1, 0x41, 2, 0x1b, // select: 2, 3, 1
		0x04, 0x7f, 0x41, 5, 0x05, 0x00, 0x0b, // if, else unreachable: 0, 1, 0, 0, 1
		0x0b,
	}}
	want := []int{1, 2, 1, 1, 2, 1, 1, 2, 3, 1, 0, 1, 0, 0, 1, 1}
	var s Stack
	var got []int
	s.Start(m.CodeTypes(), 0)
	in := code.Instructions()
	for in.Next() {
		s.Step(&in)
		got = append(got, s.Height)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v, %v", got, want, in.Err())
	}
}
