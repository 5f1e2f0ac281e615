package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
)

var functionPromises = []promise{
	{"call", "call reaches CallFunction with name and argument, and returns the result", testCall},
	{"call-large", "a large result reaches the guest, also when its memory must grow for it", testCallLarge},
	{"call-errors", "the guest is told each call-error with case and text, also inside of other errors", testCallErrors},
	{"call-other-error", "an error of a function that is no call-error is unavailable with its text", testCallOtherError},
	{"call-argument", "a function may return its argument, or a part of it", testCallArgument},
	{"call-panic", "a panic of CallFunction ends the instance with a TrapError that holds the stack", testCallPanic},
	{"no-functions", "if the host has no functions, call is not-found", testNoFunctions},
}

// lookup is the command that calls a function by a name of 10 bytes.
const lookup = "j\x0aapp/lookup"

func returns(result []byte) func(name, argument []byte) ([]byte, error) {
	return func([]byte, []byte) ([]byte, error) { return result, nil }
}

func testCall(t *trial) {
	in, host := t.actor()
	large := string(bytes.Repeat([]byte("large"), 20_000))
	for _, argument := range []string{"", "an argument", large} {
		for _, result := range []string{"a result", "", "another"} {
			host.Function = returns([]byte(result))
			want(t, "answer", t.ask(in, lookup, argument), bytesOf(byte(0), result))
			t.asked("services", host, fmt.Sprintf("call app/lookup %q", argument))
		}
	}
	want(t, "answer for no name", t.ask(in, "j\x00"), bytesOf(byte(0), "another"))
	t.asked("services for no name", host, `call  ""`)
}

func testCallLarge(t *trial) {
	in, host := t.instance(t.theActor(), core.Limits{MessageSize: 8 << 20})
	for _, size := range []int{100_000, 3 << 20} {
		result := bytes.Repeat([]byte("abcde"), size/5)
		host.Function = returns(result)
		want(t, "answer", t.ask(in, lookup), bytesOf(byte(0), result))
	}
}

func testCallErrors(t *trial) {
	in, host := t.actor()
	for _, c := range core.CallErrorCases() {
		for _, text := range []string{"", "why: " + c.String() + " ☃"} {
			refusal := &core.CallError{Case: c, Text: text}
			for _, err := range []error{refusal, fmt.Errorf("call: %w", refusal)} {
				host.Function = func([]byte, []byte) ([]byte, error) { return []byte("no result"), err }
				want(t, "answer", t.ask(in, lookup), bytesOf(byte(1), byte(c), text))
			}
		}
	}
}

func testCallOtherError(t *trial) {
	in, host := t.actor()
	host.Function = func([]byte, []byte) ([]byte, error) { return nil, errors.New("some reason") }
	want(t, "answer", t.ask(in, lookup), bytesOf(byte(1), byte(core.CallUnavailable), "some reason"))
}

func testCallArgument(t *trial) {
	in, host := t.instance(t.theActor(), core.Limits{MessageSize: 8 << 20})
	argument := bytes.Repeat([]byte("abcde"), 200_000)
	host.Function = func(_, argument []byte) ([]byte, error) { return argument[1:], nil }
	for range 5 {
		want(t, "answer", t.ask(in, lookup, argument), bytesOf(byte(0), argument[1:]))
	}
}

func testCallPanic(t *trial) {
	in, host := t.actor()
	host.Function = func([]byte, []byte) ([]byte, error) { panic("the function is broken") }
	_, err := try(in, lookup)
	if trap := t.wantTrap("a function that panics", err, core.TrapFault); trap != nil && trap.Details == "" {
		t.broken("got no details\nwant the stack of the panic")
	}
	host.Asked = nil
	t.refuses(in, host)
}

func testNoFunctions(t *trial) {
	host := &Services{}
	in := t.bare(host, t.theActor())
	want(t, "case of call", t.ask(in, lookup)[:2], []byte{1, byte(core.CallNotFound)})
	t.asked("services", host)
}

// testCallTime: a function waits, and uses the processor, for longer than the guest may
// run. The next call has all of its time.
func testCallTime(t *trial) {
	const short, long = 20 * time.Millisecond, 50 * time.Millisecond
	takes := func([]byte, []byte) ([]byte, error) {
		<-time.After(long)
		for began := time.Now(); time.Since(began) < long; {
		}
		return []byte("late"), nil
	}
	in, host := t.wasm("actor", core.Limits{HandlerTime: short, HandlerWallTime: time.Hour})
	host.Function = takes
	for range 2 {
		want(t, "answer", t.ask(in, lookup), bytesOf(byte(0), "late"))
	}
	in, host = t.wasm("actor", core.Limits{HandlerTime: short, HandlerWallTime: short})
	host.Function = takes
	_, err := try(in, lookup)
	if trap := t.wantTrap("a function that takes longer than the wall time", err, core.TrapHandler); trap != nil {
		want(t, "text", trap.Text, "not done within limits.handler_wall_time (20ms)")
	}
	host.Asked = nil
	t.refuses(in, host)
}
