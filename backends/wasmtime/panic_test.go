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

// TestPanicsOfTheHost: a panic of a service ends the guest that asked for it,
// with the service's stack, and nothing else.
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
		{"granted send: at the call's end", new(script).send(granted, "a")},
		{"granted send: before the next one", new(script).send(granted, "a").send(granted, "b")},
		{"granted send: before a trap", new(script).send(granted, "a").step("x")},
		{"granted send: while the guest goes on", new(script).send(granted, "a").step("o")},
		{"granted request: at the call's end", new(script).request(granted, "a", 5)},
		{"granted request: before the next one", new(script).request(granted, "a", 5).send(granted, "b")},
	} {
		g := newGranter()
		what, _, _ := strings.Cut(test.where, ":")
		g.Calling = panicAt(what)
		in := instantiate(t, c, core.Environment{Host: g, Limits: core.Limits{HandlerTime: 1 << 62}})
		panicked(t, test.where, in, test.script)
		equal(t, test.where+": calls of the host", len(g.Asked), 1)
	}
}

// panicked checks how a call of a guest whose host panics ends.
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

// panickyGranter panics when it is asked for a grant.
type panickyGranter struct{ *granter }

func (panickyGranter) Grant() (*core.Grant, core.RequestID) { panicAt("")(""); return nil, 0 }

func TestPanicOfGrant(t *testing.T) {
	in := open(t, scriptWasm, panickyGranter{newGranter()}, core.Limits{})
	panicked(t, "grant", in, new(script))
}
