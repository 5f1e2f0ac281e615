//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"fmt"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/sandbox"
)

const (
	trapped = "trapped: fault: unreachable"
	stopped = "trapped: handler-time: the host interrupted it"
	boom    = "trapped: fault: the host panicked: boom"
)

// exchangeCases are exchanges of one engine's instances. If a guest's call of the host
// ends the exchange, Reconcile comes before the call.
var exchangeCases = []exchangeCase{
	{name: "nothing is sent", first: new(script).step("ni"), want: []string{reconciled(0, core.TransferNone, "")}},
	{name: "a message", first: to(1, quiet), want: []string{reconciled(1, core.TransferMessage, ".")}},
	{name: "an empty message", first: new(script).send(two, ""), want: []string{reconciled(1, core.TransferMessage, "")}},
	{name: "a message to and fro", first: hops(2, 0, quiet),
		want: []string{reconciled(0, core.TransferMessage, ".", calls{}, calls{1, 0, 0})}},
	{name: "messages to and fro", first: hops(5, 0, quiet),
		want: []string{reconciled(1, core.TransferMessage, ".", calls{2, 0, 0}, calls{2, 0, 0})}},
	{name: "the sender of the first", first: new(script).before("l", len("bench/guest")),
		want: []string{reconciled(0, core.TransferNone, ""), `a log info "bench/guest"`}},
	{name: "the senders of the others", first: to(1, to(0, new(script).before("l", len(two)))),
		want: []string{reconciled(0, core.TransferMessage, text(new(script).before("l", len(two))), calls{}, calls{1, 0, 0}), `a log info "b/two"`}},
	{name: "the sender of a request", first: ask(1, new(script).before("e", len(one))),
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0})},
		told: [2]string{told(0, one)}, requests: [2][]core.RequestID{{70}}},
	{name: "calls that C answers", first: new(script).step("ni").send(two, text(new(script).step("ni").send(one, text(new(script).step("ni"))))),
		want: []string{reconciled(0, core.TransferMessage, text(new(script).step("ni")), calls{}, calls{1, 0, 0})}},

	{name: "one call more", first: hops(4, 0, quiet), change: most(1),
		want: []string{reconciled(1, core.TransferMessage, text(hops(3, 1, quiet))), fmt.Sprintf("b sent message %q", text(hops(2, 0, quiet)))}},
	{name: "two calls more", first: hops(4, 0, quiet), change: most(2),
		want: []string{reconciled(0, core.TransferMessage, text(hops(2, 0, quiet)), calls{}, calls{1, 0, 0}), fmt.Sprintf("a sent message %q", text(hops(1, 1, quiet)))}},
	{name: "no call more for a response", first: asks(1, 0, "yes"), change: most(1), requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(1, core.TransferRequest, text(new(script).echo("yes")))}, answer: "yes"},

	{name: "a request", first: asks(1, 0, "yes"), requests: [2][]core.RequestID{{70}}, told: [2]string{told(0, "yes")},
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0})}},
	{name: "a request without a response's bytes", first: ask(1, quiet), requests: [2][]core.RequestID{{70}}, told: [2]string{told(0, "")},
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0})}},
	{name: "a request of b", first: to(1, asks(1, 1, "yes")), requests: [2][]core.RequestID{nil, {80}}, told: [2]string{"", told(0, "yes")},
		want: []string{reconciled(1, core.TransferResponse, "", calls{0, 1, 0}, calls{1, 0, 0})}},
	{name: "several requests", first: asks(3, 0, "yes"), requests: [2][]core.RequestID{{70, 71, 75}},
		told: [2]string{told(0, "!"+text(asks(2, 0, "yes"))) + told(1, "!"+text(asks(1, 0, "yes"))) + told(2, "yes")},
		want: []string{reconciled(0, core.TransferResponse, "", calls{0, 0, 2}, calls{0, 3, 0})}},
	{name: "requests of both", first: ask(1, new(script).echo("!"+text(to(1, asks(1, 1, "yes"))))), requests: [2][]core.RequestID{{70}, {80}},
		told: [2]string{told(0, "!"+text(to(1, asks(1, 1, "yes")))), told(0, "yes")},
		want: []string{reconciled(1, core.TransferResponse, "", calls{0, 1, 1}, calls{1, 1, 0})}},
	{name: "one request more than ids", first: asks(3, 0, "yes"), change: ids(0, 72, 73), requests: [2][]core.RequestID{{72, 73, 7}},
		told: [2]string{told(0, "!"+text(asks(2, 0, "yes"))) + told(1, "!"+text(asks(1, 0, "yes")))},
		want: []string{reconciled(0, core.TransferResponse, "", calls{0, 0, 1}, calls{0, 2, 0}),
			fmt.Sprintf("a request b/two %q 5 ms", text(new(script).echo("yes")))}},
	{name: "no ids", first: asks(1, 0, "yes"), change: func(x *exchange) { x.hosts[0].ledger.Sides[0].Requests = nil },
		requests: [2][]core.RequestID{{7}},
		want:     []string{reconciled(0, core.TransferNone, ""), fmt.Sprintf("a request b/two %q 5 ms", text(new(script).echo("yes")))}},
	{name: "a message out of a callback", first: ask(1, new(script).echo("!"+text(to(1, quiet)))), requests: [2][]core.RequestID{{70}},
		told: [2]string{told(0, "!"+text(to(1, quiet)))},
		want: []string{reconciled(1, core.TransferMessage, ".", calls{0, 0, 1}, calls{0, 1, 0})}},

	{name: "an answer that is an error", first: ask(1, new(script).step("f")), requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(1, core.TransferRequest, text(new(script).step("f")))}, result: failed},
	{name: "a message that fails", first: to(1, to(0, new(script).step("f"))),
		want: []string{reconciled(0, core.TransferMessage, text(new(script).step("f")), calls{}, calls{1, 0, 0})}, result: failed},
	{name: "a first call that fails", first: to(1, quiet).step("f"),
		want: []string{reconciled(0, core.TransferNone, ""), `a sent message "."`}, result: failed},
	{name: "a callback that fails", first: ask(1, new(script).echo("!f")), requests: [2][]core.RequestID{{70}}, told: [2]string{told(0, "!f")},
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0})}, result: failed},

	{name: "the largest response that C holds", first: ask(1, long(1000, 48)), requests: [2][]core.RequestID{{70}}, told: [2]string{told(0, strings.Repeat("x", 2048))},
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0})}},
	{name: "a larger response", first: ask(1, long(1000, 49)), requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(1, core.TransferRequest, text(long(1000, 49)))}, answer: strings.Repeat("x", 2049)},
	{name: "a response as large as either may have", first: ask(1, long(100, 0)), limits: limits(200, 200), requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0})}, told: [2]string{told(0, strings.Repeat("x", 100))}},
	{name: "a response larger than b's may be", first: ask(1, long(50, 1)), limits: limits(1000, 100), requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(1, core.TransferRequest, text(long(50, 1)))}, result: "failed: the response has 101 bytes, allowed are 100 (quota.message_size)"},
	{name: "a response larger than a's may be", first: ask(1, long(50, 1)), limits: limits(100, 1000), requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(1, core.TransferRequest, text(long(50, 1)))}, answer: strings.Repeat("x", 101)},

	{name: "a response that is not wanted", first: to(1, long(1000, 49).send(one, ".")),
		want: []string{reconciled(0, core.TransferMessage, ".", calls{}, calls{1, 0, 0})}},

	{name: "a response that the host does not want any more", first: long(1000, 49).send(two, "."), change: responds,
		want: []string{reconciled(1, core.TransferMessage, ".")}},
	{name: "a ledger that was used before", first: quiet, want: []string{reconciled(0, core.TransferNone, "")}, change: usedBefore},

	{name: "a message out of a request", first: ask(1, to(0, quiet).echo("yes")), requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(1, core.TransferRequest, text(to(0, quiet).echo("yes"))), `b sent message "."`}, answer: ok + "yes"},
	{name: "a request out of a request", first: ask(1, ask(0, quiet).echo("yes")), requests: [2][]core.RequestID{{70}, {80}},
		want:   []string{reconciled(1, core.TransferRequest, text(ask(0, quiet).echo("yes"))), `b sent request "." 5 ms`},
		answer: request(80) + "yes"},
	{name: "a second message", first: to(1, quiet).send(two, "again"),
		want: []string{reconciled(0, core.TransferNone, ""), `a sent message "."`, `a send b/two "again"`}},
	{name: "a second request", first: ask(1, quiet).request(two, "again", 5), requests: [2][]core.RequestID{{70, 7}},
		want: []string{reconciled(0, core.TransferNone, ""), `a sent request "." 5 ms`, `a request b/two "again" 5 ms`}},
	{name: "a second message of b", first: to(1, to(0, quiet).send(one, "again")),
		want: []string{reconciled(1, core.TransferMessage, text(to(0, quiet).send(one, "again"))), `b sent message "."`, `b send a/one "again"`}},
	{name: "a log line", first: to(1, quiet).log("x"),
		want: []string{reconciled(0, core.TransferNone, ""), `a sent message "."`, `a log info "x"`}},
	{name: "a log line of b", first: to(1, to(0, quiet).log("x")),
		want: []string{reconciled(1, core.TransferMessage, text(to(0, quiet).log("x"))), `b sent message "."`, `b log info "x"`}},
	{name: "a log line of a callback", first: ask(1, new(script).echo("!"+text(new(script).log("x")))), requests: [2][]core.RequestID{{70}},
		told: [2]string{told(0, "!"+text(new(script).log("x")))},
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0}), `a log info "x"`}},
	{name: "a response after a log line", first: ask(1, new(script).log("x").echo("yes")), requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(1, core.TransferRequest, text(new(script).log("x").echo("yes"))), `b log info "x"`}, answer: "yes"},
	{name: "a request that is canceled", first: ask(1, quiet).cancelSent(0), requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(0, core.TransferNone, ""), `a sent request "." 5 ms`, `a cancel 70`}},
	{name: "a closed meanwhile", first: to(1, new(script).log("x").send(one, "y")), change: closesOther, ended: [2]bool{true, false},
		want: []string{reconciled(1, core.TransferMessage, text(new(script).log("x").send(one, "y"))), `b log info "x"`, `b send a/one "y"`}},
	{name: "b closed at the end", first: hops(2, 0, quiet), change: closesOther, ended: [2]bool{false, true},
		want: []string{reconciled(0, core.TransferMessage, ".", calls{}, calls{1, 0, 0})}},

	{name: "closed within its own call", first: to(1, new(script).log("x")), change: closesCurrent,
		want: []string{reconciled(1, core.TransferMessage, text(new(script).log("x"))), "b: wasmtime: close an instance: " + sandbox.ErrReentered.Error(), `b log info "x"`}},

	{name: "a third one", first: new(script).send(third, "x"), want: []string{reconciled(0, core.TransferNone, ""), `a send c/three "x"`}},
	{name: "b sends to a third one", first: to(1, new(script).send(third, "x")),
		want: []string{reconciled(1, core.TransferMessage, text(new(script).send(third, "x"))), `b send c/three "x"`}},
	{name: "a credit for a third one", first: new(script).send(third, "x"), change: credit(0, nobody),
		want: []string{reconciled(0, core.TransferNone, ""), `a sent message "x"`}},
	{name: "b's credit for a third one", first: to(1, new(script).send(third, "x")), change: credit(1, nobody),
		want: []string{reconciled(1, core.TransferMessage, text(new(script).send(third, "x"))), `b sent message "x"`}},
	{name: "a request by a credit for a third one", first: to(1, new(script).request(third, "x", 5)), change: credit(1, nobody), requests: [2][]core.RequestID{nil, {80}},
		want: []string{reconciled(1, core.TransferMessage, text(new(script).request(third, "x", 5))), `b sent request "x" 5 ms`}},
	{name: "no credit", first: to(1, quiet), change: credit(0, nil), want: []string{reconciled(0, core.TransferNone, ""), `a send b/two "."`}},
	{name: "no credit of b", first: hops(2, 0, quiet), change: credit(1, nil),
		want: []string{reconciled(1, core.TransferMessage, text(to(0, quiet))), `b send a/one "."`}},

	{name: "a trap", first: to(1, quiet).step("x"), ended: [2]bool{true, false},
		want: []string{reconciled(0, core.TransferNone, ""), `a sent message "."`}, result: trapped},
	{name: "a trap of b", first: to(1, to(0, quiet).step("x")), ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, text(to(0, quiet).step("x"))), `b sent message "."`}, result: trapped},
	{name: "a trap in a request", first: ask(1, new(script).step("x")), ended: [2]bool{false, true}, requests: [2][]core.RequestID{{70}},
		want: []string{reconciled(1, core.TransferRequest, text(new(script).step("x")))}, result: trapped},
	{name: "a trap in a callback", first: ask(1, new(script).echo("!x")), ended: [2]bool{true, false},
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0})}, result: trapped},
	{name: "a trap in the last call", first: to(1, new(script).step("x")), change: most(1), ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, text(new(script).step("x")))}, result: trapped},

	{name: "no place for the next message", first: to(1, quiet), code: [2]string{"", "misplaces later"}, ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, "."), "b ends"}},
	{name: "no place for the message after a request", first: asks(1, 0, "yes"), code: [2]string{"", "misplaces later"}, ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferRequest, text(new(script).echo("yes"))), "b ends"}, answer: "yes", requests: [2][]core.RequestID{{70}}},
	{name: "a trap where the next message is placed, after a send", first: to(1, to(0, quiet)), code: [2]string{"", "traps later"}, ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, text(to(0, quiet))), `b sent message "."`, "b ends"}},
	{name: "no place for a message", first: to(1, quiet), code: [2]string{"", "misplaces"}, ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, ".")}, result: "trapped: abi: cabi_realloc returned 0 for 5 bytes"},

	{name: "interrupted before", first: to(1, quiet), change: func(x *exchange) { x.in[0].Interrupt() }, ended: [2]bool{true, false}, result: stopped},
	{name: "interrupted without an end", first: to(1, quiet).step("o"), change: interrupts(true), ended: [2]bool{true, false},
		want: []string{reconciled(0, core.TransferNone, ""), `a sent message "."`}, result: stopped},
	{name: "b interrupted without an end", first: to(1, to(0, quiet).step("o")), change: interrupts(true), ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, text(to(0, quiet).step("o"))), `b sent message "."`}, result: stopped},
	{name: "interrupted in a request without an end", first: ask(1, new(script).step("o")), change: interrupts(true), ended: [2]bool{false, true},
		requests: [2][]core.RequestID{{70}},
		want:     []string{reconciled(1, core.TransferRequest, text(new(script).step("o")))}, result: stopped},
	{name: "interrupted in a callback without an end", first: ask(1, new(script).echo("!o")), change: interrupts(true), ended: [2]bool{true, false},
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0})}, result: stopped},
	{name: "interrupted at the end", first: to(1, quiet), change: interrupts(true), ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, ".")}, result: stopped},
	{name: "a interrupted while b runs last", first: to(1, quiet), change: interrupts(false), ended: [2]bool{true, false},
		want: []string{reconciled(1, core.TransferMessage, ".")}},

	{name: "an outcome first", first: hops(2, 0, quiet), change: outcome, told: [2]string{told(0, "!"+text(hops(2, 0, quiet)))},
		want: []string{reconciled(0, core.TransferMessage, ".", calls{}, calls{1, 0, 0})}},
	{name: "an outcome and a request", first: asks(1, 0, "yes"), change: outcome, requests: [2][]core.RequestID{{7, 70}},
		told: [2]string{told(0, "!"+text(asks(1, 0, "yes"))) + told(1, "yes")},
		want: []string{reconciled(0, core.TransferResponse, "", calls{}, calls{0, 1, 0})}},
	{name: "a failure first", change: func(x *exchange) { x.outcome, x.failure = 7, &core.RequestError{Reason: core.ReasonTimeout} },
		want: []string{reconciled(0, core.TransferNone, "")}, told: [2]string{"\x00\x01\x07timeout"}},
	{name: "an outcome that traps", first: new(script).step("x"), change: outcome, ended: [2]bool{true, false},
		want: []string{reconciled(0, core.TransferNone, "")}, result: trapped},

	{name: "a panic of Reconcile", first: quiet, change: panics("reconciled"), ended: [2]bool{true, false},
		want: []string{reconciled(0, core.TransferNone, "")}, result: boom},
	{name: "a panic of Reconcile within a call", first: to(1, quiet).log("x"), change: panics("reconciled"), ended: [2]bool{true, false},
		want: []string{reconciled(0, core.TransferNone, "")}, result: boom},
	{name: "a panic of Reconcile within b's call", first: to(1, new(script).log("x")), change: panics("reconciled"), ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, text(new(script).log("x")))}, result: boom},
	{name: "a panic of Reconcile after b's call", first: to(1, quiet), change: panics("reconciled"), ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, ".")}, result: boom},
	{name: "a panic at b's message within its call", first: to(1, to(0, quiet).log("x")), change: panics("b sent"), ended: [2]bool{false, true},
		want: []string{reconciled(1, core.TransferMessage, text(to(0, quiet).log("x"))), `b sent message "."`}, result: boom},
	{name: "a panic at b's request after its call", first: to(1, ask(0, quiet)), change: func(x *exchange) { most(1)(x); panics("b sent")(x) },
		ended: [2]bool{false, true},
		want:  []string{reconciled(1, core.TransferMessage, text(ask(0, quiet))), `b sent request "." 5 ms`}, result: boom},
}

