//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
)

// generous takes everything, and gives credit for one target.
type generous struct{ sink }

func (generous) SendRequest(_, _ []byte, _ uint64) (core.RequestID, error) { return 2, nil }

// generousLedger is a ledger with a credit for one target. Reconcile returns the result
// of response.
func generousLedger(target string, response func() *[]byte) *core.Ledger {
	l := core.NewLedger(response)
	l.Sides[0] = core.Side{Credit: &core.Credit{Target: target, Messages: true, MaxSize: 1 << 20}, Requests: []core.RequestID{1}}
	return l
}

// generousEnvironment is of a host that gives credit for the target of sends.
func generousEnvironment() core.Environment {
	return core.Environment{Host: generous{}, Ledger: generousLedger("bench/neighbor", func() *[]byte { return nil })}
}

func TestCallsDoNotAllocate(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	failure := &core.RequestError{Reason: core.ReasonTimeout}
	message, large := padded("e"), append([]byte("e"), make([]byte, 100_000)...)
	response := make([]byte, 0, len(large))
	twice := new(script).request("bench/neighbor", "a", 5).send("bench/neighbor", "b").message()
	for name, limits := range map[string]core.Limits{"no fuel": {}, "fuel": {Fuel: 1 << 30}} {
		ca, cs := compile(t, e, actor(), limits), compile(t, e, scriptWasm, limits)
		for kind, env := range map[string]core.Environment{
			"asked": {Host: sink{}}, "credit": generousEnvironment(),
		} {
			env.Limits = limits
			in, scripted := instantiate(t, ca, env), instantiate(t, cs, env)
			calls := map[string]func() error{
				"echo":          func() error { response = response[:0]; return in.HandleMessage(self, message, &response) },
				"large echo":    func() error { response = response[:0]; return in.HandleMessage(self, large, &response) },
				"unread answer": func() error { return in.HandleMessage(self, large, nil) },
				"send":          func() error { return in.HandleMessage(self, sends, nil) },
				"callback":      func() error { return in.HandleCallback(1, message, nil) },
				"failure":       func() error { return in.HandleCallback(1, nil, failure) },
			}
			if kind == "credit" {
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

func TestExchangesDoNotAllocate(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{})
	handled, response := 0, make([]byte, 0, 1<<10)
	var l *core.Ledger // of the first
	reconcile := func() *[]byte {
		for _, n := range l.Ended {
			handled += n.Messages + n.Requests + n.Responses
		}
		response = response[:0]
		return &response
	}
	var sides [2]core.Side
	for side, id := range exchangeIDs {
		ledger := generousLedger(exchangeIDs[1-side], reconcile)
		if side == 0 {
			l = ledger
		}
		sides[side] = ledger.Sides[0]
		for n := range core.RequestID(20) {
			sides[side].Requests = append(sides[side].Requests, n+2)
		}
		in, err := c.Instantiate(t.Context(), core.Environment{ID: core.MustComponentID(id), Host: generous{}, Ledger: ledger})
		must(t, err)
		t.Cleanup(func() { must(t, in.Close()) })
		sides[side].Instance = in
	}
	l.Sides, l.Most = sides, 20
	for name, first := range map[string]*script{"messages": hops(20, 0, quiet), "requests": asks(8, 0, "yes")} {
		message, in := first.message(), sides[0].Instance
		outcome := append([]byte("!"), message...)
		for call, handle := range map[string]func() error{
			"message":  func() error { return in.HandleMessage(self, message, nil) },
			"callback": func() error { return in.HandleCallback(60, outcome, nil) },
		} {
			handled = 0
			if n := testing.AllocsPerRun(100, func() { must(t, handle()) }); n != 0 {
				t.Errorf("%s after a %s: got %v allocations, want none", name, call, n)
			}
			if handled == 0 {
				t.Errorf("%s after a %s: there was no exchange", name, call)
			}
		}
	}
}
