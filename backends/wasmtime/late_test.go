//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"slices"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// TestLateEnds: a guest that fails where it allocates the arguments of the next call ends,
// and the call before that keeps its outcome.
func TestLateEnds(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	m, err := wasm.Parse(scriptWasm)
	must(t, err)
	now := byte(slices.IndexFunc(m.Imports, func(i wasm.Import) bool { return i.Name == abi.CurrentTime }))
	for name, body := range map[string][]byte{
		"traps": {0x00}, "returns 0": {0x41, 0}, "returns an address out of range": {0x41, 0x7f},
		"calls the host": {0x10, now, 0x1a, 0x41, 0},
	} {
		c := compile(t, e, withRealloc(t, 2, func(byte) []byte { return body }), core.Limits{})
		for call, test := range map[string]struct {
			script   *script
			response string
			failure  string
			sent     []string
		}{
			"echo":          {new(script).echo("a"), "a", "none", nil},
			"large echo":    {new(script).echo(string(make([]byte, 100))), string(make([]byte, 100)), "none", nil},
			"error":         {new(script).step("f"), "", failed, nil},
			"send":          {new(script).send(stock, "a"), ok, "none", []string{`sent message "a"`}},
			"send, no room": {new(script).send("shop/audit", "a"), ok, "none", []string{`send shop/audit "a"`}},
		} {
			h, ended := newLedgerHost(), 0
			env := h.environment(core.Limits{})
			env.Ended = func() { ended++ }
			in := instantiate(t, c, env)
			var response []byte
			err := in.HandleMessage(self, test.script.message(), &response)
			equal(t, name+", "+call+": error", errorText(err), test.failure)
			equal(t, name+", "+call+": response", string(response), test.response)
			equal(t, name+", "+call+": calls of Ended", ended, 1)
			h.asked(t, test.sent...)
			if _, err := in.Health(); err == nil {
				t.Errorf("%s, %s: the instance has not ended", name, call)
			}
		}
	}
}
