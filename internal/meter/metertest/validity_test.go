package metertest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// TestUndeclaredReferencesStayInvalid: the additions do not make a module valid that has
// an undeclared reference to its start function.
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

// TestMemoriesBeyondTheFormatAreRefused: a lower maximum does not hide that a memory's
// maximum was beyond the format's.
func TestMemoriesBeyondTheFormatAreRefused(t *testing.T) {
	m := oneFunction(wasm.FuncType{}, []byte{0x0b})
	m.Memories = []wasm.Limits{{Min: 1, Max: 1<<16 + 1, HasMax: true}}
	if _, err := wasm.Parse(m.Encode()); !errors.As(err, new(*wasm.FormatError)) {
		t.Errorf("got %v, want a FormatError", err)
	}
}

// TestIndicesBeyondTheModuleStayInvalid: an index beyond the module's own tables,
// functions, globals, types and locals does not become valid by the additions.
func TestIndicesBeyondTheModuleStayInvalid(t *testing.T) {
	reference := []byte{0xd2, 0, 0x1a} // makes Instrument add a table
	for name, code := range map[string][]byte{
		"table.get":            {0x41, 0, 0x25, 0, 0x1a},
		"table.set":            {0x41, 0, 0xd0, 0x70, 0x26, 0},
		"table.size":           {0xfc, 0x10, 0, 0x1a},
		"table.grow":           {0xd0, 0x70, 0x41, 0, 0xfc, 0x0f, 0, 0x1a},
		"table.fill":           {0x41, 0, 0xd0, 0x70, 0x41, 0, 0xfc, 0x11, 0},
		"table.copy":           {0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0e, 0, 0},
		"table.init":           {0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0c, 0, 0},
		"call_indirect":        {0x41, 0, 0x11, 0, 0},
		"return_call_indirect": {0x41, 0, 0x13, 0, 0},
		"memory.grow":          {0x41, 0, 0x40, 0, 0x1a},
		"memory.init":          {0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x08, 0, 0},
		"data.drop":            {0xfc, 0x09, 0},
		"elem.drop":            {0xfc, 0x0d, 1},
		"local.get":            {0x20, 0, 0x1a},
		"global.get":           {0x23, 0, 0x1a},
		"call":                 {0x10, 1},
		"ref.func":             {0xd2, 1, 0x1a},
		"block of a type":      {0x02, 1, 0x0b},
	} {
		m := oneFunction(wasm.FuncType{}, append(append(bytes.Clone(reference), code...), 0x0b))
		stayInvalid(t, name, m)
	}
	element := oneFunction(wasm.FuncType{}, append(bytes.Clone(reference), 0x0b))
	element.Elements = wasm.Segments{Count: 1, Raw: []byte{0, 0x41, 0, 0x0b, 0}}
	stayInvalid(t, "an element segment", element)
}

func stayInvalid(t *testing.T, name string, m *wasm.Module) {
	t.Helper()
	for _, k := range configs {
		binary := m.Encode()
		parsed, err := wasm.Parse(binary)
		if err != nil {
			return
		}
		res, err := meter.Instrument(parsed, k.cfg)
		if err != nil {
			continue
		}
		rt := newRuntime(t, engines[0].config)
		if _, err := rt.CompileModule(t.Context(), binary); err == nil {
			t.Errorf("%s: the module is valid", name)
		}
		if _, err := rt.CompileModule(t.Context(), res.Module.Encode()); err == nil {
			t.Errorf("%s, %s: the module has become valid", name, k.name)
		}
	}
}
