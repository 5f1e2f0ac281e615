package wazero

import (
	"errors"
	"slices"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/wasm"
)

// recursing returns a guest that nests this many calls of a function before it
// handles a message, each with this many operands on its stack.
func recursing(t *testing.T, calls int64, operands int) core.Source {
	m, err := wasm.Parse(enginetest.ResponderWasm().Code)
	if err != nil {
		t.Fatal(err)
	}
	f := uint32(m.Len(wasm.KindFunc))
	code := slices.Repeat([]byte{0x20, 0x00}, operands) // local.get 0
	code = append(code, 0x20, 0x00, 0x04, 0x40, 0x20, 0x00, 0x41, 0x01, 0x6b)
	code = append(wasm.AppendIndex(append(code, 0x10), f), 0x0b) // if: call f with one less
	code = append(append(code, slices.Repeat([]byte{0x1a}, operands)...), 0x0b)
	m.Types = append(m.Types, wasm.FuncType{Params: []wasm.ValueType{wasm.I32}})
	m.Functions = append(m.Functions, uint32(len(m.Types)-1))
	m.Code = append(m.Code, wasm.Code{Expr: code})

	i := slices.IndexFunc(m.Exports, func(e wasm.Export) bool { return e.Name == "airhost:core/component-lifecycle@0.1.0#handle-message" })
	handle := &m.Code[int(m.Exports[i].Index)-(m.Len(wasm.KindFunc)-len(m.Functions))]
	first := wasm.AppendIndex(append(wasm.AppendSigned([]byte{0x41}, calls), 0x10), f)
	handle.Expr = append(first, handle.Expr...)
	return core.Source{Code: m.Encode()}
}

func TestStackIsBoundedInBytes(t *testing.T) {
	for _, config := range []Config{{}, {Interpreter: true}} {
		e, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close(t.Context())
		for _, c := range []struct {
			calls    int64
			operands int
			stack    int64
			ends     bool
		}{
			{1_000_000, 1, 0, true},
			{1_000_000, 500, 0, true},
			{100, 500, 0, false}, // 400 KB
			{100, 500, 64 << 10, true},
			{10, 500, 64 << 10, false},
			{1000, 1, 64 << 10, false},
			{1900, 1, 64 << 10, true},
		} {
			component, err := e.Compile(t.Context(), recursing(t, c.calls, c.operands), core.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			created, err := component.Instantiate(t.Context(), core.Environment{ID: core.MustComponentID("a/b"), Limits: core.Limits{Stack: c.stack, HandlerTime: 1 << 40}})
			if err != nil {
				t.Fatal(err)
			}
			in := created.(*instance)
			var response []byte
			err = in.HandleMessage(core.HostID, []byte("x"), &response)
			var trap *core.TrapError
			if ended := errors.As(err, &trap) && trap.Kind == core.TrapStack; ended != c.ends || !ended && err != nil {
				t.Errorf("%+v, %+v: got %v", config, c, err)
			}
			if in.stackField <= 0 {
				t.Fatalf("%+v: wazero's functions have no field for their stack any more", config)
			}
			if size := stackSize(in.entry.fn, in.stackField); !c.ends && size > keptStack {
				t.Errorf("%+v, %+v: the idle guest keeps a stack of %d bytes", config, c, size)
			}
			in.Close()
			component.Close(t.Context())
		}
	}
}

// keptStack is the most stack that a guest keeps between calls.
const keptStack = 128 << 10
