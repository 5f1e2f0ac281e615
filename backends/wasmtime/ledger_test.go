//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

// ledgerHost is a host whose ledger gives its guest credit. It records the calls of its
// services, and the messages and requests that Reconcile delivers.
type ledgerHost struct {
	enginetest.Services
	ledger *core.Ledger
	// reconciling, if not nil, is called by Reconcile in place of checkPlain.
	reconciling func() (response *[]byte)
}

const (
	stock   = "shop/stock" // the target of the credit
	maxSize = 1000         // of the credit, in bytes
)

// buffer is the size of C's buffer for a guest's message: AIRHOST_SMALL.
func buffer(t *testing.T) (size int) {
	t.Helper()
	header, err := os.ReadFile("guest.h")
	must(t, err)
	_, rest, _ := strings.Cut(string(header), "#define AIRHOST_SMALL ")
	if _, err = fmt.Sscan(rest, &size); err != nil || size <= maxSize {
		t.Fatalf("AIRHOST_SMALL of guest.h: got %d, %v, want more than %d", size, err, maxSize)
	}
	return size
}

// newLedgerHost returns a host that gives credit for messages and requests to stock.
func newLedgerHost() *ledgerHost {
	h := &ledgerHost{}
	h.ledger = core.NewLedger(h.reconcile)
	h.give(&core.Credit{Target: stock, Messages: true, MaxSize: maxSize}, 70)
	h.ID = 7
	return h
}

// give fills in the credit of the calls to come.
func (h *ledgerHost) give(credit *core.Credit, requests ...core.RequestID) {
	h.ledger.Sides[0].Credit, h.ledger.Sides[0].Requests = credit, requests
}

// environment is the one that an instance with these limits gets from the host.
func (h *ledgerHost) environment(limits core.Limits) core.Environment {
	return core.Environment{Host: h, Ledger: h.ledger, Limits: limits}
}

// open is [open] with a ledger.
func (h *ledgerHost) open(t *testing.T, limits core.Limits) core.Instance {
	t.Helper()
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, limits)
	return instantiate(t, c, h.environment(limits))
}

func (h *ledgerHost) note(format string, args ...any) {
	entry := fmt.Sprintf(format, args...)
	h.Asked = append(h.Asked, entry)
	if h.Calling != nil {
		h.Calling(entry)
	}
}

func (h *ledgerHost) reconcile() (response *[]byte) {
	if h.reconciling != nil {
		return h.reconciling()
	}
	h.checkPlain()
	return nil
}

// checkPlain records the account of a call without an exchange.
func (h *ledgerHost) checkPlain() {
	l := h.ledger
	if l.Side != 0 || l.Current.Kind != core.TransferNone || l.Current.Payload != nil || l.Ended != [2]core.CallCounts{} {
		h.note("an account of side %d with %v and %v", l.Side, l.Current, l.Ended)
	}
	if sentEntry(l.Open) == "" {
		h.note("nothing to reconcile")
	}
	h.ended()
}

// ended delivers the message or request that a call, which has ended, has left open.
func (h *ledgerHost) ended() {
	if open := sentEntry(h.ledger.Open); open != "" {
		h.note("%s", open)
	}
	h.ledger.Open.Kind = core.TransferNone
}

// sentEntry is the entry for a message or request that was sent by a credit, or "".
func sentEntry(t core.Transfer) string {
	switch t.Kind {
	case core.TransferMessage:
		return fmt.Sprintf("sent message %q", t.Payload)
	case core.TransferRequest:
		return fmt.Sprintf("sent request %q %d ms", t.Payload, t.TimeoutMillis)
	}
	return ""
}

// asked checks the entries, in this order, and forgets them.
func (h *ledgerHost) asked(t *testing.T, want ...string) {
	t.Helper()
	h.ended()
	if !slices.Equal(h.Asked, want) {
		t.Errorf("the host was asked\n%.200q\nwant\n%.200q", h.Asked, want)
	}
	h.Asked = nil
}

func request(id uint64) string {
	return string(binary.LittleEndian.AppendUint64([]byte{0}, id))
}

const ok = "\x00"

