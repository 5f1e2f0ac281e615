//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

// panicAt returns a hook that panics at entries with the prefix.
func panicAt(prefix string) func(string) {
	return func(entry string) {
		if strings.HasPrefix(entry, prefix) {
			panic("boom")
		}
	}
}

// TestPanicsOfTheHost: a panic of a service or of Reconcile ends the guest that called it,
// with the panic's stack, and nothing else.
func TestPanicsOfTheHost(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{})
	for _, test := range []struct {
		service string
		script  *script
	}{
		{"send", new(script).send("shop/audit", "a")},
		{"request", new(script).request("shop/audit", "a", 5)},
		{"cancel", new(script).cancel(1)},
		{"log", new(script).log("a")},
		{"now", new(script).step("n")},
	} {
		host := &enginetest.Services{Calling: panicAt(test.service)}
		in := instantiate(t, c, core.Environment{Host: host})
		panicked(t, test.service, in, test.script)
	}
	for _, test := range []struct {
		where  string
		script *script
	}{
		{"sent message: before the next one", new(script).send(stock, "a").send(stock, "b")},
		{"sent message: while the guest goes on", new(script).send(stock, "a").step("o")},
		{"sent request: before the next one", new(script).request(stock, "a", 5).send(stock, "b")},
	} {
		h := newLedgerHost()
		entry, _, _ := strings.Cut(test.where, ":")
		h.Calling = panicAt(entry)
		in := instantiate(t, c, h.environment(core.Limits{HandlerTime: 1 << 62}))
		panicked(t, test.where, in, test.script)
		equal(t, test.where+": calls of the host", len(h.Asked), 1)
	}
}

// panicked checks the end of a call in which the host panics.
func panicked(t *testing.T, what string, in core.Instance, s *script) {
	t.Helper()
	trap := trapOf(t, in.HandleMessage(self, s.message(), nil), core.TrapFault)
	if trap.Text != "the host panicked: boom" || !strings.Contains(trap.Details, "panicAt") {
		t.Errorf("%s: got %q with the details\n%s\nwant the panic, and where it was", what, trap.Text, trap.Details)
	}
	if err := in.HandleMessage(self, padded("e"), nil); err == nil {
		t.Errorf("%s: got no error of an instance that has ended", what)
	}
}
