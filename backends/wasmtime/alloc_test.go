//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
)

// generous grants everything to one target, and takes it.
type generous struct {
	sink
	grant core.Grant
}

func (g *generous) Grant() (*core.Grant, core.RequestID) { return &g.grant, 1 }
func (*generous) SendGranted([]byte)                     {}
func (*generous) RequestGranted([]byte, uint64)          {}
func (*generous) SendRequest(_, _ []byte, _ uint64) (core.RequestID, error) {
	return 2, nil
}

func newGenerous() *generous {
	return &generous{grant: core.Grant{Target: "bench/neighbor", Message: true, Largest: 1 << 20}}
}

func TestCallsDoNotAllocate(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	failure := &core.RequestError{Reason: core.ReasonTimeout}
	message, large := padded("e"), append([]byte("e"), make([]byte, 100_000)...)
	response := make([]byte, 0, len(large))
	twice := new(script).request("bench/neighbor", "a", 5).send("bench/neighbor", "b").message()
	for name, limits := range map[string]core.Limits{"no fuel": {}, "fuel": {Fuel: 1 << 30}} {
		ca, cs := compile(t, e, actor(), limits), compile(t, e, scriptWasm, limits)
		for kind, host := range map[string]core.Services{"asked": sink{}, "granting": newGenerous()} {
			env := core.Environment{Host: host, Limits: limits}
			in, scripted := instantiate(t, ca, env), instantiate(t, cs, env)
			calls := map[string]func() error{
				"echo":          func() error { response = response[:0]; return in.HandleMessage(self, message, &response) },
				"large echo":    func() error { response = response[:0]; return in.HandleMessage(self, large, &response) },
				"unread answer": func() error { return in.HandleMessage(self, large, nil) },
				"send":          func() error { return in.HandleMessage(self, sends, nil) },
				"callback":      func() error { return in.HandleCallback(1, message, nil) },
				"failure":       func() error { return in.HandleCallback(1, nil, failure) },
			}
			if kind == "granting" {
				calls["twice"] = func() error { return scripted.HandleMessage(self, twice, nil) }
			}
			for what, call := range calls {
				if n := testing.AllocsPerRun(100, func() { must(t, call()) }); n != 0 {
					t.Errorf("%s, %s, %s: got %v allocations, want none", name, kind, what, n)
				}
			}
		}
	}
}