// creditCases are scripts of one call, and the entries of its host.
var creditCases = []struct {
	name     string
	change   func(*ledgerHost)
	script   *script
	response string
	asked    []string
}{
	{"the first message uses the credit", nil, new(script).send(stock, "a"), ok, []string{`sent message "a"`}},
	{"so does an empty one", nil, new(script).send(stock, ""), ok, []string{`sent message ""`}},
	{"the first request uses the credit", nil, new(script).request(stock, "a", 5), request(70), []string{`sent request "a" 5 ms`}},
	{"so does one with the longest timeout", nil, new(script).request(stock, "a", 86_400_000), request(70), []string{`sent request "a" 86400000 ms`}},
	{"only the first", nil, new(script).send(stock, "a").send(stock, "b").send(stock, "c"), ok + ok + ok,
		[]string{`sent message "a"`, `send shop/stock "b"`, `send shop/stock "c"`}},
	{"a request after a message asks", nil, new(script).send(stock, "a").request(stock, "b", 5), ok + request(7),
		[]string{`sent message "a"`, `request shop/stock "b" 5 ms`}},
	{"a message after a request asks", nil, new(script).request(stock, "a", 0).send(stock, "b"), request(70) + ok,
		[]string{`sent request "a" 0 ms`, `send shop/stock "b"`}},
	{"a request is reconciled before a cancel", nil, new(script).request(stock, "a", 5).cancel(70), request(70) + ok,
		[]string{`sent request "a" 5 ms`, "cancel 70"}},
	{"a message is reconciled before a log line", nil, new(script).send(stock, "a").log("b"), ok,
		[]string{`sent message "a"`, `log info "b"`}},
	{"another target asks", nil, new(script).send("shop/audit", "a"), ok, []string{`send shop/audit "a"`}},
	{"the beginning of the target asks", nil, new(script).send(stock[:9], "a"), ok, []string{`send shop/stoc "a"`}},
	{"the target and more asks", nil, new(script).send(stock+"s", "a"), ok, []string{`send shop/stocks "a"`}},
	{"no target asks", nil, new(script).send("", "a"), ok, []string{`send  "a"`}},
	{"no credit asks", func(h *ledgerHost) { h.ledger.Sides[0].Credit = nil }, new(script).send(stock, "a").request(stock, "b", 5), ok + request(7),
		[]string{`send shop/stock "a"`, `request shop/stock "b" 5 ms`}},
	{"a message where the credit is for requests alone asks", func(h *ledgerHost) { h.ledger.Sides[0].Credit.Messages = false }, new(script).send(stock, "a"), ok,
		[]string{`send shop/stock "a"`}},
	{"a request where the credit is for messages alone asks", func(h *ledgerHost) { h.ledger.Sides[0].Requests = nil }, new(script).request(stock, "a", 5), request(7),
		[]string{`request shop/stock "a" 5 ms`}},
	{"a message after another target's asks: the credit is for the first", nil, new(script).send("shop/audit", "a").send(stock, "b"), ok + ok,
		[]string{`send shop/audit "a"`, `send shop/stock "b"`}},
	{"a request after another target's asks", nil, new(script).request("shop/audit", "a", 5).request(stock, "b", 5), request(7) + request(7),
		[]string{`request shop/audit "a" 5 ms`, `request shop/stock "b" 5 ms`}},
	{"a timeout out of range asks", nil, new(script).request(stock, "a", 86_400_001), request(7), []string{`request shop/stock "a" 86400001 ms`}},
	{"the largest timeout asks", nil, new(script).request(stock, "a", 1<<64-1), request(7), []string{`request shop/stock "a" 18446744073709551615 ms`}},
	{"a guest that answers with an error has sent", nil, new(script).send(stock, "a").step("f"), "", []string{`sent message "a"`}},
}

func TestCredit(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{})
	equal(t, "KeepsLedger", c.Traits().KeepsLedger, true)
	for _, test := range creditCases {
		h := newLedgerHost()
		if test.change != nil {
			test.change(h)
		}
		in := instantiate(t, c, h.environment(core.Limits{}))
		for range 2 { // each call has a credit of its own
			var response []byte
			if err := in.HandleMessage(self, test.script.message(), &response); err != nil && test.response != "" {
				t.Fatalf("%s: %v", test.name, err)
			}
			equal(t, test.name+": response", string(response), test.response)
			h.asked(t, test.asked...)
		}
		// A response can be a script as well.
		if err := in.HandleCallback(1, append([]byte("!"), test.script.message()...), nil); err != nil && test.response != "" {
			t.Fatalf("%s: %v", test.name, err)
		}
		h.asked(t, test.asked...)
	}
}

// TestCreditSizes: a message that is too large for the credit or for C's buffer goes to
// the host.
func TestCreditSizes(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{})
	for _, test := range []struct {
		max, size int
		covered   bool
	}{
		{maxSize, 64, true}, {maxSize, 65, true}, {64, 64, true}, {64, 65, false}, {63, 63, true}, {63, 64, false},
		{maxSize, maxSize, true}, {maxSize, maxSize + 1, false},
		{1 << 20, buffer(t), true}, {1 << 20, buffer(t) + 1, false}, {1 << 40, 10, true}, {1 << 32, 10, true}, {0, 0, true}, {0, 1, false},
	} {
		h := newLedgerHost()
		h.ledger.Sides[0].Credit.MaxSize = test.max
		in := instantiate(t, c, h.environment(core.Limits{}))
		payload := bytes.Repeat([]byte("x"), test.size)
		send, ask := "send shop/stock", "request shop/stock"
		if test.covered {
			send, ask = "sent message", "sent request"
		}
		for range 3 { // the guest's own module does not have the credit in the first call
			must(t, in.HandleMessage(self, new(script).sendAt(stock, payload, 0).message(), nil))
			h.asked(t, fmt.Sprintf("%s %q", send, payload))
			must(t, in.HandleMessage(self, new(script).requestAt(stock, payload, 5, 0).message(), nil))
			h.asked(t, fmt.Sprintf("%s %q 5 ms", ask, payload))
		}
	}
}

