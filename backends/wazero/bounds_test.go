package wazero_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/wasm"
)

// TestDeclaredTooMuch compiles modules for which wazero would allocate all memory.
func TestDeclaredTooMuch(t *testing.T) {
	e, err := wazero.New(wazero.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	for limit, change := range map[string]func(*wasm.Module){
		"tables": func(m *wasm.Module) { m.Tables = slices.Repeat([]wasm.Table{{Elem: wasm.ValueType{Code: 0x70}}}, 101) },
		"results": func(m *wasm.Module) {
			m.Types = append(m.Types, wasm.FuncType{Results: slices.Repeat([]wasm.ValueType{wasm.I32}, 1001)})
		},
		"locals": func(m *wasm.Module) {
			m.Code[0].Groups, m.Code[0].Decls = 1, wasm.AppendValueType(wasm.AppendIndex(nil, 1<<31), wasm.I64)
		},
	} {
		m, err := wasm.Parse(enginetest.ResponderWasm().Code)
		if err != nil {
			t.Fatal(err)
		}
		change(m)
		_, err = e.Compile(t.Context(), core.Source{Code: m.Encode()}, core.Limits{})
		var got *core.LimitError
		if !errors.As(err, &got) || got.Limit != limit {
			t.Errorf("got %v, want a LimitError of %s", err, limit)
		}
	}
}

// TestEndsByItself calls a guest that does not end, without an interrupt.
func TestEndsByItself(t *testing.T) {
	in := open(t, wazero.Config{}, core.Limits{HandlerTime: 10 * time.Millisecond})
	err := in.HandleMessage(self, []byte("o"), nil)
	var trap *core.TrapError
	if !errors.As(err, &trap) || trap.Kind != core.TrapHandler {
		t.Errorf("got %v, want a TrapError of kind handler-time", err)
	}
}

func (sink) Log(core.LogLevel, []byte) {}
