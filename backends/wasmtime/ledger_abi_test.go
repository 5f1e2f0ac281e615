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

// TestBadAddresses: a bad address in a send that the credit would cover ends the guest,
// and nothing is sent.
func TestBadAddresses(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{})
	for name, s := range map[string]*script{
		"message, aligned to 2":     new(script).sendAt(stock, []byte("a"), 1022),
		"message, out of range":     new(script).sendAt(stock, []byte("a"), 1<<32-4),
		"message, partly in range":  new(script).sendAt(stock, []byte("a"), 2<<16-12),
		"request, aligned to 4":     new(script).requestAt(stock, []byte("a"), 5, 1020),
		"request, out of range":     new(script).requestAt(stock, []byte("a"), 5, 1<<32-8),
		"request, partly in range":  new(script).requestAt(stock, []byte("a"), 5, 2<<16-16),
		"message from out of range": badMessage('s'),
		"request from out of range": badMessage('r'),
	} {
		h := newLedgerHost()
		in := instantiate(t, c, h.environment(core.Limits{}))
		err := in.HandleMessage(self, s.message(), nil)
		if trap := trapOf(t, err, core.TrapABI); trap.Text == "" {
			t.Errorf("%s: got no text", name)
		}
		h.asked(t)
	}
}

// badMessage sends bytes beyond the guest's memory to the target of the credit.
func badMessage(step byte) *script {
	s := new(script)
	if step == 's' {
		s.send(stock, "a")
	} else {
		s.request(stock, "a", 5)
	}
	const place = 1 + 8 // after the letter and the target
	binary.LittleEndian.PutUint32(s.steps[place+4:], maxSize)
	binary.LittleEndian.PutUint32(s.steps[place:], 1<<31)
	return s
}

// TestCreditIsForHandlers: neither cabi_realloc nor a post-return may call the functions
// that C answers.
func TestCreditIsForHandlers(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	const place, size = stockPlace, byte(len(stock))
	for service, arguments := range map[string][]byte{
		abi.SendMessage: {0x41, place, 0x41, size, 0x41, place, 0x41, 1, 0x41, 32},
		abi.SendRequest: {0x41, place, 0x41, size, 0x41, place, 0x41, 1, 0x42, 5, 0x41, 32},
		abi.SelfID:      {0x41, 32},
		abi.CurrentTime: nil,
	} {
		for _, export := range []string{abi.Realloc, abi.PostHandleMessage} {
			h := newLedgerHost()
			in := instantiate(t, compile(t, e, thatAsks(t, export, service, arguments), core.Limits{}), h.environment(core.Limits{}))
			trap := trapOf(t, in.HandleMessage(self, new(script).message(), nil), core.TrapABI)
			if !strings.Contains(trap.Text, service) {
				t.Errorf("%s in %s: got %q, want a text that names it", service, export, trap.Text)
			}
			h.asked(t)
		}
	}
}

// stockPlace is the address of the credit's target in memory: at the stack's end.
const stockPlace = 16

// thatAsks returns the script's guest, with an export that first calls a service.
func thatAsks(t *testing.T, export, service string, arguments []byte) []byte {
	t.Helper()
	m, err := wasm.Parse(scriptWasm)
	must(t, err)
	m.Data.Raw = append(append(slices.Clone(m.Data.Raw), 0, 0x41, stockPlace, 0x0b, byte(len(stock))), stock...)
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