const failed = "failed: it was told to"

// limits bound both sides' messages, in bytes.
func limits(a, b int) [2]core.Limits {
	return [2]core.Limits{{MessageSize: a}, {MessageSize: b}}
}

// noExchangeCases are calls of a alone, which sends a message to b.
var noExchangeCases = []exchangeCase{
	{name: "two engines", code: [2]string{"", "another engine's"}},
	{name: "fuel", code: [2]string{"fuel", ""}, limits: [2]core.Limits{{Fuel: 1 << 20}, {}}},
	{name: "fuel of b", code: [2]string{"", "fuel"}, limits: [2]core.Limits{{}, {Fuel: 1 << 20}}},
	{name: "b is no instance of the engine", change: func(x *exchange) { x.peer = struct{ core.Instance }{x.in[1]} }},
	{name: "b is without a ledger", without: [2]bool{false, true}},
	{name: "b has trapped", ended: [2]bool{false, true}, change: func(x *exchange) { _ = x.in[1].HandleMessage(self, []byte("x"), nil) }},
	{name: "b was interrupted", ended: [2]bool{false, true}, change: func(x *exchange) { x.in[1].Interrupt() }},
	{name: "b is closed", ended: [2]bool{false, true}, change: func(x *exchange) { _ = x.in[1].Close() }},
}

