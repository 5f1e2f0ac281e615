package enginetest

import (
	"strings"
	"time"

	"github.com/airhost/airhost/core"
)

// unhurried are limits for handlers that work for a second on a slow machine.
var unhurried = core.Limits{HandlerTime: time.Minute, HandlerWallTime: time.Minute}

var httpPromises = []promise{
	{"http-request", "a guest that handles requests of HTTP gets them as messages, and its response is the message's", testHTTPRequest},
	{"http-instances", "such a guest goes on with its memory, unless it keeps what is of a request", testHTTPInstances},
	{"http-unanswered", "a guest that sets no whole response has failed, and goes on", testHTTPUnanswered},
	{"http-attacks", "a guest that breaks the rules of requests ends", testHTTPAttacks},
	{"http-interrupt", "a guest that does not end its request can be interrupted, also in a later instance", testHTTPInterrupt},
}

// request returns a request of HTTP as a message.
func request(path, body string) string {
	return "POST " + path + " HTTP/1.1\r\nhost: a.example\r\n\r\n" + body
}

// counted is the response of the guest that it has had n requests.
func counted(n string) []byte {
	return []byte("HTTP/1.1 200 OK\r\nx-made-by: by\r\ncontent-length: 1\r\n\r\n" + n)
}

// says checks that an error has a text in its own.
func (t *trial) says(err error, text string) {
	t.Helper()
	if err != nil && !strings.Contains(err.Error(), text) {
		t.broken("got the error %v\nwant one with %q", err, text)
	}
}

func testHTTPRequest(t *trial) {
	c := t.component("server", wasmGuest("server"), unhurried)
	traits := c.Traits()
	want(t, "the traits HTTP and KeepsLedger", [2]bool{traits.HTTP, traits.KeepsLedger}, [2]bool{true, false})
	in, _ := t.instance(c, unhurried)
	for range 3 {
		body := strings.Repeat("0123456789", 777)
		want(t, "the response", t.ask(in, request("/echo?x=1", body)), []byte("HTTP/1.1 200 OK\r\nx-made-by: by\r\ncontent-length: 7770\r\n\r\n"+body))
	}
	t.must("a message whose response nobody wants", in.HandleMessage(other, []byte(request("/echo", "x")), nil))
	for message, text := range map[string]string{
		"":                                 "no HTTP request",
		"hello":                            "a route to it has pattern: http",
		"GET /\xff HTTP/1.1\r\n\r\n":       "not UTF-8",
		"GET relative HTTP/1.1\r\n\r\n":    "no HTTP request",
		"CONNECT a:1 HTTP/1.1\r\n\r\n":     "no path",
		"GET / HTTP/1.1\r\nA b: c\r\n\r\n": "malformed",
	} {
		var response []byte
		err := in.HandleMessage(other, []byte(message), &response)
		t.wantError("a message that is no request", err, &core.ComponentError{Case: core.CaseInvalidMessage})
		t.says(err, text)
	}
	want(t, "the response to an absolute URL", t.ask(in, request("http://b/v", "")), counted("5"))
}

func testHTTPInstances(t *trial) {
	in, _ := t.wasm("server", unhurried)
	for _, n := range []string{"1", "2", "3"} {
		want(t, "the count", t.ask(in, request("/visit", "")), counted(n))
	}
	want(t, "the count of a request that is kept", t.ask(in, request("/keep", "")), counted("4"))
	for range 3 {
		want(t, "the count of a new instance", t.ask(in, request("/keep", "")), counted("1"))
	}
	want(t, "the count of the last one", t.ask(in, request("/visit", "")), counted("1"))
	want(t, "the count of the same", t.ask(in, request("/visit", "")), counted("2"))
}

func testHTTPUnanswered(t *trial) {
	limits := unhurried
	limits.MessageSize = 2000
	in, _ := t.wasm("server", limits)
	for path, text := range map[string]string{
		"/nothing": "set no response",
		"/Ad":      "set no response",
		"/Aa":      "set no response",
		"/Ac":      "connection-refused",
		"/Au":      "not finished the body",
		"/Af":      "the body of its response has failed",
		"/Ab":      "the body of its response has failed",
		"/Am":      "allowed are 2000 (quota.message_size)",
	} {
		var response []byte
		err := in.HandleMessage(other, []byte(request(path, "")), &response)
		t.wantError("a request of "+path, err, &core.ComponentError{Case: core.CaseFailed})
		t.says(err, text)
		want(t, "the response of "+path, response, nil)
	}
	want(t, "a status", t.ask(in, request("/As", "")), []byte("HTTP/1.1 599 \r\nx-made-by: by\r\ncontent-length: 0\r\n\r\n"))
	want(t, "what comes after an informational response", t.ask(in, request("/Ai", "")), []byte("HTTP/1.1 200 OK\r\nx-made-by: by\r\ncontent-length: 0\r\n\r\n"))
}

func testHTTPAttacks(t *trial) {
	for path, trap := range map[string]struct {
		kind core.TrapKind
		text string
	}{
		"/At": {core.TrapABI, "which does not exist"},
		"/Aq": {core.TrapABI, "want one of outgoing-response"},
		"/Ao": {core.TrapABI, "has not dropped its 1 children"},
		"/Ap": {core.TrapFault, "unreachable"},
	} {
		in, host := t.wasm("server", unhurried)
		got := t.wantTrap("a request of "+path, in.HandleMessage(other, []byte(request(path, "")), nil), trap.kind)
		if got != nil && !strings.Contains(got.Text, trap.text) {
			t.broken("a request of %s: got the text %q\nwant one with %q", path, got.Text, trap.text)
		}
		t.refuses(in, host)
	}
}

func testHTTPInterrupt(t *trial) {
	for _, before := range []string{"/visit", "/keep"} {
		in, host := t.wasm("server", unhurried)
		t.ask(in, request(before, ""))
		in.Interrupt()
		t.wantTrap("a request after the interrupt", in.HandleMessage(other, []byte(request("/visit", "")), nil), core.TrapHandler)
		t.refuses(in, host)

		in, host = t.wasm("server", unhurried)
		t.ask(in, request(before, ""))
		time.AfterFunc(5*time.Millisecond, in.Interrupt)
		t.soon("a request without end", func() {
			t.wantTrap("a request without end", in.HandleMessage(other, []byte(request("/Al", "")), nil), core.TrapHandler)
		})
		t.refuses(in, host)

		limited, _ := t.wasm("server", core.Limits{HandlerTime: 50 * time.Millisecond})
		t.ask(limited, request(before, ""))
		t.soon("a request without end", func() {
			t.wantText(limited.HandleMessage(other, []byte(request("/Al", "")), nil), "not done within limits.handler_time (50ms)")
		})
	}
}
