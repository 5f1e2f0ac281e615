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
// for 600 to 999 bytes: the engine reconciles while it runs.
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

// lengthened makes a script so long that slowRealloc is slow for it.
func lengthened(s *script) *script {
	s.data = append(s.data, strings.Repeat(".", 600)...)
	return s
}

func logging(text string) *script { return lengthened(new(script).log(text)) }

// TestReconciledBeforeArguments: a call gets its own arguments, even if the guest that
// they come from is released before they are copied, and then sends or responds
// something else, or is closed.
func TestReconciledBeforeArguments(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	components := map[string]core.Component{"": compile(t, e, scriptWasm, core.Limits{}), "slow": compile(t, e, slowRealloc(t), core.Limits{})}
	for _, test := range []struct {
		name  string
		c     exchangeCase
		side  int // of the slow guest
		kind  core.TransferKind
		other []byte // a message for the other guest meanwhile
	}{
		{"message", exchangeCase{first: to(1, logging("right"))}, 1, core.TransferMessage, to(1, logging("wrong")).message()},
		{"callback", exchangeCase{first: lengthened(ask(1, new(script).echo("!"+text(logging("right")))))}, 0, core.TransferResponse,
			lengthened(new(script).echo("!" + text(logging("wrong")))).message()},
	} {
		for _, closed := range []bool{false, true} {
			happened := false
			c := test.c
			c.code[test.side] = "slow"
			c.change = func(x *exchange) {
				x.reconciling = func(x *exchange) {
					x.reconciling = nil
					if x.hosts[0].ledger.Current.Kind == test.kind {
						happened = true
						x.useOther(t, 1-test.side, test.other, closed)
					}
				}
			}
			for tries := 0; !happened && tries < 200; tries++ {
				x := c.run(t, components)
				record := strings.Join(x.record, "\n")
				if happened && !strings.Contains(record, `log info "right"`) || strings.Contains(record, "wrong") {
					t.Errorf("%s, closed: %v: %.2000s", test.name, closed, record)
				}
			}
			if !happened {
				t.Errorf("%s: the engine never reconciled in that call", test.name)
			}
		}
	}
}

// useOther closes an instance that is released from the exchange, or calls it without a
// record.
func (x *exchange) useOther(t *testing.T, side int, message []byte, closes bool) {
	t.Helper()
	in, host := x.in[side], x.hosts[side]
	if closes {
		must(t, in.Close())
		return
	}
	calling, reconciling := host.Calling, host.reconciling
	host.Calling, host.reconciling, host.ledger.Most = nil, nil, 0
	var response []byte
	must(t, in.HandleMessage(self, message, &response))
	host.Calling, host.reconciling = calling, reconciling
}
