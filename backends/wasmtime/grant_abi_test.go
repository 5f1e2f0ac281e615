//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// TestBadAreaOfGrantedSend: a place that is none is the guest's end, and nothing
// is sent.
func TestBadAreaOfGrantedSend(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{})
	for name, s := range map[string]*script{
		"message, aligned to 2":     new(script).sendAt(granted, []byte("a"), 1022),
		"message, out of range":     new(script).sendAt(granted, []byte("a"), 1<<32-4),
		"message, partly in range":  new(script).sendAt(granted, []byte("a"), 2<<16-12),
		"request, aligned to 4":     new(script).requestAt(granted, []byte("a"), 5, 1020),
		"request, out of range":     new(script).requestAt(granted, []byte("a"), 5, 1<<32-8),
		"request, partly in range":  new(script).requestAt(granted, []byte("a"), 5, 2<<16-16),
		"message from out of range": badMessage('s'),
		"request from out of range": badMessage('r'),
	} {
		g := newGranter()
		in := instantiate(t, c, core.Environment{Host: g})
		err := in.HandleMessage(self, s.message(), nil)
		if trap := trapOf(t, err, core.TrapABI); trap.Text == "" {
			t.Errorf("%s: got no text", name)
		}
		g.asked(t)
	}
}

// badMessage sends bytes beyond the guest's memory to the granted target.
func badMessage(step byte) *script {
	s := new(script)
	if step == 's' {
		s.send(granted, "a")
	} else {
		s.request(granted, "a", 5)
	}
	const place = 1 + 8 // after the letter and the target
	binary.LittleEndian.PutUint32(s.steps[place+4:], largest)
	binary.LittleEndian.PutUint32(s.steps[place:], 1<<31)
	return s
}

// TestGrantIsForHandlers: neither cabi_realloc nor a post-return gets anything of
// what C answers by itself.
func TestGrantIsForHandlers(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	const place, size = grantedPlace, byte(len(granted))
	for service, arguments := range map[string][]byte{
		abi.SendMessage: {0x41, place, 0x41, size, 0x41, place, 0x41, 1, 0x41, 32},
		abi.SendRequest: {0x41, place, 0x41, size, 0x41, place, 0x41, 1, 0x42, 5, 0x41, 32},
		abi.SelfID:      {0x41, 32},
		abi.CurrentTime: nil,
	} {
		for _, export := range []string{abi.Realloc, abi.PostHandleMessage} {
			g := newGranter()
			in := instantiate(t, compile(t, e, thatAsks(t, export, service, arguments), core.Limits{}), core.Environment{Host: g})
			trap := trapOf(t, in.HandleMessage(self, new(script).message(), nil), core.TrapABI)
			if !strings.Contains(trap.Text, service) {
				t.Errorf("%s in %s: got %q, want a text that names it", service, export, trap.Text)
			}
			g.asked(t)
		}
	}
}

// grantedPlace is where the granted target is in memory: at the stack's end.
const grantedPlace = 16

// thatAsks returns the script's guest with an export that calls a service first.
func thatAsks(t *testing.T, export, service string, arguments []byte) []byte {
	t.Helper()
	m, err := wasm.Parse(scriptWasm)
	must(t, err)
	m.Data.Raw = append(append(slices.Clone(m.Data.Raw), 0, 0x41, grantedPlace, 0x0b, byte(len(granted))), granted...)
	m.Data.Count++
	if m.DataCount != nil {
		*m.DataCount++
	}
	imported := slices.IndexFunc(m.Imports, func(i wasm.Import) bool { return i.Name == service })
	call := append(slices.Clone(arguments), 0x10, byte(imported))
	for range m.Types[m.Imports[imported].Type].Results {
		call = append(call, 0x1a)
	}
	exported := slices.IndexFunc(m.Exports, func(e wasm.Export) bool { return e.Name == export })
	code := &m.Code[int(m.Exports[exported].Index)-len(m.Imports)]
	code.Expr = slices.Concat(call, code.Expr)
	return m.Encode()
}
