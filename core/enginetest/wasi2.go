package enginetest

import (
	"bytes"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
)

var wasi2Promises = []promise{
	{"wasi2-clocks", "WASI 0.2: the wall clock is the host's, the monotonic one goes on", testClocks2},
	{"wasi2-random", "WASI 0.2: randomness differs, also while a guest starts", testRandom2},
	{"wasi2-output", "WASI 0.2: lines of standard output and standard error are log lines", testOutput2},
	{"wasi2-poll", "WASI 0.2: poll returns what is ready first", testPoll2},
	{"wasi2-sleep", "WASI 0.2: a guest that blocks can be interrupted, and waits no longer than its limit", testSleep2},
	{"wasi2-nothing", "WASI 0.2: there are no arguments, no environment, no files, no sockets", testNothing2},
	{"wasi2-http", "WASI 0.2: fields and requests can be made, and a request is refused if the host denies it", testHTTP2},
	{"wasi2-exchange", "WASI 0.2: a request gets its response; a guest that waits for it can be interrupted, and waits no longer than its limit", testExchange2},
	{"wasi2-exit", "WASI 0.2: an exit ends the instance", testExit2},
	{"wasi2-attacks", "WASI 0.2: a guest that breaks its rules ends, and only it", testAttacks2},
}

func (t *trial) wasi2() (core.Instance, *Services) {
	t.Helper()
	return t.wasm("wasi2", core.Limits{})
}

func testClocks2(t *trial) {
	in, host := t.wasi2()
	host.Time = 1_700_000_000_123_456_789
	first, second := t.ask(in, "t"), t.ask(in, "t")
	if len(first) != 24 || len(second) != 24 {
		t.broken("got %d and %d bytes\nwant 24", len(first), len(second))
		return
	}
	want(t, "seconds", first[:8], number(1_700_000_000))
	want(t, "nanoseconds", first[8:12], number(123_456_789)[:4])
	reversed := func(b []byte) []byte {
		var r []byte
		for i := range b {
			r = append(r, b[len(b)-1-i])
		}
		return r
	}
	if bytes.Compare(reversed(first[16:]), reversed(second[16:])) > 0 {
		t.broken("monotonic clock: got %x after %x", second[16:], first[16:])
	}
}

func testRandom2(t *trial) {
	in, _ := t.wasi2()
	first, second := t.ask(in, "r"), t.ask(in, "r")
	if len(first) != 32 || bytes.Equal(first, second) {
		t.broken("got %x and %x\nwant 32 bytes that differ", first, second)
	}
	another, _ := t.wasi2()
	if bytes.Equal(t.ask(in, "i"), t.ask(another, "i")) {
		t.broken("two instances got the same randomness when they started")
	}
}

func testOutput2(t *trial) {
	in, host := t.wasi2()
	want(t, "the results of write", t.ask(in, "oa line\nand"), []byte{0})
	t.ask(in, "ean error\n")
	t.ask(in, "o more\n")
	t.asked("services", host, `log info "a line"`, `log info "an error"`, `log info "and more"`)
}

func testPoll2(t *trial) {
	in, _ := t.wasi2()
	for range 3 {
		want(t, "what is ready: one, the second, that", t.ask(in, "p"), []byte{1, 1, 1})
	}
}

func testSleep2(t *trial) {
	in, host := t.wasi2()
	host.Calling = interruptAt(in, "now")
	t.soon("an hour's block", func() {
		t.wantTrap("an hour's block", in.HandleMessage(other, []byte("s"), nil), core.TrapHandler)
	})
	t.refuses(in, host)
	limited, _ := t.wasm("wasi2", core.Limits{HandlerTime: 60 * time.Millisecond, HandlerWallTime: 120 * time.Millisecond})
	t.soon("an hour's block", func() {
		t.wantText(limited.HandleMessage(other, []byte("s"), nil), "not done within limits.handler_wall_time (120ms)")
	})
}

func testNothing2(t *trial) {
	in, _ := t.wasi2()
	// No environment, arguments, directories, terminal; a socket is refused by
	// access-denied, and standard input has ended.
	want(t, "the results of WASI", t.ask(in, "n"), []byte{0, 0, 0, 0, 1, 1, 1, 1})
}

func testHTTP2(t *trial) {
	in, _ := t.wasi2()
	const denied = 15
	for range 3 {
		want(t, "the number of fields, a name, the error", t.ask(in, "hx-name"), []byte{1, 'x', 1, denied})
	}
}

