//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// withBody returns a guest with this body of handle-message, without the end.
// Function 0 is cabi_realloc, function 1 is handle-message, and table 0 has two
// elements, which are null.
func withBody(tb testing.TB, body ...byte) []byte {
	tb.Helper()
	m, err := wasm.Parse(enginetest.ResponderWasm().Code)
	must(tb, err)
	m.Types = append(m.Types[:otherType:otherType], wasm.FuncType{})
	m.Tables = []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 2}}}
	m.Code[1].Expr = append(body, 0x41, 0, 0x0b)
	return m.Encode()
}

// otherType is the type of no function, after that of both.
const otherType = 1

// trapCases are faults of a guest's code. The size of the stack differs from engine to
// engine, and so does the text of a stack overflow.
var trapCases = []struct {
	name string
	kind core.TrapKind
	text string
	body []byte
}{
	{"unreachable", core.TrapFault, "unreachable", []byte{0x00}},
	{"load out of bounds", core.TrapFault, "out of bounds memory access", []byte{0x41, 0x7c, 0x28, 2, 0, 0x1a}},
	{"store out of bounds", core.TrapFault, "out of bounds memory access", []byte{0x41, 0x7f, 0x41, 1, 0x36, 2, 0}},
	{"load beyond 32 bits", core.TrapFault, "out of bounds memory access", []byte{0x41, 0x7f, 0x28, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x1a}},
	{"fill out of bounds", core.TrapFault, "out of bounds memory access", []byte{0x41, 0x7f, 0x41, 0, 0x41, 8, 0xfc, 0x0b, 0}},
	{"copy out of bounds", core.TrapFault, "out of bounds memory access", []byte{0x41, 0, 0x41, 0x7f, 0x41, 8, 0xfc, 0x0a, 0, 0}},
	{"i32 division by 0", core.TrapFault, "integer divide by zero", []byte{0x41, 1, 0x41, 0, 0x6d, 0x1a}},
	{"i64 remainder by 0", core.TrapFault, "integer divide by zero", []byte{0x42, 1, 0x42, 0, 0x82, 0x1a}},
	{"i32 overflow", core.TrapFault, "integer overflow", []byte{0x41, 0x80, 0x80, 0x80, 0x80, 0x78, 0x41, 0x7f, 0x6d, 0x1a}},
	{"conversion of NaN", core.TrapFault, "invalid conversion to integer", []byte{0x43, 0, 0, 0xc0, 0x7f, 0xa8, 0x1a}},
	{"conversion of 2^100", core.TrapFault, "integer overflow", []byte{0x43, 0, 0, 0x80, 0x71, 0xa8, 0x1a}},
	{"call of what is null", core.TrapFault, "invalid table access", []byte{0x41, 0, 0x11, otherType, 0}},
	{"call beyond the table", core.TrapFault, "invalid table access", []byte{0x41, 2, 0x11, otherType, 0}},
	{"call of another type", core.TrapFault, "indirect call type mismatch",
		[]byte{0x41, 1, 0xd2, 0, 0x26, 0, 0x41, 1, 0x11, otherType, 0}},
	{"table access out of bounds", core.TrapFault, "invalid table access", []byte{0x41, 2, 0x25, 0, 0x1a}},
	{"table fill out of bounds", core.TrapFault, "invalid table access", []byte{0x41, 1, 0xd0, 0x70, 0x41, 2, 0xfc, 0x11, 0}},
	{"endless recursion", core.TrapStack, "", []byte{0x20, 0, 0x20, 0, 0x20, 0, 0x20, 0, 0x10, 1, 0x1a}},
}

// engines are the two engines that must give the same texts.
func engines(t *testing.T) map[string]core.Engine {
	t.Helper()
	wz, err := wazero.New(wazero.Config{})
	must(t, err)
	t.Cleanup(func() { must(t, wz.Close(t.Context())) })
	return map[string]core.Engine{wazero.Name: wz, wasmtime.Name: newEngine(t, wasmtime.Config{})}
}

// end returns the trap that a message causes.
func end(t *testing.T, e core.Engine, code []byte, limits core.Limits, message string) *core.TrapError {
	t.Helper()
	in := instantiate(t, compile(t, e, code, limits), core.Environment{Host: sink{}, Limits: limits})
	var trap *core.TrapError
	if err := in.HandleMessage(self, []byte(message), nil); !errors.As(err, &trap) {
		t.Fatalf("%s: got %v, want a TrapError", e.Name(), err)
	}
	return trap
}

func TestTrapsReadTheSame(t *testing.T) {
	both := engines(t)
	for _, test := range trapCases {
		code := withBody(t, test.body...)
		for name, e := range both {
			for _, limits := range []core.Limits{{}, {Fuel: 1 << 40}} {
				trap := end(t, e, code, limits, "")
				if trap.Kind != test.kind || test.text != "" && trap.Text != test.text {
					t.Errorf("%s, %s, %+v: got %v: %q, want %v: %q", test.name, name, limits, trap.Kind, trap.Text, test.kind, test.text)
				}
			}
		}
	}
}

