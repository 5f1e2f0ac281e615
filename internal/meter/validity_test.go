package meter_test

import (
	"errors"
	"testing"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// An invalid module stays invalid, whatever is added to it: here a reference to the
// start function, which nothing declares.
func TestUndeclaredReferencesStayInvalid(t *testing.T) {
	undeclared := func() *wasm.Module {
		m := oneFunction(wasm.FuncType{}, []byte{0x0b})
		start := uint32(1)
		m.Start = &start
		m.Functions = append(m.Functions, 0)
		m.Code = append(m.Code, wasm.Code{Expr: []byte{0xd2, 1, 0x1a, 0x0b}})
		return m
	}
	exported := undeclared()
	abi.ExportStart(exported)
	for name, m := range map[string]*wasm.Module{
		"plain":         undeclared(),
		"interruptible": instrument(t, undeclared().Encode(), meter.Config{Stack: true}).Module,
		"fuel":          instrument(t, undeclared().Encode(), meter.Config{Fuel: true}).Module,
		"start":         exported,
	} {
		if _, err := newRuntime(t, engines[0].config).CompileModule(t.Context(), m.Encode()); err == nil {
			t.Errorf("%s: a module with an undeclared reference compiles", name)
		}
	}
}

// Lowering a memory's maximum does not hide that it was beyond the format's.
func TestMemoriesBeyondTheFormatAreRefused(t *testing.T) {
	m := oneFunction(wasm.FuncType{}, []byte{0x0b})
	m.Memories = []wasm.Limits{{Min: 1, Max: 1<<16 + 1, HasMax: true}}
	if _, err := wasm.Parse(m.Encode()); !errors.As(err, new(*wasm.FormatError)) {
		t.Errorf("got %v, want a FormatError", err)
	}
}
