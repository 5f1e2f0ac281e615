package wasm

import (
	"fmt"
	"slices"
	"strconv"
)

// ValueType is the type of a value. A reference type keeps the form in which it was
// written, short or long, so that one type may have two values, which are not equal by
// ==: funcref and (ref null func).
type ValueType struct {
	Code byte  // first byte of the encoding
	Heap int32 // RefNull and Ref: type index, or a negative abstract heap type
}

// The value types with a name of their own.
var (
	I32       = ValueType{Code: 0x7f}
	I64       = ValueType{Code: 0x7e}
	F32       = ValueType{Code: 0x7d}
	F64       = ValueType{Code: 0x7c}
	V128      = ValueType{Code: 0x7b}
	FuncRef   = ValueType{Code: 0x70}
	ExternRef = ValueType{Code: 0x6f}
	ExnRef    = ValueType{Code: 0x69}
)

// First bytes of reference types that a heap type follows.
const (
	RefNull = 0x63 // may be null
	Ref     = 0x64 // is never null
)

// Abstract heap types, as signed numbers.
const (
	heapFunc   = -0x10
	heapExtern = -0x11
	heapExn    = -0x17
)

var valueNames = map[byte]string{
	0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64", 0x7b: "v128",
	0x70: "funcref", 0x6f: "externref", 0x69: "exnref",
}

// String returns the type as the text format writes it.
func (t ValueType) String() string {
	switch t.Code {
	case RefNull:
		return "(ref null " + heapName(t.Heap) + ")"
	case Ref:
		return "(ref " + heapName(t.Heap) + ")"
	}
	return valueNames[t.Code]
}

func heapName(h int32) string {
	switch h {
	case heapFunc:
		return "func"
	case heapExtern:
		return "extern"
	case heapExn:
		return "exn"
	}
	return fmt.Sprint(h)
}

// FuncType is a function's signature.
type FuncType struct {
	Params, Results []ValueType

	// Rec is the number of types in the recursive group that begins with this
	// type; 0 if no group begins here.
	Rec uint32
}

// String returns the signature in the form (i32, i64) -> f32, in about 100 bytes at
// most: (i32, i32, i32, i32, … 996 more) -> i32. No result is (), and two results are
// (i32, i32).
func (t FuncType) String() string {
	results := typeList(t.Results)
	if len(t.Results) == 1 {
		results = t.Results[0].String()
	}
	return typeList(t.Params) + " -> " + results
}

// Bounds for the text of a list of types, in bytes. A text that is longer than maxList
// is cut before it exceeds cutList.
const (
	maxList = 44
	cutList = 24
)

// typeList writes a list of any length in at most about 50 bytes.
func typeList(types []ValueType) string {
	text, cut, shown := "", "", 0
	for i, t := range types {
		if i > 0 {
			text += ", "
		}
		text += t.String()
		if len(text) <= cutList {
			cut, shown = text+", ", i+1
		}
		if len(text) > maxList {
			return fmt.Sprintf("(%s… %s more)", cut, Grouped(len(types)-shown))
		}
	}
	return "(" + text + ")"
}

// Grouped writes a number for people, such as 1,000,000. n must not be negative.
func Grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Equal reports whether two signatures have the same parameters and results.
func (t FuncType) Equal(o FuncType) bool {
	return slices.Equal(t.Params, o.Params) && slices.Equal(t.Results, o.Results)
}