// TestEndsReadTheSame: ends that the host finds.
func TestEndsReadTheSame(t *testing.T) {
	both := engines(t)
	for name, test := range map[string]struct {
		code    []byte
		limits  core.Limits
		message string
		kind    core.TrapKind
	}{
		"fuel":               {actor(), core.Limits{Fuel: 100_000}, "o", core.TrapFuel},
		"handler time":       {actor(), core.Limits{HandlerTime: 1}, "o", core.TrapHandler},
		"area out of range":  {withBody(t, 0x41, 0x70, 0x0f), core.Limits{}, "", core.TrapABI},
		"area not aligned":   {withBody(t, 0x41, 2, 0x0f), core.Limits{}, "", core.TrapABI},
		"bad discriminant":   {withBody(t, 0x41, 0, 0x41, 2, 0x3a, 0, 0), core.Limits{}, "", core.TrapABI},
		"response too far":   {withBody(t, 0x41, 0, 0x41, 0x7f, 0x36, 2, 8), core.Limits{}, "", core.TrapABI},
		"memory not enough":  {actor(), core.Limits{Memory: 1 << 18}, strings.Repeat("e", 1<<20), core.TrapFault},
		"data out of bounds": {actor(), core.Limits{}, "x", core.TrapFault},
	} {
		want := end(t, both[wazero.Name], test.code, test.limits, test.message)
		got := end(t, both[wasmtime.Name], test.code, test.limits, test.message)
		if got.Kind != want.Kind || got.Text != want.Text || got.Kind != test.kind {
			t.Errorf("%s: got %v: %q, want %v: %q as wazero's, of kind %v", name, got.Kind, got.Text, want.Kind, want.Text, test.kind)
		}
	}
}

// TestReallocReadsTheSame: faults of a cabi_realloc, both for a message and for the id
// that self-id returns.
func TestReallocReadsTheSame(t *testing.T) {
	both := engines(t)
	for name, body := range map[string]func(itself byte) []byte{
		"traps":               func(byte) []byte { return []byte{0x00} },
		"returns 0":           func(byte) []byte { return []byte{0x41, 0} },
		"returns what is not": func(byte) []byte { return []byte{0x41, 0x7f} },
		"divides by 0":        func(byte) []byte { return []byte{0x41, 1, 0x41, 0, 0x6d} },
		"uses up the stack":   func(itself byte) []byte { return []byte{0x41, 0, 0x41, 0, 0x41, 0, 0x41, 0, 0x10, itself} },
	} {
		sameEnd(t, both, "for a message, it "+name, withRealloc(t, 0, body))
		sameEnd(t, both, "for self-id, it "+name, withRealloc(t, 2, body))
	}
}

// withRealloc returns the script's guest with a cabi_realloc that has another body after
// so many calls: two are for a message and its sender, and two in advance for the next.
func withRealloc(t *testing.T, after byte, body func(itself byte) []byte) []byte {
	t.Helper()
	m, err := wasm.Parse(scriptWasm)
	must(t, err)
	i := slices.IndexFunc(m.Exports, func(e wasm.Export) bool { return e.Name == abi.Realloc })
	itself, calls := byte(m.Exports[i].Index), byte(len(m.Globals))
	m.Globals = append(m.Globals, wasm.Global{
		Type: wasm.GlobalType{Value: wasm.I32, Mutable: true}, Init: []byte{0x41, 0, 0x0b}})
	code := &m.Code[int(itself)-len(m.Imports)]
	code.Expr = slices.Concat(
		[]byte{0x23, calls, 0x41, 1, 0x6a, 0x24, calls},    // calls += 1
		[]byte{0x23, calls, 0x41, after, 0x4a, 0x04, 0x40}, // if calls > after,
		body(itself), []byte{0x0f, 0x0b}, code.Expr) // return the result of body
	return m.Encode()
}

func sameEnd(t *testing.T, both map[string]core.Engine, what string, code []byte) {
	t.Helper()
	message := string(new(script).step("i").message())
	want := end(t, both[wazero.Name], code, core.Limits{}, message)
	got := end(t, both[wasmtime.Name], code, core.Limits{}, message)
	if got.Kind != want.Kind || got.Kind != core.TrapStack && got.Text != want.Text {
		t.Errorf("cabi_realloc, %s: got %v: %q, want %v: %q as wazero's", what, got.Kind, got.Text, want.Kind, want.Text)
	}
}

// TestFuelIsTheSameOnBothEngines: the least fuel with which a call succeeds.
func TestFuelIsTheSameOnBothEngines(t *testing.T) {
	both := engines(t)
	for _, message := range []string{"e", "ehello", string(sends), "n", "i", "b\x10\x27\x00\x00\x00\x00\x00\x00"} {
		least := make(map[string]uint64)
		for name, e := range both {
			c := compile(t, e, actor(), core.Limits{Fuel: 1})
			low, high := uint64(1), uint64(1<<20)
			for low < high {
				fuel := (low + high) / 2
				in := instantiate(t, c, core.Environment{Host: sink{}, Limits: core.Limits{Fuel: fuel}})
				if in.HandleMessage(self, []byte(message), nil) == nil {
					high = fuel
				} else {
					low = fuel + 1
				}
			}
			least[name] = low
		}
		equal(t, fmt.Sprintf("fuel that %q takes", message), least[wasmtime.Name], least[wazero.Name])
	}
}