// TestCreditChanges: each call has the credit that the ledger has then.
func TestCreditChanges(t *testing.T) {
	h := newLedgerHost()
	in := h.open(t, core.Limits{})
	message := new(script).send(stock, "a").message()
	other := new(script).send("shop/other-stock", "b").message()
	handles := func(message []byte) {
		t.Helper()
		for range 3 { // the guest's own module does not have the credit in the first call
			must(t, in.HandleMessage(self, message, nil))
			h.ended()
		}
	}
	for range 2 {
		handles(message)
		handles(other)
		h.asked(t, `sent message "a"`, `sent message "a"`, `sent message "a"`, `send shop/other-stock "b"`, `send shop/other-stock "b"`, `send shop/other-stock "b"`)
		h.give(&core.Credit{Target: "shop/other-stock", Messages: true, MaxSize: maxSize})
		handles(message)
		handles(other)
		h.asked(t, `send shop/stock "a"`, `send shop/stock "a"`, `send shop/stock "a"`, `sent message "b"`, `sent message "b"`, `sent message "b"`)
		h.give(nil)
		handles(other)
		h.asked(t, `send shop/other-stock "b"`, `send shop/other-stock "b"`, `send shop/other-stock "b"`)
		h.give(&core.Credit{Target: stock, Messages: true, MaxSize: maxSize})
	}
}

// TestCreditEndsWithItsCall: a health check and a shutdown have no credit, even if the
// call before did not use its own.
func TestCreditEndsWithItsCall(t *testing.T) {
	for what, step := range map[string]*script{
		`send shop/stock "a"`:         new(script).send(stock, "a"),
		`request shop/stock "a" 5 ms`: new(script).request(stock, "a", 5),
	} {
		h := newLedgerHost()
		in := h.open(t, core.Limits{})
		must(t, in.HandleMessage(self, new(script).later(step).message(), nil))
		_, err := in.Health()
		must(t, err)
		h.asked(t, what)
		must(t, in.Shutdown())
		h.asked(t, what)
	}
}

// TestTrapAfterSend: a message that was sent by the credit before the trap is delivered.
// Without fuel, the guest that does not end is interrupted by its delivery.
func TestTrapAfterSend(t *testing.T) {
	for name, limits := range map[string]core.Limits{"no fuel": {}, "fuel": {Fuel: 100_000}} {
		limits.HandlerTime = 1 << 62
		for _, end := range []string{"x", "o"} {
			h := newLedgerHost()
			in := h.open(t, limits)
			h.Calling = func(string) { in.Interrupt() }
			err := in.HandleMessage(self, new(script).send(stock, "a").step(end).message(), nil)
			if err == nil {
				t.Errorf("%s: got no error after %s", name, end)
			}
			h.asked(t, `sent message "a"`)
			if err := in.HandleMessage(self, new(script).send(stock, "b").message(), nil); err == nil {
				t.Errorf("%s: got no error of an instance that has ended", name)
			}
			h.asked(t)
		}
	}
}

// TestSendOfALongCall: the message is delivered while the guest still runs.
func TestSendOfALongCall(t *testing.T) {
	h := newLedgerHost()
	in := h.open(t, core.Limits{HandlerTime: 1 << 62})
	delivered := make(chan struct{})
	h.Calling = func(string) { close(delivered) }
	ended := make(chan error, 1)
	go func() { ended <- in.HandleMessage(self, new(script).send(stock, "a").step("o").message(), nil) }()
	<-delivered
	in.Interrupt()
	trapOf(t, <-ended, core.TrapHandler)
	h.asked(t, `sent message "a"`)
}

// TestClockWithALedger: the guest's time is the system's, without a call of the host, and
// so is the guest's own id.
func TestClockWithALedger(t *testing.T) {
	h := newLedgerHost()
	in := h.open(t, core.Limits{})
	var response []byte
	must(t, in.HandleMessage(self, new(script).step("nni").message(), &response))
	h.asked(t)
	first, second := binary.LittleEndian.Uint64(response), binary.LittleEndian.Uint64(response[8:])
	if first == 0 || second < first {
		t.Errorf("got the times %d, %d", first, second)
	}
	equal(t, "self-id", string(response[16:]), self.String())

	plain := &enginetest.Services{Time: 5}
	response = nil
	must(t, open(t, scriptWasm, plain, core.Limits{}).HandleMessage(self, new(script).step("n").message(), &response))
	equal(t, "the time of a host without a ledger", binary.LittleEndian.Uint64(response), 5)
}