// noExchangeCalls are other calls of a alone.
var noExchangeCalls = []exchangeCase{
	{name: "a is without a ledger", first: to(1, quiet), without: [2]bool{true, false}, want: []string{`a send b/two "."`}},
	{name: "a request of the host", first: to(1, quiet), change: func(x *exchange) { x.request = true }, answer: ok,
		want: []string{reconciled(0, core.TransferNone, ""), `a send b/two "."`}},
	{name: "a request of the host, and nothing sent", first: new(script).echo("yes"), change: func(x *exchange) { x.request = true }, answer: "yes",
		want: []string{reconciled(0, core.TransferNone, "")}},
	{name: "no peer", first: quiet, change: func(x *exchange) { x.peer = nil }, want: []string{reconciled(0, core.TransferNone, "")}},
	{name: "no peer, and a ledger that was used before", first: quiet, change: func(x *exchange) { usedBefore(x); x.peer = nil },
		want: []string{reconciled(0, core.TransferNone, "")}},
	{name: "no peer, and a panic of Reconcile", first: quiet, change: func(x *exchange) { panics("reconciled")(x); x.peer = nil },
		want: []string{reconciled(0, core.TransferNone, "")}, ended: [2]bool{true, false}, result: boom},
	{name: "a has trapped", first: to(1, quiet), change: func(x *exchange) { _ = x.in[0].HandleMessage(self, []byte("x"), nil) },
		ended: [2]bool{true, false}, result: trapped},
	{name: "a is closed", first: to(1, quiet), change: func(x *exchange) { _ = x.in[0].Close() },
		ended: [2]bool{true, false}, result: core.ErrClosed.Error()},
	{name: "a was interrupted", first: to(1, quiet), change: func(x *exchange) { panics("reconciled")(x); x.in[0].Interrupt() },
		ended: [2]bool{true, false}, result: stopped},
}
