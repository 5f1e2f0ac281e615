//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// slowRealloc is the script's guest with a cabi_realloc that takes some milliseconds
// for 600 bytes to 1,000: a relay is settled while it runs.
func slowRealloc(t *testing.T) []byte {
	t.Helper()
	m, err := wasm.Parse(scriptWasm)
	must(t, err)
	i := slices.IndexFunc(m.Exports, func(e wasm.Export) bool { return e.Name == abi.Realloc })
	left := byte(len(m.Globals))
	m.Globals = append(m.Globals, wasm.Global{Type: wasm.GlobalType{Value: wasm.I32, Mutable: true}, Init: []byte{0x41, 0, 0x0b}})
	code := &m.Code[int(m.Exports[i].Index)-len(m.Imports)]
	code.Expr = slices.Concat(
		[]byte{0x20, 3, 0x41, 0xa8, 0x7b, 0x6a, 0x41, 0x90, 3, 0x49, 0x04, 0x40},                   // if size - 600 < 400, unsigned,
		[]byte{0x41, 0x80, 0xad, 0xe2, 0x04, 0x24, left},                                           // left = 10,000,000
		[]byte{0x03, 0x40, 0x23, left, 0x41, 1, 0x6b, 0x24, left, 0x23, left, 0x0d, 0, 0x0b, 0x0b}, // do left-- while left > 0
		code.Expr)
	return m.Encode()
}

// lengthened makes a script one for which a slow guest allocates slowly.
func lengthened(s *script) *script {
	s.data = append(s.data, strings.Repeat(".", 600)...)
	return s
}

func logging(text string) *script { return lengthened(new(script).log(text)) }

// TestSettledBeforeArguments: a call has the arguments that it was begun with, even if
// the one whose bytes they are was given up before they were in the guest's memory,
// and has sent or answered something else since, or is closed.
func TestSettledBeforeArguments(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	components := map[string]core.Component{"": compile(t, e, scriptWasm, core.Limits{}), "slow": compile(t, e, slowRealloc(t), core.Limits{})}
	for _, test := range []struct {
		name  string
		c     relayCase
		side  int // of the slow one
		last  core.RelayKind
		other []byte // what the other is told meanwhile
	}{
		{"message", relayCase{first: to(1, logging("right"))}, 1, core.RelayMessage, to(1, logging("wrong")).message()},
		{"callback", relayCase{first: lengthened(ask(1, new(script).echo("!"+text(logging("right")))))}, 0, core.RelayCallback,
			lengthened(new(script).echo("!" + text(logging("wrong")))).message()},
	} {
		for _, closed := range []bool{false, true} {
			settledThen := false
			c := test.c
			c.code[test.side] = "slow"
			c.change = func(r *relayed) {
				r.settling = func(r *relayed) {
					r.settling = nil
					if r.relay.Last != test.last {
						return
					}
					settledThen = true
					other, host := r.in[1-test.side], r.hosts[1-test.side]
					if closed {
						must(t, other.Close())
						return
					}
					calling := host.Calling
					host.Calling = nil
					var response []byte
					must(t, other.HandleMessage(self, test.other, &response))
					host.Calling = calling
				}
			}
			for tries := 0; !settledThen && tries < 200; tries++ {
				r := c.run(t, components)
				seen := strings.Join(r.seen, "\n")
				if settledThen && !strings.Contains(seen, `log info "right"`) || strings.Contains(seen, "wrong") {
					t.Errorf("%s, closed: %v: %.2000s", test.name, closed, seen)
				}
			}
			if !settledThen {
				t.Errorf("%s: was never settled in that call", test.name)
			}
		}
	}
}

// TestPanicOfSettle: it ends the instance whose call is the last, wherever it is.
func TestPanicOfSettle(t *testing.T) {
	components := relayComponents(t)
	for _, c := range []relayCase{
		{name: "after the other one's call", first: to(1, quiet), change: panics("settled"), over: [2]bool{false, true},
			asked: after(settled(1, core.RelayMessage, ".")), result: boom},
		{name: "with another engine's", first: quiet, code: [2]string{"", "another engine's"}, change: panics("settled"),
			over: [2]bool{true, false}, asked: []string{settled(0, core.RelayFirst, "")}, result: boom},
		{name: "of one that was interrupted", first: quiet, change: func(r *relayed) { r.in[0].Interrupt(); panics("settled")(r) },
			over: [2]bool{true, false}, asked: []string{settled(0, core.RelayFirst, "")}, result: stopped},
	} {
		c.check(t, components)
	}
}
