package enginetest

import (
	"strings"

	"github.com/airhost/airhost/core"
)

var hostilePromises = []promise{
	{"results", "a result that breaks the ABI ends the instance", testResults},
	{"arguments", "an argument that breaks the ABI ends the instance, before anything is done", testArguments},
	{"realloc", "the result of cabi_realloc is checked", testRealloc},
	{"realloc-calls", "cabi_realloc cannot call the host, be endless, or trap without ending the instance", testReallocCalls},
	{"post-return-calls", "a post-return cannot call the host, be endless, or trap without ending the instance", testPostReturnCalls},
	{"within-service", "cabi_realloc that misbehaves within a host service ends the instance", testWithinService},
	{"within-call", "cabi_realloc that misbehaves after a function has returned ends the instance", testWithinCall},
	{"moves", "memory that moves while arguments are put into it does no harm", testMoves},
	{"aliases", "results and arguments that share memory do no harm", testAliases},
	{"upper-bits", "the upper half of a 32-bit value is ignored", testUpperBits},
	{"unknown-health", "an unknown health ends the instance", testUnknownHealth},
	{"log-bytes", "log passes on bytes that are not text, for the host to escape", testLogBytes},
	{"bulk", "a guest that fills all of its memory again and again can be interrupted", testBulk},
}

// results are results of the guest that break the ABI.
var results = map[string]string{
	"an area out of range":                "a",
	"an area that ends out of range":      "A",
	"an unaligned area":                   "u",
	"an unknown discriminant":             "d",
	"an unknown error case":               "D",
	"an error text out of range":          "t",
	"an error text that is not UTF-8":     "U",
	"a response out of range":             "p",
	"a response whose end overflows":      "P",
	"a response of almost the whole 2^32": "q",
}

// ofResponse are the attacks that only a response can make.
const ofResponse = "pPq"

func testResults(t *trial) {
	for what, attack := range results {
		in, host := t.wasm("hostile", core.Limits{})
		t.wantTrap(what+" from handle-message", in.HandleMessage(other, []byte(attack), nil), core.TrapABI)
		t.refuses(in, host)
		if strings.Contains(ofResponse, attack) {
			continue
		}
		in, host = t.wasm("hostile", core.Limits{})
		t.wantTrap(what+" from handle-callback", in.HandleCallback(1, []byte(attack), nil), core.TrapABI)
		t.refuses(in, host)
		in, host = t.wasm("hostile", core.Limits{})
		t.wantTrap(what+" from initialize", in.Initialize([]core.ConfigPair{{Key: attack}}), core.TrapABI)
		t.refuses(in, host)
	}
}

// arguments are arguments for host services that break the ABI.
var arguments = map[string]string{
	"send-message with a target out of range":      "1",
	"send-message with a target that is not UTF-8": "2",
	"send-message with a message out of range":     "3",
	"send-message with an area out of range":       "4",
	"send-message with an unaligned area":          "5",
	"send-request with an area aligned to 4":       "6",
	"send-request with a target that is not UTF-8": "a",
	"send-request with a request out of range":     "b",
	"send-request with an area out of range":       "c",
	"after with a payload out of range":            "f",
	"after with a payload whose end overflows":     "g",
	"after with an area out of range":              "h",
	"after with an area aligned to 4":              "i",
	"call with a name out of range":                "j",
	"call with a name that is not UTF-8":           "k",
	"call with an argument out of range":           "m",
	"call with an argument whose end overflows":    "n",
	"call with an area out of range":               "o",
	"call with an unaligned area":                  "p",
	"publish with a topic out of range":            "q",
	"publish with a topic that is not UTF-8":       "r",
	"publish with a message out of range":          "s",
	"publish with a message whose end overflows":   "t",
	"publish with an area out of range":            "u",
	"publish with an unaligned area":               "v",
	"cancel-request with an area out of range":     "0",
	"cancel-request with an unaligned area":        "d",
	"self-id with an area out of range":            "9",
	"self-id with an unaligned area":               "e",
	"log with an unknown level":                    "7",
	"log with a message out of range":              "8",
}

func testArguments(t *trial) {
	for what, attack := range arguments {
		in, host := t.wasm("hostile", core.Limits{})
		t.wantTrap(what, in.HandleMessage(other, bytesOf("H", attack), nil), core.TrapABI)
		t.asked("services of "+what, host)
		t.refuses(in, host)
	}
}

// pairs are a configuration. Its list needs aligned memory of the guest.
var pairs = []core.ConfigPair{{Key: "e", Value: "value"}}

func testRealloc(t *trial) {
	attacks := map[string]string{"0": "0", "out of range": "o", "the end out of range": "n"}
	for what, attack := range attacks {
		in, host := t.wasm("hostile", core.Limits{})
		t.ask(in, "R", attack)
		t.wantTrap("cabi_realloc returned "+what, in.HandleMessage(other, []byte("e"), nil), core.TrapABI)
		t.refuses(in, host)
		in, _ = t.wasm("hostile", core.Limits{})
		t.ask(in, "R", attack)
		t.wantTrap("cabi_realloc returned "+what, in.HandleCallback(1, []byte("e"), nil), core.TrapABI)
		in, _ = t.wasm("hostile", core.Limits{})
		t.ask(in, "R", attack)
		t.wantTrap("cabi_realloc returned "+what, in.Initialize(pairs), core.TrapABI)
	}
	in, host := t.wasm("hostile", core.Limits{})
	t.ask(in, "Ru")
	t.wantTrap("cabi_realloc returned unaligned memory", in.Initialize(pairs), core.TrapABI)
	t.refuses(in, host)
}