// exchange is one that has ended, or does so by itself.
type exchange struct {
	done   chan struct{}
	result func() (*core.HTTPResponse, error)
}

func (e exchange) Done() <-chan struct{}               { return e.done }
func (e exchange) Result() (*core.HTTPResponse, error) { return e.result() }
func (e exchange) Cancel()                             {}

// endingExchange is an exchange that ends soon after the second look at it: the first one finds no
// response, and with the second one the guest begins to wait.
type endingExchange struct {
	exchange
	looks int
}

func (e *endingExchange) Done() <-chan struct{} {
	if e.looks++; e.looks == 2 {
		time.AfterFunc(3*time.Millisecond, func() { close(e.done) })
	}
	return e.done
}

// ending returns an exchange that ends soon after the guest has begun to wait for it.
func ending(body string, err error) core.HTTPExchange {
	return &endingExchange{exchange: exchange{make(chan struct{}), func() (*core.HTTPResponse, error) {
		return &core.HTTPResponse{Status: 200, Body: []byte(body)}, err
	}}}
}

func testExchange2(t *trial) {
	never := exchange{make(chan struct{}), nil}
	in, host := t.wasm("wasi2", core.Limits{HandlerTime: time.Minute, HandlerWallTime: time.Minute})
	for _, text := range []string{"one", "two"} {
		host.Exchange = ending(text, nil)
		want(t, "the response's body", t.ask(in, "fexample.com"), []byte(text))
	}
	host.Exchange = ending("", &core.HTTPError{Code: core.HTTPConnectionRefused})
	want(t, "the error-code", t.ask(in, "fexample.com"), []byte{byte(core.HTTPConnectionRefused)})
	t.asked("services", host, "http GET https://example.com/", "http GET https://example.com/", "http GET https://example.com/")
	host.Exchange, host.Calling = never, interruptAt(in, "http GET https://example.com/")
	t.soon("a wait for a response", func() {
		t.wantTrap("a wait for a response", in.HandleMessage(other, []byte("fexample.com"), nil), core.TrapHandler)
	})
	t.refuses(in, host)
	limited, host := t.wasm("wasi2", core.Limits{HandlerTime: 60 * time.Millisecond, HandlerWallTime: 120 * time.Millisecond})
	host.Exchange = never
	t.soon("a wait for a response", func() {
		t.wantText(limited.HandleMessage(other, []byte("fexample.com"), nil), "not done within limits.handler_wall_time (120ms)")
	})
}

func testExit2(t *trial) {
	in, host := t.wasi2()
	trap := t.wantTrap("exit-with-code", in.HandleMessage(other, []byte("x"), nil), core.TrapFault)
	if trap != nil && !strings.Contains(trap.Text, "7") {
		t.broken("got the text %q\nwant one with the code 7", trap.Text)
	}
	t.refuses(in, host)
}

func testAttacks2(t *trial) {
	for _, attack := range []struct {
		how  string
		kind core.TrapKind
		text string // a part of the trap's
	}{
		{"f", core.TrapFault, "4,096 resources"},
		{"d", core.TrapABI, "which does not exist"},
		{"u", core.TrapABI, "the handle 77"},
		{"k", core.TrapABI, "of the resource pollable"},
		{"s", core.TrapABI, "want one of tcp-socket"},
		{"l", core.TrapFault, "more than 4,096 elements"},
		{"e", core.TrapABI, "an empty list"},
		{"o", core.TrapABI, "outside of the memory"},
		{"a", core.TrapABI, "outside of the memory"},
		{"g", core.TrapABI, "no guest's memory holds"},
		{"w", core.TrapABI, "check-write allowed 0"},
		{"n", core.TrapABI, "from cabi_realloc"},
		{"r", core.TrapABI, "from cabi_realloc"},
	} {
		in, host := t.wasi2()
		trap := t.wantTrap("attack "+attack.how, in.HandleMessage(other, []byte("A"+attack.how), nil), attack.kind)
		if trap != nil && !strings.Contains(trap.Text, attack.text) {
			t.broken("attack %s: got the text %q\nwant one with %q", attack.how, trap.Text, attack.text)
		}
		t.refuses(in, host)
	}
	in, _ := t.wasi2()
	want(t, "what is ready in another instance", t.ask(in, "p"), []byte{1, 1, 1})
}
