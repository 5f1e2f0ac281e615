package wasm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/wasm"
)

// body returns a module with one function () -> () of the given code.
func body(code ...byte) []byte {
	m := &wasm.Module{Types: make([]wasm.FuncType, 1), Functions: []uint32{0}, Code: []wasm.Code{{Expr: code}}}
	return m.Encode()
}

// sections returns a module of the given sections.
func sections(bytes ...byte) []byte { return append([]byte(header), bytes...) }

// read parses a module and reads its code.
func read(binary []byte) error {
	m, err := wasm.Parse(binary)
	if err != nil {
		return err
	}
	if err := m.Features.Err(); err != nil {
		return err
	}
	return m.CheckCode()
}

func TestUnsupportedFeaturesAreNamed(t *testing.T) {
	for _, c := range []struct {
		name   string
		binary []byte
		want   wasm.Feature
	}{
		{"try", body(0x06, 0x40, 0x19, 0x0b, 0x0b), wasm.LegacyExceptions},
		{"catch", body(0x07, 0, 0x0b), wasm.LegacyExceptions},
		{"rethrow", body(0x09, 0, 0x0b), wasm.LegacyExceptions},
		{"delegate", body(0x18, 0, 0x0b), wasm.LegacyExceptions},
		{"catch_all", body(0x19, 0x0b), wasm.LegacyExceptions},
		{"throw_ref", body(0x0a, 0x0b), wasm.Exceptions},
		{"try_table", body(0x1f, 0x40, 0, 0x0b, 0x0b), wasm.Exceptions},
		{"tag", sections(1, 4, 1, 0x60, 0, 0, 13, 3, 1, 0, 0), wasm.Exceptions},
		{"exnref", sections(1, 5, 1, 0x60, 1, 0x69, 0), wasm.Exceptions},
		{"null exnref", body(0xd0, 0x69, 0x1a, 0x0b), wasm.Exceptions},
		{"relaxed swizzle", body(0xfd, 0x80, 0x02, 0x0b), wasm.RelaxedSIMD},
		{"relaxed dot", body(0xfd, 0x93, 0x02, 0x0b), wasm.RelaxedSIMD},
		{"64-bit memory", sections(5, 3, 1, 4, 1), wasm.Memory64},
		{"64-bit table", sections(4, 4, 1, 0x70, 4, 1), wasm.Memory64},
		{"shared memory", sections(5, 4, 1, 3, 1, 1), wasm.Threads},
		{"atomic fence", body(0xfe, 0x03, 0, 0x0b), wasm.Threads},
		{"page size", sections(5, 4, 1, 8, 1, 0), wasm.PageSizes},
		{"struct", sections(1, 3, 1, 0x5f, 0), wasm.GC},
		{"array", sections(1, 4, 1, 0x5e, 0x7f, 0), wasm.GC},
		{"sub final", sections(1, 6, 1, 0x4f, 0, 0x60, 0, 0), wasm.GC},
		{"anyref", sections(1, 5, 1, 0x60, 1, 0x6e, 0), wasm.GC},
		{"(ref null any)", sections(1, 6, 1, 0x60, 1, 0x63, 0x6e, 0), wasm.GC},
		{"null any", body(0xd0, 0x6e, 0x1a, 0x0b), wasm.GC},
		{"block of eqref", body(0x02, 0x6d, 0x00, 0x0b, 0x1a, 0x0b), wasm.GC},
		{"ref.eq", body(0xd3, 0x0b), wasm.GC},
		{"struct.new", body(0xfb, 0, 0, 0x0b), wasm.GC},
		{"array.new in a constant", sections(6, 8, 1, 0x70, 0, 0xfb, 7, 0, 0x0b, 0x0b), wasm.GC},
		{"local of i31ref", sections(1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 1, 1, 0x6c, 0x0b), wasm.GC},
		{"call_ref", body(0x14, 0, 0x0b), wasm.TypedReferences},
		{"(ref null 0)", sections(1, 9, 2, 0x60, 0, 0, 0x60, 1, 0x63, 0, 0), wasm.TypedReferences},
		{"load of memory 1", body(0x41, 0, 0x28, 0x42, 1, 0, 0x1a, 0x0b), wasm.MultiMemory},
		{"size of memory 1", body(0x3f, 1, 0x1a, 0x0b), wasm.MultiMemory},
		{"suspend", body(0xe2, 0, 0x0b), wasm.StackSwitching},
		{"continuation", sections(1, 3, 1, 0x5d, 0), wasm.StackSwitching},
		{"shared function", sections(1, 6, 1, 0x65, 0x60, 0, 0, 0), wasm.SharedEverything},
		{"pause", body(0xfe, 0x04, 0x0b), wasm.SharedEverything},
		{"global.atomic.get", body(0xfe, 0x4f, 0, 0, 0x0b), wasm.SharedEverything},
		{"i64.mul_wide_u", body(0xfc, 0x16, 0x0b), wasm.WideArithmetic},
	} {
		err := read(c.binary)
		var got *wasm.UnsupportedError
		if !errors.As(err, &got) || got.Feature != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, &wasm.UnsupportedError{Feature: c.want})
		}
	}
}

// TestMalformedIsNotUnsupported: a module that no feature of WebAssembly explains is
// malformed, and not unsupported.
func TestMalformedIsNotUnsupported(t *testing.T) {
	for name, binary := range map[string][]byte{
		"unknown opcode":            body(0x27, 0x0b),
		"unknown misc opcode":       body(0xfc, 0x7f, 0x0b),
		"unknown vector opcode":     body(0xfd, 0x94, 0x02, 0x0b),
		"unknown GC opcode":         body(0xfb, 0x1f, 0x0b),
		"prefix at the end":         body(0xfd, 0x0b),
		"long encoding":             body(0xfc, 0x80, 0x80, 0, 0x0b),
		"fence that is not 0":       body(0xfe, 0x03, 1, 0x0b),
		"alignment of 2^32":         body(0x41, 0, 0x28, 0x20, 0, 0x1a, 0x0b),
		"limits' flags":             sections(5, 3, 1, 0x10, 1),
		"unknown type":              sections(1, 3, 1, 0x5c, 0),
		"unknown value type":        sections(1, 5, 1, 0x60, 1, 0x10, 0),
		"unknown heap type":         body(0xd0, 0x40, 0x1a, 0x0b),
		"heap type of 33 bits":      body(0xd0, 0x80, 0x80, 0x80, 0x80, 0x70, 0x1a, 0x0b),
		"code after unknown opcode": body(0x27, 0x06, 0x0b),
	} {
		err := read(binary)
		if !errors.As(err, new(*wasm.FormatError)) {
			t.Errorf("%s: got %v, want a FormatError", name, err)
		}
	}
}

// TestFeaturesSayWhatToBuild: the error of each feature gives advice, in one line of a
// log.
func TestFeaturesSayWhatToBuild(t *testing.T) {
	for f := wasm.Feature(0); f <= wasm.WideArithmetic; f++ {
		text := (&wasm.UnsupportedError{Feature: f}).Error()
		if len(text) > 250 || strings.Contains(text, "  ") || strings.HasSuffix(text, ": ") {
			t.Errorf("%d: %d bytes: %s", f, len(text), text)
		}
	}
}