// misbehaviors are actions of the guest in functions that may only compute, with the
// kind of trap.
var misbehaviors = map[string]core.TrapKind{
	"s": core.TrapABI, // send-message
	"r": core.TrapABI, // send-request
	"c": core.TrapABI, // cancel-request
	"i": core.TrapABI, // self-id
	"l": core.TrapABI, // log
	"t": core.TrapABI, // current-time
	"a": core.TrapABI, // after
	"q": core.TrapABI, // cancel of a timer
	"j": core.TrapABI, // call
	"v": core.TrapABI, // publish
	"x": core.TrapFault,
	"e": core.TrapHandler, // endless, and interrupted
}

func testReallocCalls(t *trial) {
	for how, kind := range misbehaviors {
		in, host := t.wasm("hostile", core.Limits{})
		t.ask(in, "R", how)
		t.endsSoon("cabi_realloc", in, "e", kind)
		t.refuses(in, host)
	}
}

func testPostReturnCalls(t *trial) {
	for how, kind := range misbehaviors {
		in, host := t.wasm("hostile", core.Limits{})
		t.endsSoon("post-return", in, "Q"+how, kind)
		t.refuses(in, host)
	}
}

func testWithinService(t *trial) {
	for how, kind := range misbehaviors {
		in, host := t.wasm("hostile", core.Limits{})
		t.endsSoon("cabi_realloc within self-id", in, "S"+how, kind)
		t.refuses(in, host)
	}
	for _, how := range []string{"0", "o", "n"} {
		in, host := t.wasm("hostile", core.Limits{})
		t.wantTrap("cabi_realloc within self-id", in.HandleMessage(other, []byte("S"+how), nil), core.TrapABI)
		t.refuses(in, host)
	}
}

// testWithinCall: the function returns a result, or an error with a text. Either needs
// memory.
func testWithinCall(t *trial) {
	for _, fail := range []bool{false, true} {
		for how, kind := range misbehaviors {
			t.endsInCall(how, kind, fail)
		}
		for _, how := range []string{"0", "o", "n"} {
			t.endsInCall(how, core.TrapABI, fail)
		}
	}
}

func (t *trial) endsInCall(how string, kind core.TrapKind, fail bool) {
	t.Helper()
	in, host := t.wasm("hostile", core.Limits{})
	host.Function = func([]byte, []byte) ([]byte, error) {
		if kind == core.TrapHandler {
			go in.Interrupt()
		}
		if fail {
			return nil, &core.CallError{Case: core.CallFailed, Text: "why"}
		}
		return []byte("result"), nil
	}
	t.soon("cabi_realloc within call", func() {
		t.wantTrap("cabi_realloc within call for "+how, in.HandleMessage(other, []byte("J"+how), nil), kind)
	})
	t.asked("services", host, `call a/b "a/b\x00"`)
	t.refuses(in, host)
}

// endsSoon checks that a message ends an instance in which no service is called. It
// interrupts the instance if kind is TrapHandler.
func (t *trial) endsSoon(what string, in core.Instance, message string, kind core.TrapKind) {
	t.Helper()
	t.endsIn(what+" for "+message, in, kind, func() error { return in.HandleMessage(other, []byte(message), nil) })
}

// endsIn is endsSoon for any call.
func (t *trial) endsIn(what string, in core.Instance, kind core.TrapKind, call func() error) {
	t.Helper()
	if kind == core.TrapHandler {
		go in.Interrupt()
	}
	t.soon(what, func() { t.wantTrap(what, call(), kind) })
}

func testMoves(t *trial) {
	in, host := t.wasm("hostile", core.Limits{})
	t.ask(in, "Rg") // from now on each cabi_realloc grows the memory
	for range 20 {
		want(t, "response", t.ask(in, "e moved"), []byte("e moved"))
	}
	want(t, "self-id", string(t.ask(in, "Sg")), self.String())
	host.Function = func(_, argument []byte) ([]byte, error) { return argument, nil }
	want(t, "result of a function that returns its argument", t.ask(in, "Jg"), []byte("a/b\x00"))
	host.Asked = nil
	t.must("initialize", in.Initialize(pairs))
	t.must("handle-callback", in.HandleCallback(1, []byte("e"), nil))
	t.asked("services", host)
}

func testAliases(t *trial) {
	in, _ := t.wasm("hostile", core.Limits{})
	want(t, "size of a response that is its own area", len(t.ask(in, "s")), 16)
	t.ask(in, "Rp") // from now on cabi_realloc always returns the same memory
	want(t, "response, where sender and message overlap", string(t.ask(in, "e overlaps all")), "e overlaps all")
}

func testUpperBits(t *trial) {
	in, _ := t.wasm("hostile", core.Limits{})
	want(t, "response", string(t.ask(in, "w")), "fine")
	t.ask(in, "Rw") // from now on cabi_realloc too
	want(t, "response", string(t.ask(in, "e fine")), "e fine")
	want(t, "self-id", string(t.ask(in, "Sw")), self.String())
	t.must("initialize", in.Initialize(pairs))
}

func testUnknownHealth(t *trial) {
	for _, status := range []byte{3, 255} {
		in, host := t.wasm("hostile", core.Limits{})
		t.ask(in, "h", status)
		_, err := in.Health()
		t.wantTrap("an unknown health", err, core.TrapABI)
		t.refuses(in, host)
	}
}

func testLogBytes(t *trial) {
	in, host := t.wasm("hostile", core.Limits{})
	t.ask(in, "Hl")
	t.asked("services", host, `log info "\xff/b"`)
}

func testBulk(t *trial) {
	in, host := t.wasm("hostile", core.Limits{})
	host.Calling = interruptAt(in, `log trace "endless"`)
	t.soon("filling memory", func() {
		t.wantTrap("filling memory", in.HandleMessage(other, []byte("F"), nil), core.TrapHandler)
	})
	t.refuses(in, host)
}
